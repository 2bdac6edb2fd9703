"""A bounded queue and the thread that works on it, for work that no caller waits for."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from scoreline_server.failure_log import log_failure

_T = TypeVar("_T")


class BackgroundQueue(Generic[_T]):
    """A queue that any thread puts items into and one thread empties.

    Putting never waits: an item that does not fit is dropped, and so are those that the thread leaves at the end.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        capacity: int,
        on_drop: Callable[[Sequence[_T]], None],
        gather_seconds: float,
        idle_seconds: float | None = None,
        drains: bool = False,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        """The thread starts with ``start``.

        Args:
            name: of the thread.
            work: called on the thread when there are items; takes them with ``take``. A failure is logged.
            capacity: the largest sum of the items' sizes.
            on_drop: given the items that are dropped, on the thread that dropped them.
            gather_seconds: how long the thread waits for more once there are items.
            idle_seconds: how often ``work`` is called without items; None for never.
            drains: whether ``close`` lets the thread work on what is queued.
            finish: called on the thread at its end.
        """
        self._name, self._work, self._finish = name, work, finish
        self._capacity, self._on_drop = capacity, on_drop
        self._gather_seconds, self._idle_seconds, self._drains = gather_seconds, idle_seconds, drains
        self._items: deque[tuple[_T, int]] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._is_waiting = self._is_closed = False
        self._wake = threading.Event()
        self.closing = threading.Event()
        """Set once ``close`` was called."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def put(self, item: _T, size: int) -> None:
        """Queues an item, or drops it where it does not fit or the queue is closed."""
        with self._lock:
            is_full = self._is_closed or self._size + size > self._capacity
            if not is_full:
                self._items.append((item, size))
                self._size += size
            was_waiting, self._is_waiting = self._is_waiting, False
        if is_full:
            self._on_drop([item])
        if was_waiting:
            self._wake.set()

    def take(self, fits: Callable[[Sequence[_T], _T], bool] | None = None) -> list[_T]:
        """Removes the oldest items while each fits to those already taken; all of them without ``fits``."""
        taken: list[_T] = []
        with self._lock:
            while self._items and (fits is None or fits(taken, self._items[0][0])):
                item, size = self._items.popleft()
                taken.append(item)
                self._size -= size
        return taken

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Ends the thread and drops what is left; False when the thread takes longer."""
        self.closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        with self._lock:
            self._is_closed = True
        if left := self.take():
            self._on_drop(left)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self.closing.is_set() or (self._drains and self._items):
            self._wait()
            if self.closing.is_set() and not self._drains:
                break
            try:
                self._work()
            except Exception as error:  # noqa: BLE001  the thread must live on
                log_failure(f"background work failed: {self._name}", error)
        self._finish()

    def _wait(self) -> None:
        """Waits for an item, then a moment for more."""
        with self._lock:
            self._is_waiting = not self._items
        if self._is_waiting:
            self._wake.wait(self._idle_seconds)
            self._wake.clear()
        time.sleep(self._gather_seconds)
