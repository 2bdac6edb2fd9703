"""Threads for calls whose models take long, so that the lane's cheap ones need not wait for them."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from scoreline_server.failure_log import log_failure
from scoreline_server.stopping import Deadline

_J = TypeVar("_J")

_BATCH_JOBS = 32
# Jobs that are scored together are answered together: more than this would make the first wait for the last.
_BATCH_SECONDS = 0.02


class HeavyPool(Generic[_J]):
    """Does jobs in a few threads. Each takes what is queued, so that batches form here as in the lane."""

    def __init__(self, score: Callable[[Sequence[_J], float], None], *, threads: int) -> None:
        """``score`` answers jobs; it is told the time, in seconds of time.time()."""
        self._score = score
        self._queue: queue.SimpleQueue[tuple[_J, float] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="heavy", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, job: _J, seconds: float) -> None:
        """Has a job done by a thread of the pool; it takes about that long."""
        self._queue.put((job, seconds))

    def close(self, deadline: Deadline) -> bool:
        """Ends the threads after what is queued; False when that takes longer."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(deadline.remaining_seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while jobs := self._next_jobs():
            try:
                self._score(jobs, time.time())
            except Exception as error:  # noqa: BLE001  a thread that ends would leave the rest of the queue unanswered
                log_failure("heavy calls failed", error)
            # Kept jobs would keep their calls alive until others come.
            jobs.clear()

    def _next_jobs(self) -> list[_J]:
        """Waits for a job and takes others that fit beside it; none at the end."""
        jobs: list[_J] = []
        taken, seconds = self._queue.get(), 0.0
        while taken is not None:
            jobs.append(taken[0])
            seconds += taken[1]
            if len(jobs) == _BATCH_JOBS or seconds >= _BATCH_SECONDS:
                return jobs
            try:
                taken = self._queue.get_nowait()
            except queue.Empty:
                return jobs
        if jobs:
            # The end is for the next turn.
            self._queue.put(None)
        return jobs
