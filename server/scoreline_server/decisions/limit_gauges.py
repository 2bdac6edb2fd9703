"""Reads now and then what is used of totals and budgets, for metrics: of all workers and hosts that share a store."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from scoreline_registry.decisions.deciding.limit_usage import LimitCounter, counters_of, uses_of
from scoreline_registry.decisions.reservations import Counter, Usage
from scoreline_server.errors import LimitStoreError
from scoreline_server.scoring.served_policy import ServedPolicy

_log = structlog.get_logger()

_EVERY_SECONDS = 10.0


class Counting(Protocol):
    """The metrics of limits."""

    def limits_used(self, uses: Mapping[tuple[str, str], tuple[float, float]]) -> None:
        """What is used and what is left of all limits, by policy and limit."""


class Readable(Protocol):
    """The part of a ``LimitStore`` that is used here."""

    def read(self, counters: Sequence[Counter]) -> list[Usage]:
        """What counters hold."""


class LimitGauges:
    """Reads the totals and budgets of all policies, on a thread of its own, which a store that hangs holds up alone."""

    def __init__(
        self,
        store: Readable,
        policies: Callable[[], Mapping[str, ServedPolicy]],
        *,
        counting: Counting,
        every_seconds: float = _EVERY_SECONDS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """``policies`` gives those that are served; ``clock`` the time in nanoseconds since 1970."""
        self._store, self._policies, self._counting, self._clock = store, policies, counting, clock
        self._every = every_seconds
        self._fails = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="limit-gauges", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread once it has done what it is doing. A store that hangs does not hold up the caller."""
        self._closing.set()

    def look(self) -> None:
        """Reads once. Raises LimitStoreError."""
        now = self._clock()
        counters = [
            (name, counter)
            for name, policy in self._policies().items()
            for counter in counters_of(policy.compiled.policy, time_ns=now)
        ]
        self._counting.limits_used(self._uses(counters, now) if counters else {})

    def _uses(
        self, counters: Sequence[tuple[str, LimitCounter]], now: int
    ) -> Mapping[tuple[str, str], tuple[float, float]]:
        usages = self._store.read([counter.counter for _, counter in counters])
        uses = uses_of([counter for _, counter in counters], usages, now // 1000)
        return {(policy, use.limit): (use.used, use.remaining) for (policy, _), use in zip(counters, uses, strict=True)}

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            try:
                self.look()
            except LimitStoreError as error:
                if not self._fails and not self._closing.is_set():
                    _log.warning("what is used of limits could not be read", error=str(error))
                self._fails = True
            else:
                self._fails = False
