"""Callers that score customers one by one and record the latency and result of each call."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import scoreline

CALLERS = 2


@dataclass(frozen=True, slots=True)
class ScoredCustomer:
    """One scored customer: ``row`` in the table, and the ``milliseconds`` that the caller waited."""

    row: int
    model: str
    version: int
    score: float
    milliseconds: float


class Callers:
    """Scores customers from a few threads, and lets others wait until some of them are done."""

    def __init__(
        self, address: str, route: str, customers: Sequence[Mapping[str, Any]], *, id_column: str, reserved: int
    ) -> None:
        """The last ``reserved`` customers are scored once ``release`` is called, however fast the others were."""
        self._address, self._route, self._customers, self._id = address, route, customers, id_column
        self._first_reserved = len(customers) - reserved
        self._released = threading.Event()
        self._done = threading.Condition()
        self.answers: list[ScoredCustomer] = []
        self.failures: list[str] = []
        self.started = 0

    def run(self) -> None:
        """Scores every customer once; returns when all are answered."""
        with scoreline.Client(self._address) as client, ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(lambda row: self._score(client, row), range(len(self._customers))))

    def release(self) -> None:
        """Lets the reserved customers be scored."""
        self._released.set()

    def wait_for(self, count: int) -> int:
        """Blocks until ``count`` customers have been answered or failed; returns how many have."""
        with self._done:
            self._done.wait_for(lambda: self._count() >= count)
            return self._count()

    def _count(self) -> int:
        return len(self.answers) + len(self.failures)

    def _score(self, client: scoreline.Client, row: int) -> None:
        if row >= self._first_reserved:
            self._released.wait()
        features = dict(self._customers[row])
        unit = str(features.pop(self._id))
        with self._done:
            self.started += 1
        begun = time.perf_counter()
        try:
            score = client.score(self._route, features, entity_id=unit)
        except scoreline.ScorelineError as error:
            with self._done:
                self.failures.append(str(error))
                self._done.notify_all()
            return
        took = 1000 * (time.perf_counter() - begun)
        with self._done:
            self.answers.append(ScoredCustomer(row, score.model, score.version, score.score, took))
            self._done.notify_all()
