"""What a serving process counts, made for whoever serves in batches: one call per batch, whose children are cached.

Under a supervisor the numbers lie in files of its runtime folder, one set per worker, which it merges and keeps beyond
a worker's death; see ``totals``. Labels come from the registry and from fixed tables only: nothing that a caller makes
up becomes a label. ``docs/metrics.md`` lists every metric; a test holds that page against the code.
"""

import time
from bisect import bisect_left
from collections import Counter as Bag
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.answers import Outcome
from scoreline_server.served import ServedRoute

_P = ParamSpec("_P")
_T = TypeVar("_T")

CALL_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LOAD_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class BatchHistogram(Histogram):
    """A histogram that takes many observations at the price of one per bucket that they fall into."""

    def observe_many(self, values: Sequence[float]) -> None:
        """Observes every value."""
        if len(values) == 1:
            self.observe(values[0])
            return
        self._sum.inc(sum(values))
        for bucket, count in Bag(bisect_left(self._upper_bounds, value) for value in values).items():
            self._buckets[bucket].inc(count)


class Children:
    """The children of one metric by their label values; ``labels()`` itself costs more than counting does."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Any] = {}

    def __getitem__(self, values: tuple[str, ...]) -> Any:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class Metrics:
    """Counts of one serving process. Safe for threads."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, help_: str, *labels: str) -> Children:
            return Children(Counter(f"scoreline_{name}", help_, labels, registry=registry))

        def histogram(name: str, help_: str, buckets: Sequence[float], *labels: str) -> BatchHistogram:
            return BatchHistogram(f"scoreline_{name}", help_, labels, registry=registry, buckets=buckets)

        def gauge(name: str, help_: str) -> Gauge:
            return Gauge(f"scoreline_{name}", help_, registry=registry, multiprocess_mode="livesum")

        self._calls = counter("calls", "Calls that were answered.", "method", "code")
        self._errors = counter("errors", "Calls that failed.", "method", "reason")
        self._call_seconds = Children(
            histogram("call_seconds", "From a call's arrival to its answer.", CALL_SECONDS, "method", "route")
        )
        self._batch_calls = histogram("batch_calls", "Calls that were answered together.", BATCH_SIZES)
        self._batch_rows = Children(
            histogram("batch_rows", "Rows of one route that were scored together.", BATCH_SIZES, "route")
        )
        self._rows = counter("rows", "Rows that were scored.", "route", "arm", "model", "version")
        self._row_errors = counter("row_errors", "Rows that could not be scored.", "route", "reason")
        self._fallback_rows = counter("fallback_rows", "Rows that the route's fallback scored.", "route")
        self._arm_seconds = Children(
            histogram("arm_seconds", "Scoring one batch's rows by one arm.", CALL_SECONDS, "route", "arm")
        )
        self._arm_failures = counter("arm_failures", "Batches that an arm's model failed on.", "route", "arm")
        self._loads = counter("loads", "Versions that were loaded.", "model")
        self._load_failures = counter("load_failures", "Versions that were refused.", "model")
        self._load_seconds = histogram("load_seconds", "Loading and proving one version.", LOAD_SECONDS)
        self._in_flight = gauge("calls_in_flight", "Calls that are being answered.")
        self._queued = gauge("calls_queued", "Calls that wait for a thread.")

    @contextmanager
    def answering(self, calls: int) -> Iterator[None]:
        """Counts a batch of calls as in flight while the block runs."""
        self._batch_calls.observe(calls)
        self._in_flight.inc(calls)
        try:
            yield
        finally:
            self._in_flight.dec(calls)

    def calls(
        self, method: str, seconds: Sequence[float], *, code: grpc.StatusCode, reason: str = "", route: str = ""
    ) -> None:
        """Counts answered calls that have all of this in common.

        Args:
            method: the path of a method that this server has.
            seconds: of each call, the time from arrival to answer.
            code: what they were answered with.
            reason: why they failed; empty for those that did not.
            route: the served route that they asked for; empty for an unknown one and where a method has none.
        """
        self._calls[method, code.name].inc(len(seconds))
        self._call_seconds[method, route].observe_many(seconds)
        if reason:
            self._errors[method, reason].inc(len(seconds))

    def scored(self, route: ServedRoute, outcome: Outcome) -> None:
        """Counts the rows of one route that were scored together."""
        name = route.name
        self._batch_rows[name,].observe(len(outcome.scores))
        for run in outcome.runs:
            arm = route.arms[run.arm]
            self._arm_seconds[name, arm.ref].observe(run.seconds)
            if run.failed:
                self._arm_failures[name, arm.ref].inc()
            else:
                self._rows[name, arm.ref, arm.model.name, str(arm.model.version)].inc(run.rows)
        if outcome.errors:
            for reason, rows in Bag(error.reason for error in outcome.errors.values()).items():
                self._row_errors[name, reason].inc(rows)
        if route.fallback is not None and (fallen := int((outcome.reasons == pb.REASON_FALLBACK).sum())):
            self._fallback_rows[name,].inc(fallen)

    @contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Times the loading of one version; an exception counts as a refusal."""
        start = time.perf_counter()
        try:
            yield
        except Exception:
            self._load_failures[model,].inc()
            raise
        self._loads[model,].inc()
        self._load_seconds.observe(time.perf_counter() - start)

    def queued(self, change: int) -> None:
        """Counts calls that began (1) or ended (-1) to wait for a thread."""
        self._queued.inc(change)


class CountedThreads(ThreadPoolExecutor):
    """Threads whose queue is counted."""

    def __init__(self, threads: int, metrics: Metrics) -> None:
        super().__init__(threads, thread_name_prefix="grpc")
        self._metrics = metrics

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Runs ``fn`` on the next free thread."""
        self._metrics.queued(1)

        def begun() -> _T:
            self._metrics.queued(-1)
            return fn(*args, **kwargs)

        return super().submit(begun)
