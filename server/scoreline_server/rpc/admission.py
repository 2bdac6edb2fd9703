"""Takes in no more work than can be done in time, so that what is taken in is answered.

Without a bound every call of an overload waits behind all the others until its caller has given up: the server is busy
and nobody is served. Work is estimated in seconds, as models were timed at load, and the estimates are held against the
clock while work is done: other programs on the host, and refusing itself, take time that no estimate knows of.
"""

import threading
import time
from collections.abc import Callable

from scoreline_server.errors import CallError, ErrorReason

# Sums of floats drift, and no call costs less: what is left below this is nothing.
_NOTHING_SECONDS = 1e-6
# How much of what a batch tells is believed, and how far from the estimates that may lead: never below them, because
# a full queue is taken in batches, which cost less per row than was estimated, and the next queue may not be full.
_BELIEF = 0.1
_MOST_PACE = 4.0
# Sending, and the way back, take a part of the time that a caller gives.
_IN_TIME = 0.8


class _Queue:
    """Work of one kind: seconds of it as estimated, and how many seconds on the clock one of them takes."""

    __slots__ = ("pace", "seconds", "since")

    def __init__(self) -> None:
        self.seconds, self.pace, self.since = 0.0, 1.0, 0.0

    def put(self, seconds: float, now: float) -> None:
        if self.seconds == 0.0:
            self.since = now
        self.seconds += seconds

    def forget(self, seconds: float) -> None:
        left = self.seconds - seconds
        self.seconds = left if left > _NOTHING_SECONDS else 0.0

    def learn(self, seconds: float, now: float) -> None:
        """A batch is done, the only one since the last or since the queue was empty."""
        seen = (now - self.since) / seconds
        self.pace += _BELIEF * (min(max(seen, 1.0), _MOST_PACE) - self.pace)
        self.since = now


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
        with self._lock:
            queue = self._queue(seconds)
            wanted = queue.seconds + seconds
            if queue.seconds > 0 and (wanted > self._most or _is_late(wanted * queue.pace, now, deadline)):
                raise _refusal(queue.seconds * queue.pace)
            queue.put(seconds, now)

    def done(self, *seconds: float) -> None:
        """A batch of one kind is done; ``seconds`` is what each of its calls was taken for."""
        total, now = sum(seconds), self._clock()
        with self._lock:
            queue = self._queue(max(seconds))
            queue.learn(total, now)
            queue.forget(total)

    def dropped(self, seconds: float) -> None:
        """Work that was taken in hand will not be done."""
        with self._lock:
            self._queue(seconds).forget(seconds)

    def _queue(self, seconds: float) -> _Queue:
        return self._heavy if seconds >= self._heavy_seconds else self._light


def _is_late(seconds: float, now: float, deadline: float | None) -> bool:
    return deadline is not None and seconds > _IN_TIME * (deadline - now)


def _refusal(queued: float) -> CallError:
    # Rounded, because a refusal that reads like the last one costs a tenth of a new one.
    queued = round(queued, 2)
    error = CallError(
        ErrorReason.OVERLOADED,
        f"{queued:.2f} s of work are queued: try again later, or add workers or hosts",
        queued_seconds=f"{queued:.2f}",
    )
    error.retry_after_seconds = max(0.05, queued)
    return error
