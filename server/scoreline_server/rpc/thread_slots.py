"""Slots of the ordinary server's threads, for calls that wait for a disk or a store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scoreline_server.errors import CallError, ErrorReason

_RETRY_SECONDS = 0.05


class ThreadSlots:
    """All but one of a server's threads, shared by the handlers whose calls may hang. Safe for threads.

    One thread stays free for all other calls, even where a disk and a store hang at once.
    """

    def __init__(self, threads: int) -> None:
        """``threads`` are those of the server."""
        self._free = threading.BoundedSemaphore(max(1, threads - 1))

    @contextmanager
    def taken(self, problem: str) -> Iterator[None]:
        """Takes a slot while the block runs. Raises CallError with OVERLOADED and ``problem`` where none is free."""
        if not self._free.acquire(blocking=False):
            error = CallError(ErrorReason.OVERLOADED, problem)
            error.retry_after_seconds = _RETRY_SECONDS
            raise error
        try:
            yield
        finally:
            self._free.release()
