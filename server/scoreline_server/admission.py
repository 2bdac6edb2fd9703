"""Takes in no more work than can be done in time, so that what is taken in is answered.

Without a bound every call of an overload waits behind all the others until its caller has given up: the server is busy
and nobody is served. Work is measured in seconds, as models were timed at load.
"""

import threading
import time
from collections.abc import Callable

from scoreline_server.errors import CallError
from scoreline_server.reasons import Reason


class Admission:
    """How much work is in hand, and whether more is taken. Safe for threads."""

    def __init__(self, *, max_queue_seconds: float, clock: Callable[[], float] = time.time) -> None:
        """``clock`` tells the time that deadlines are in."""
        self._most = max_queue_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._queued = 0.0

    @property
    def queued_seconds(self) -> float:
        """The work in hand."""
        return self._queued

    def take(self, seconds: float, deadline: float | None) -> None:
        """Takes work in hand. Raises CallError with OVERLOADED and a hint when it could not be done in time.

        A call that finds nothing in hand is always taken, whatever it costs.
        """
        left = self._most if deadline is None else min(self._most, deadline - self._clock())
        with self._lock:
            if self._queued > 0 and self._queued + seconds > left:
                raise self._refusal()
            self._queued += seconds

    def done(self, seconds: float) -> None:
        """Work is done or was given up."""
        with self._lock:
            # Sums of floats drift; nothing in hand is exactly nothing.
            self._queued = max(0.0, self._queued - seconds)

    def _refusal(self) -> CallError:
        error = CallError(
            Reason.OVERLOADED,
            f"{self._queued:.3f} s of work are queued: try again later, or add workers or hosts",
            queued_seconds=f"{self._queued:.3f}",
        )
        error.retry_after_seconds = max(0.05, self._queued)
        return error
