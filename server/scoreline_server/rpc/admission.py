"""Admission control: refuses calls that could not be answered in time, so that admitted ones are.

Without a bound every call of an overload waits behind all others until its caller has given up, and no call is in time.
Work is estimated in seconds, as models were timed at load, and the estimates are compared with the clock while work is
done: other programs on the host, and refusing calls, take time that the estimates do not include.
"""

import threading
import time
from collections.abc import Callable

from scoreline_server.errors import CallError, ErrorReason

# Sums of floats drift: a remainder below the cost of any call counts as zero.
_ZERO_SECONDS = 1e-6
# Smoothing factor and upper bound of the pace. The pace never falls below 1: full queues run in batches, which cost
# less per row than was estimated, and the next queue may not be full.
_SMOOTHING = 0.1
_MAX_PACE = 4.0
# The share of a deadline's time that scoring may take; the rest is for sending the answer.
_DEADLINE_SHARE = 0.8


class _Queue:
    """The queued work of one kind in estimated seconds, and its pace: measured over estimated time."""

    __slots__ = ("pace", "seconds", "since")

    def __init__(self) -> None:
        self.seconds, self.pace, self.since = 0.0, 1.0, 0.0

    def put(self, seconds: float, now: float) -> None:
        if self.seconds == 0.0:
            self.since = now
        self.seconds += seconds

    def forget(self, seconds: float) -> None:
        left = self.seconds - seconds
        self.seconds = left if left > _ZERO_SECONDS else 0.0

    def learn(self, seconds: float, now: float) -> None:
        """Updates the pace after a batch, the only one since the last or since the queue was empty."""
        seen = (now - self.since) / seconds
        self.pace += _SMOOTHING * (min(max(seen, 1.0), _MAX_PACE) - self.pace)
        self.since = now


class Admission:
    """The admitted work, and whether more is admitted. Safe for threads.

    Calls of ``slow_call_seconds`` or more, and those that wait for a store of profiles, are scored by threads of their
    own, so they are counted in a queue of their own: queued slow calls are no reason to refuse a fast one.
    """

    def __init__(
        self,
        *,
        max_queue_seconds: float,
        slow_call_seconds: float = float("inf"),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` is the one that deadlines refer to."""
        self._most = max_queue_seconds
        self._slow_call_seconds = slow_call_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._fast, self._slow = _Queue(), _Queue()

    @property
    def queued_seconds(self) -> float:
        """The estimated time of all admitted work."""
        return self._fast.seconds + self._slow.seconds

    def take(self, seconds: float, deadline: float | None, *, waits: bool = False) -> None:
        """Admits work. Raises CallError with OVERLOADED and a retry delay when it could not be done in time.

        A call that finds the queue empty is always admitted. ``waits`` says whether it waits for a store.
        """
        now = self._clock()
        with self._lock:
            queue = self._queue(seconds, waits=waits)
            wanted = queue.seconds + seconds
            if queue.seconds > 0 and (wanted > self._most or _is_late(wanted * queue.pace, now, deadline)):
                raise _refusal(queue.seconds * queue.pace)
            queue.put(seconds, now)

    def done(self, *seconds: float, waits: bool = False) -> None:
        """Ends the work of a batch of one queue; ``seconds`` is the estimate of each of its calls.

        ``waits`` tells of one of them whether it waits for a store.
        """
        total, now = sum(seconds), self._clock()
        with self._lock:
            queue = self._queue(max(seconds), waits=waits)
            queue.learn(total, now)
            queue.forget(total)

    def dropped(self, seconds: float, *, waits: bool = False) -> None:
        """Removes admitted work that will not be done."""
        with self._lock:
            self._queue(seconds, waits=waits).forget(seconds)

    def _queue(self, seconds: float, *, waits: bool) -> _Queue:
        return self._slow if waits or seconds >= self._slow_call_seconds else self._fast


def _is_late(seconds: float, now: float, deadline: float | None) -> bool:
    return deadline is not None and seconds > _DEADLINE_SHARE * (deadline - now)


def _refusal(queued: float) -> CallError:
    # Rounded, because an equal refusal is served from a cache at a tenth of the cost.
    queued = round(queued, 2)
    error = CallError(
        ErrorReason.OVERLOADED,
        f"{queued:.2f} s of work are queued: try again later, or add workers or hosts",
        queued_seconds=f"{queued:.2f}",
    )
    error.retry_after_seconds = max(0.05, queued)
    return error
