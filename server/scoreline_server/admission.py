"""Takes in no more work than can be done in time, so that what is taken in is answered.

Without a bound every call of an overload waits behind all the others until its caller has given up: the server is busy
and nobody is served. Work is measured in seconds, as models were timed at load.
"""

import threading
import time
from collections.abc import Callable

from scoreline_server.errors import CallError
from scoreline_server.reasons import Reason

# Sums of floats drift, and no call costs less: what is left below this is nothing.
_NOTHING_SECONDS = 1e-6


class Admission:
    """How much work is in hand, and whether more is taken. Safe for threads.

    Calls that cost ``heavy_seconds`` or more wait elsewhere than the others, so each kind has a queue of its own here:
    a queue of heavy calls is no reason to refuse a cheap one.
    """

    def __init__(
        self,
        *,
        max_queue_seconds: float,
        heavy_seconds: float = float("inf"),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` tells the time that deadlines are in."""
        self._most = max_queue_seconds
        self._heavy_seconds = heavy_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._queued = {False: 0.0, True: 0.0}

    @property
    def queued_seconds(self) -> float:
        """The work in hand."""
        return sum(self._queued.values())

    def take(self, seconds: float, deadline: float | None) -> None:
        """Takes work in hand. Raises CallError with OVERLOADED and a hint when it could not be done in time.

        A call that finds nothing in hand is always taken, whatever it costs.
        """
        left = self._most if deadline is None else min(self._most, deadline - self._clock())
        is_heavy = seconds >= self._heavy_seconds
        with self._lock:
            queued = self._queued[is_heavy]
            if queued > 0 and queued + seconds > left:
                raise _refusal(queued)
            self._queued[is_heavy] = queued + seconds

    def done(self, *seconds: float) -> None:
        """Works are done or were given up; ``seconds`` is what each was taken for."""
        with self._lock:
            for each in seconds:
                is_heavy = each >= self._heavy_seconds
                left = self._queued[is_heavy] - each
                self._queued[is_heavy] = left if left > _NOTHING_SECONDS else 0.0


def _refusal(queued: float) -> CallError:
    error = CallError(
        Reason.OVERLOADED,
        f"{queued:.3f} s of work are queued: try again later, or add workers or hosts",
        queued_seconds=f"{queued:.3f}",
    )
    error.retry_after_seconds = max(0.05, queued)
    return error
