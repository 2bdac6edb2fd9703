"""Takes in no more work than can be done in time, so that what is taken in is answered.

Without a bound every call of an overload waits behind all the others until its caller has given up: the server is busy
and nobody is served. Work is estimated in seconds, as models were timed at load, and the estimates are held against the
clock all the while, because a busy machine is slower and a batch is quicker than one row at a time.
"""

import math
import threading
import time
from collections.abc import Callable

from scoreline_server.errors import CallError
from scoreline_server.reasons import Reason

# Sums of floats drift, and no call costs less: what is left below this is nothing.
_NOTHING_SECONDS = 1e-6
# How far back the pace looks, and how much work it must have seen before it says anything.
_MEMORY_SECONDS = 0.5
_BELIEF_SECONDS = 0.02
# How many times longer than expected works may count at once: a single stall says nothing about those to come.
_MOST_NEWS = 8
# The pace is a mean and the answer must still travel: a wait this much longer than expected must fit the deadline too.
_MARGIN = 1.5
_LEAST_HINT_SECONDS = 0.05
# What one more call counts in what calls usually cost.
_NEWS_WEIGHT = 0.05


class Admission:
    """How much work is in hand, and whether more is taken. Safe for threads.

    Calls that cost ``heavy_seconds`` or more wait elsewhere than the others, so each kind has a queue of its own here:
    a queue of heavy calls is no reason to refuse a cheap one.
    """

    def __init__(
        self,
        *,
        max_queue_seconds: float,
        heavy_seconds: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` tells the time that deadlines are in."""
        self._most = max_queue_seconds
        self._heavy_seconds = heavy_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._light, self._heavy = _Queue(), _Queue()

    @property
    def queued_seconds(self) -> float:
        """The work in hand, as estimated."""
        return self._light.seconds + self._heavy.seconds

    def take(self, seconds: float, deadline: float | None) -> None:
        """Takes work in hand. Raises CallError with OVERLOADED and a hint when it could not be done in time.

        A call that finds nothing in hand is always taken, whatever it costs.
        """
        now = self._clock()
        queue = self._queue(seconds)
        with self._lock:
            queue.usual += (seconds - queue.usual) * _NEWS_WEIGHT
            wait = self._too_long(queue, seconds, deadline, now)
            if wait is None:
                queue.take(seconds, now)
        if wait is not None:
            raise overloaded(wait)

    def too_long(self, deadline: float | None) -> float | None:
        """How many seconds a call like the last ones would wait, when that is too long; None when it would be taken."""
        if self._light.seconds == 0:
            return None
        now = self._clock()
        with self._lock:
            return self._too_long(self._light, self._light.usual, deadline, now)

    def done(self, *seconds: float) -> None:
        """Works are done; ``seconds`` is what each was taken for."""
        now = self._clock()
        light = [each for each in seconds if each < self._heavy_seconds]
        heavy = [each for each in seconds if each >= self._heavy_seconds]
        with self._lock:
            for queue, works in ((self._light, light), (self._heavy, heavy)):
                if works:
                    queue.done(sum(works), now)

    def given_up(self, seconds: float) -> None:
        """Work was taken and will not be done."""
        with self._lock:
            self._queue(seconds).lessen(seconds)

    def _too_long(self, queue: "_Queue", seconds: float, deadline: float | None, now: float) -> float | None:
        if queue.seconds == 0:
            return None
        wait, own = queue.seconds * queue.pace, seconds * queue.pace
        if wait + own <= self._most and (deadline is None or wait * _MARGIN + own <= deadline - now):
            return None
        return wait

    def _queue(self, seconds: float) -> "_Queue":
        return self._light if seconds < self._heavy_seconds else self._heavy


def overloaded(wait_seconds: float) -> CallError:
    """What a call is told that would have to wait too long."""
    error = CallError(
        Reason.OVERLOADED,
        f"{wait_seconds:.3f} s of work are queued: try again later, or add workers or hosts",
        queued_seconds=f"{wait_seconds:.3f}",
    )
    error.retry_after_seconds = max(_LEAST_HINT_SECONDS, wait_seconds)
    return error


class _Queue:
    """Work in hand, and how long work really takes.

    Attributes:
        seconds: the work in hand, as estimated.
        usual: what a call costs, as estimated.
    """

    __slots__ = ("_busy", "_done", "_since", "seconds", "usual")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.usual = 0.0
        # Up to when time was counted; from then on there has been work all the time.
        self._since = 0.0
        self._busy = 0.0
        self._done = 0.0

    @property
    def pace(self) -> float:
        """Seconds by the clock that a second of estimated work takes."""
        return (self._busy + _BELIEF_SECONDS) / (self._done + _BELIEF_SECONDS)

    def take(self, work: float, now: float) -> None:
        """More work is in hand."""
        if self.seconds == 0:
            self._since = now
        self.seconds += work

    def done(self, work: float, now: float) -> None:
        """Work came to its end."""
        elapsed = max(0.0, now - self._since)
        fade = math.exp(-elapsed / _MEMORY_SECONDS)
        self._busy = self._busy * fade + min(elapsed, work * self.pace * _MOST_NEWS)
        self._done = self._done * fade + work
        self._since = now
        self.lessen(work)

    def lessen(self, work: float) -> None:
        """Less work is in hand."""
        left = self.seconds - work
        self.seconds = left if left > _NOTHING_SECONDS else 0.0
