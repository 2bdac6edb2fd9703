"""What all workers have counted, dead ones included, and what their supervisor knows of them, as one page.

The counts of a worker that died are added to those of all dead ones, so that totals never fall; its gauges are gone.
"""

import platform
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from scoreline.version import __version__
from scoreline_server.metrics.definitions import FAMILIES, Family, Kind
from scoreline_server.metrics.shared_counters import Child, Counts, forget_counts, read_counts
from scoreline_server.processes.reports import WorkerState
from scoreline_server.processes.worker_pool import Fleet


class Totals:
    """The counts in one runtime folder. Safe for threads."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._buried: Counts = {}
        self._alive: set[int] = set()
        self._lock = threading.Lock()

    def page(self, fleet: Fleet) -> bytes:
        """Everything in Prometheus' text format."""
        with self._lock:
            counts = added(self._buried, *(read_counts(self._runtime, pid) for pid in self._alive))
        return rendered([*known(fleet), *counted(counts)])

    def born(self, pid: int) -> None:
        """Counts a worker in."""
        with self._lock:
            self._alive.add(pid)

    def bury(self, pid: int) -> None:
        """Keeps what a dead worker has counted, and forgets its gauges."""
        with self._lock:
            counts = read_counts(self._runtime, pid)
            lasting = {child: numbers for child, numbers in counts.items() if FAMILIES[child[0]].kind is not Kind.GAUGE}
            self._buried = added(self._buried, lasting)
            self._alive.discard(pid)
            forget_counts(self._runtime, pid)


def rendered(metrics: Iterable[Metric]) -> bytes:
    """Metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collected(metrics))
    return generate_latest(registry)


class _Collected:
    """A collector of what was collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def added(*counts: Counts) -> Counts:
    """The sum of several processes' counts, child by child."""
    total: dict[Child, Sequence[float]] = {}
    for one in counts:
        for child, numbers in one.items():
            before = total.get(child)
            total[child] = numbers if before is None else [a + b for a, b in zip(before, numbers, strict=True)]
    return total


def counted(counts: Counts) -> Iterator[Metric]:
    """What workers have counted, as Prometheus' metrics; a family that nobody counted yet has no samples."""
    by_family: dict[str, list[tuple[tuple[str, ...], Sequence[float]]]] = defaultdict(list)
    for (name, labels), numbers in counts.items():
        by_family[name].append((labels, numbers))
    for name, family in FAMILIES.items():
        yield _metric(family, by_family[name])


def _metric(family: Family, children: Iterable[tuple[Sequence[str], Sequence[float]]]) -> Metric:
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, (*buckets, total) in children:
            bounds = map(floatToGoString, (*family.bounds, float("inf")))
            histogram.add_metric(labels, list(zip(bounds, accumulate(buckets), strict=True)), total)
        return histogram
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, (number,) in children:
        metric.add_metric(labels, number)
    return metric


def known(fleet: Fleet) -> Iterator[Metric]:
    """The supervisor's own metrics."""
    build = GaugeMetricFamily("scoreline_build_info", "What runs here; always 1.", labels=_BUILD)
    build.add_metric([__version__, platform.python_version(), installed("grpcio"), installed("onnxruntime")], 1)
    yield build
    yield GaugeMetricFamily("scoreline_ready", "1 while calls are welcome.", int(fleet.ready))
    workers = GaugeMetricFamily("scoreline_workers", "Workers by state.", labels=["state"])
    for state in WorkerState:
        workers.add_metric([state], fleet.count(state))
    yield workers
    yield CounterMetricFamily("scoreline_drains", "Workers that began to drain.", fleet.drains)
    yield from _per_worker(fleet)
    yield from _adopted(fleet)


_BUILD = ("version", "python", "grpcio", "onnxruntime")


@cache
def installed(distribution: str) -> str:
    """The version of an installed distribution; empty where there is none of that name."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _per_worker(fleet: Fleet) -> Iterator[Metric]:
    restarts = CounterMetricFamily("scoreline_worker_restarts", "Workers started anew.", labels=["worker"])
    memory = GaugeMetricFamily("scoreline_worker_resident_bytes", "Memory of a worker.", labels=["worker"])
    models = GaugeMetricFamily("scoreline_models_loaded", "Versions that a worker has loaded.", labels=["worker"])
    refused = GaugeMetricFamily("scoreline_models_refused", "Versions that a worker refuses.", labels=["worker"])
    for seat in fleet.seats:
        number = [str(seat.number)]
        restarts.add_metric(number, seat.restarts)
        if seat.pid:
            memory.add_metric(number, seat.resident_bytes)
            models.add_metric(number, seat.report.models)
            refused.add_metric(number, len(seat.report.refused))
    yield from (restarts, memory, models, refused)


def _adopted(fleet: Fleet) -> Iterator[Metric]:
    yield GaugeMetricFamily("scoreline_registry_revision", "The newest revision that was read.", fleet.revision)
    adopted = GaugeMetricFamily("scoreline_route_adopted_revision", "The revision that is served.", labels=["route"])
    troubled = GaugeMetricFamily("scoreline_route_troubled", "1 while not the newest is served.", labels=["route"])
    for name, route in fleet.routes.items():
        adopted.add_metric([name], route.adopted_revision)
        troubled.add_metric([name], int(bool(route.problem)))
    yield from (adopted, troubled)
