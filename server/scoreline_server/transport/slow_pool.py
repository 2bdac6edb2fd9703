"""Threads that score slow calls, so that the hot lane's fast calls do not wait for them."""

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


class SlowPool(Generic[_J]):
    """Scores jobs on a few threads. Each takes the jobs that are queued, so that batches form as in the lane."""

    def __init__(self, score: Callable[[Sequence[_J], float], None], *, threads: int) -> None:
        """``score`` scores and answers jobs, given the time in seconds of time.time()."""
        self._score = score
        self._queue: queue.SimpleQueue[tuple[_J, float] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="slow-call", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, job: _J, seconds: float) -> None:
        """Queues a job, which takes about ``seconds``."""
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
                log_failure("slow calls failed", error)
            # Kept jobs would keep their calls alive until others come.
            jobs.clear()

    def _next_jobs(self) -> list[_J]:
        """Waits for a job and takes the queued ones that fit into its batch; none once the pool is closed."""
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
            # The sentinel is for the next turn.
            self._queue.put(None)
        return jobs
