"""Records the metrics of one serving process, once per batch.

Labels come from the registry and from fixed tables: nothing that a caller sends becomes a label. ``definitions`` lists
the metrics, ``docs/reference/metrics.md`` explains them.
"""

import threading
import time
from bisect import bisect_left
from collections import Counter as Bag
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import grpc
import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.metrics import definitions
from scoreline_server.metrics.definitions import MetricFamily
from scoreline_server.metrics.shared_counters import Counts, SharedCounters
from scoreline_server.scoring.compiled_route import CompiledRoute, CompiledShadow
from scoreline_server.scoring.decided import DecidedRows
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.results import RowResults

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Metrics:
    """The metrics of one serving process. Safe for threads.

    ``folder`` is where a supervisor reads them; without one they stay in this process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._counters = SharedCounters(folder)
        self._values = self._counters.values
        self._firsts: dict[tuple[str, tuple[str, ...]], int] = {}
        self._gauges: dict[tuple[str, tuple[str, ...]], float] = {}
        self._limits: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def counts(self) -> Counts:
        """The present values of all metrics."""
        with self._lock:
            return self._counters.counts()

    def begun(self, calls: int) -> None:
        """Counts a batch of calls as in flight, until it has ``ended``."""
        with self._lock:
            self._add(definitions.CALLS_IN_FLIGHT, (), calls)

    def ended(self, calls: int) -> None:
        """Counts a batch of calls as no longer in flight."""
        with self._lock:
            self._add(definitions.CALLS_IN_FLIGHT, (), -calls)
            self._observe(definitions.BATCH_CALLS, (), (calls,))

    def calls(
        self, method: str, seconds: Sequence[float], *, code: grpc.StatusCode, reason: str = "", route: str = ""
    ) -> None:
        """Counts answered calls that have all of this in common.

        Args:
            method: the path of a method that this server has.
            seconds: of each call, the time from arrival to answer.
            code: what they were answered with.
            reason: why they failed; empty for those that did not.
            route: the requested route; empty for an unknown one and where a method has none.
        """
        with self._lock:
            self._add(definitions.CALLS, (method, code.name), len(seconds))
            self._observe(definitions.CALL_SECONDS, (method, route), seconds)
            if reason:
                self._add(definitions.ERRORS, (method, reason), len(seconds))

    def scored(self, route: CompiledRoute, results: RowResults) -> None:
        """Counts the rows of one route that were scored together."""
        with self._lock:
            self._observe(definitions.BATCH_ROWS, (route.name,), (len(results.scores),))
            for run in results.runs:
                arm = route.arms[run.arm]
                self._observe(definitions.ARM_SECONDS, (route.name, arm.ref), (run.seconds,))
                if run.failed:
                    self._add(definitions.ARM_FAILURES, (route.name, arm.ref), 1)
                else:
                    labels = (route.name, arm.ref, arm.model.name, str(arm.model.version))
                    self._add(definitions.ROWS, labels, run.rows)
            if results.has_failed_run:
                self._add(definitions.FALLBACK_ROWS, (route.name,), int((results.reasons == pb.REASON_FALLBACK).sum()))
            if results.errors:
                for reason, rows in Bag(error.reason for error in results.errors.values()).items():
                    self._add(definitions.ROW_ERRORS, (route.name, reason), rows)

    def looked_up(self, route: str, model: LoadedModel, *, hits: int, misses: int) -> None:
        """Counts the rows of one run that a cache of answers had and those that it lacked."""
        labels = (route, model.name, str(model.version))
        with self._lock:
            self._add(definitions.ANSWER_CACHE_HITS, labels, hits)
            self._add(definitions.ANSWER_CACHE_MISSES, labels, misses)

    @contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Times the loading of one version; an exception counts as a failure."""
        start = time.perf_counter()
        try:
            yield
        except Exception:
            with self._lock:
                self._add(definitions.LOAD_FAILURES, (model,), 1)
            raise
        with self._lock:
            self._add(definitions.LOADS, (model,), 1)
            self._observe(definitions.LOAD_SECONDS, (), (time.perf_counter() - start,))

    def journaled(self, rows: int, size: int) -> None:
        """Counts rows that were written to the journal, and the bytes that were written with them."""
        with self._lock:
            self._add(definitions.JOURNAL_ROWS, (), rows)
            self._add(definitions.JOURNAL_BYTES, (), size)

    def journal_dropped(self, rows: int) -> None:
        """Counts rows that the journal could not take."""
        with self._lock:
            self._add(definitions.JOURNAL_DROPPED, (), rows)

    def journal_failed(self) -> None:
        """Counts a failed write."""
        with self._lock:
            self._add(definitions.JOURNAL_FAILURES, (), 1)

    def journal_degraded(self, change: int) -> None:
        """Counts a journal that cannot be written (1), or can be again (-1)."""
        with self._lock:
            self._add(definitions.JOURNAL_DEGRADED, (), change)

    def outcomes_reported(self, route: str, *, kept: int, refused: int, unknown: int) -> None:
        """Counts the outcomes of one call; ``unknown`` are those of the kept whose prediction id is unknown."""
        with self._lock:
            self._add(definitions.OUTCOMES, (route,), kept)
            self._add(definitions.OUTCOMES_REFUSED, (route,), refused)
            self._add(definitions.OUTCOMES_UNKNOWN, (route,), unknown)

    def outcomes_failed(self) -> None:
        """Counts a call whose outcomes could not be written."""
        with self._lock:
            self._add(definitions.OUTCOME_FAILURES, (), 1)

    def events_recorded(
        self, profile: str, *, kept: int, repeated: int, late: int, refused: int, ages: Sequence[float]
    ) -> None:
        """Counts the events of one call; ``ages`` are the seconds from each kept one to its recording."""
        results = {"kept": kept, "repeated": repeated, "late": late, "refused": refused}
        with self._lock:
            for result, count in results.items():
                self._add(definitions.PROFILE_EVENTS, (profile, result), count)
            self._observe(definitions.PROFILE_EVENT_AGE, (profile,), ages)

    def events_folded_early(self, profile: str, count: int) -> None:
        """Counts events that were folded while earlier ones could still come."""
        with self._lock:
            self._add(definitions.PROFILE_FOLDED_EARLY, (profile,), count)

    def events_failed(self, profile: str) -> None:
        """Counts a call whose events could not be kept."""
        with self._lock:
            self._add(definitions.PROFILE_FAILURES, (profile,), 1)

    def shadowed(
        self, route: str, shadow: CompiledShadow, *, rows: int, seconds: float, errors: Mapping[str, int]
    ) -> None:
        """Counts a batch of one shadow: rows that it scored, and by reason those that it could not."""
        with self._lock:
            labels = (route, shadow.ref, shadow.model.name, str(shadow.model.version))
            self._add(definitions.SHADOW_ROWS, labels, rows)
            self._observe(definitions.SHADOW_SECONDS, (route, shadow.ref), (seconds,))
            for reason, count in errors.items():
                self._add(definitions.SHADOW_ERRORS, (route, shadow.ref, reason), count)

    def shadow_dropped(self, route: str, shadow: CompiledShadow, rows: int) -> None:
        """Counts sampled rows that a shadow did not score because its queue was full."""
        with self._lock:
            self._add(definitions.SHADOW_DROPPED, (route, shadow.ref), rows)

    def profile_read(self, profile: str, seconds: float) -> None:
        """Observes a read of the states of some entities."""
        with self._lock:
            self._observe(definitions.PROFILE_READ_SECONDS, (profile,), (seconds,))

    def profiles_used(self, profile: str, states: npt.NDArray[np.uint8]) -> None:
        """Counts rows by how a profile of theirs was read, values of pb.ProfileState."""
        with self._lock:
            for state, rows in Bag(states.tolist()).items():
                name = pb.ProfileState.Name(state).removeprefix("PROFILE_STATE_")
                self._add(definitions.PROFILE_READS, (profile, name), rows)

    def decided(self, policy: str, decisions: DecidedRows, flags: Iterable[str], seconds: float) -> None:
        """Counts the decisions of one call; ``flags`` are those of all its cases."""
        rows = [row for row in decisions.rows if row is not None]
        with self._lock:
            for (action, control), count in Bag((row.withheld or row.action, row.is_control) for row in rows).items():
                self._add(definitions.DECISIONS, (policy, action, str(control).lower()), count)
            for suppressed in (each for row in rows for each in row.suppressed):
                self._add(definitions.DECISIONS_SUPPRESSED, (policy, suppressed.action, suppressed.limit), 1)
            for flag in flags:
                self._add(definitions.DECISION_FLAGS, (policy, flag), 1)
            self._observe(definitions.DECISION_SECONDS, (policy,), (seconds,))

    def limits_taken(self, policy: str, limits: Iterable[str]) -> None:
        """Counts actions, each under the names of the limits that counted it."""
        with self._lock:
            for limit, actions in Bag(limits).items():
                self._add(definitions.LIMIT_TAKEN, (policy, limit), actions)

    def limits_used(self, uses: Mapping[tuple[str, str], tuple[float, float]]) -> None:
        """Sets what is used and what is left of limits, by policy and limit; 0 for those of before that are missing."""
        with self._lock:
            gone = dict.fromkeys(self._limits - uses.keys(), (0.0, 0.0))
            self._limits = set(uses)
            for labels, (used, remaining) in {**gone, **uses}.items():
                self._set(definitions.LIMIT_USED, labels, used)
                self._set(definitions.LIMIT_REMAINING, labels, remaining)

    def limits_reserved(self, seconds: float) -> None:
        """Observes reservations that were answered in time."""
        with self._lock:
            self._observe(definitions.LIMIT_SECONDS, (), (seconds,))

    def limits_failed(self, policy: str) -> None:
        """Counts a call whose limits could not be taken."""
        with self._lock:
            self._add(definitions.LIMIT_FAILURES, (policy,), 1)

    def queued(self, change: int) -> None:
        """Counts calls that begin, or with a negative change cease, to wait."""
        with self._lock:
            self._add(definitions.CALLS_QUEUED, (), change)

    def _add(self, family: MetricFamily, labels: tuple[str, ...], amount: float) -> None:
        self._values[self._first(family, labels)] += amount

    def _set(self, family: MetricFamily, labels: tuple[str, ...], value: float) -> None:
        before = self._gauges.get((family.name, labels), 0.0)
        self._add(family, labels, value - before)
        self._gauges[family.name, labels] = value

    def _observe(self, family: MetricFamily, labels: tuple[str, ...], observed: Sequence[float]) -> None:
        first, values, bounds = self._first(family, labels), self._values, family.bounds
        for value in observed:
            values[first + bisect_left(bounds, value)] += 1
        values[first + len(bounds) + 1] += sum(observed)

    def _first(self, family: MetricFamily, labels: tuple[str, ...]) -> int:
        """The index in ``_values`` of the first number of a family's child with these labels."""
        key = (family.name, labels)
        first = self._firsts.get(key)
        if first is None:
            first = self._firsts[key] = self._counters.allocate(family, labels)
        return first


class CountedThreads(ThreadPoolExecutor):
    """A thread pool whose queue is counted."""

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
