"""Threads for calls whose models take long, so that the lane's cheap ones need not wait for them."""

import queue
import threading
from collections.abc import Callable, Sequence

import structlog

from scoreline_server.pipeline import Answer, Ticket

_log = structlog.get_logger()

Reply = Callable[[Answer], None]

_MOST_AT_ONCE = 32


class HeavyPool:
    """Scores tickets in a few threads. Each takes all that is queued, so that batches form here as in the lane."""

    def __init__(self, score: Callable[[Sequence[Ticket]], list[Answer]], *, threads: int) -> None:
        self._score = score
        self._queue: queue.SimpleQueue[tuple[Ticket, Reply] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="heavy", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, ticket: Ticket, reply: Reply) -> None:
        """Has a ticket scored, then replies from a thread of the pool."""
        self._queue.put((ticket, reply))

    def close(self) -> None:
        """Ends the threads after what is queued."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            jobs = [first]
            while len(jobs) < _MOST_AT_ONCE:
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    self._queue.put(None)
                    break
                jobs.append(job)
            answers = self._score([ticket for ticket, _ in jobs])
            for (_, reply), answer in zip(jobs, answers, strict=True):
                try:
                    reply(answer)
                except Exception:  # noqa: BLE001  one caller's trouble must not be another's
                    _log.exception("an answer could not be sent")
