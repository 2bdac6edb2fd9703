"""The writes of threads that wait for one disk: those that come meanwhile are committed together."""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_TOGETHER = 64
"""Writes that share a transaction at most."""


class Write:
    """What a thread wants to write, and its result."""

    def __init__(self, do: Callable[[sqlite3.Connection], Any], *, durable: bool) -> None:
        self.do, self.durable = do, durable
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.woken = threading.Event()

    def end(self, result: Any = None, error: BaseException | None = None) -> None:
        """Gives the result, or the error, to the thread that waits."""
        self.result, self.error, self.done = result, error, True
        self.woken.set()


class WriteQueue:
    """The writes of one file. Safe for threads.

    Of the threads that write one leads: it commits for all that are queued, and then the first of those that came
    leads.
    """

    def __init__(self, commit: Callable[[Sequence[Write]], None]) -> None:
        """``commit`` ends each of some writes, in one transaction where that succeeds."""
        self._commit = commit
        self._queue: deque[Write] = deque()
        self._led = False
        self._mutex = threading.Lock()

    def __len__(self) -> int:
        """How many writes wait for a commit that has not begun."""
        return len(self._queue)

    def write(self, do: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        """The result of ``do`` once it is committed; raises what it or the commit raised."""
        mine = Write(do, durable=durable)
        with self._mutex:
            self._queue.append(mine)
            waits, self._led = self._led, True
        if waits:
            mine.woken.wait()
        if not mine.done:
            self._lead()
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def _lead(self) -> None:
        """Commits what is queued, and wakes the thread that commits what has come since."""
        with self._mutex:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), _TOGETHER))]
        try:
            self._commit(group)
        finally:
            with self._mutex:
                following = self._queue[0] if self._queue else None
                self._led = following is not None
            if following is not None:
                following.woken.set()
