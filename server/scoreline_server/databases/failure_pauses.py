"""When a store that fails is left alone, so that not every call waits for it."""

import threading
import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger()

_FAILURES = 3
_PAUSE_SECONDS = 1.0


class FailurePauses:
    """The pauses of one store: from its third failure in a row on, each failure begins a pause of a second.

    Logs when the first pause begins, and when the store answers again. Safe for threads.
    """

    def __init__(self, store: str, meanwhile: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``store`` and what happens ``meanwhile`` are named in the log; ``clock`` measures the pauses."""
        self._store, self._meanwhile, self._clock = store, meanwhile, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._resume = 0.0

    @property
    def is_paused(self) -> bool:
        """Whether the store is to be left alone now."""
        return self._clock() < self._resume

    def failed(self, problem: str) -> None:
        """Counts a failure."""
        with self._lock:
            self._failures += 1
            begins = self._failures == _FAILURES
            if self._failures >= _FAILURES:
                self._resume = self._clock() + _PAUSE_SECONDS
        if begins:
            _log.error(f"the {self._store} does not answer; {self._meanwhile}", problem=problem[:500])

    def succeeded(self) -> None:
        """Forgets the failures before."""
        with self._lock:
            ended, self._failures = self._failures >= _FAILURES, 0
        if ended:
            _log.info(f"the {self._store} answers again")
