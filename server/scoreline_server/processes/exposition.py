"""The Prometheus exposition: counters summed over live and exited workers, and the supervisor's own metrics.

The counters of exited workers are kept, so that totals never fall; their gauges are dropped.
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
from scoreline_server.metrics.definitions import METRIC_FAMILIES, Kind, MetricFamily
from scoreline_server.metrics.shared_counters import Child, Counts, read_counts, remove_counts
from scoreline_server.processes.reports import WorkerState
from scoreline_server.processes.worker_pool import WorkerPool


class Exposition:
    """The metrics of the workers that count into one runtime folder. Safe for threads."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._exited: Counts = {}
        self._live: set[int] = set()
        self._lock = threading.Lock()

    def page(self, pool: WorkerPool) -> bytes:
        """All metrics in Prometheus' text format."""
        with self._lock:
            counts = added(self._exited, *(read_counts(self._runtime, pid) for pid in self._live))
        return rendered([*supervisor_metrics(pool), *counted(counts)])

    def spawned(self, pid: int) -> None:
        """Adds a worker."""
        with self._lock:
            self._live.add(pid)

    def reap(self, pid: int) -> None:
        """Keeps the counters of an exited worker, drops its gauges and removes its files."""
        with self._lock:
            counts = read_counts(self._runtime, pid)
            lasting = {
                child: numbers for child, numbers in counts.items() if METRIC_FAMILIES[child[0]].kind is not Kind.GAUGE
            }
            self._exited = added(self._exited, lasting)
            self._live.discard(pid)
            remove_counts(self._runtime, pid)


def rendered(metrics: Iterable[Metric]) -> bytes:
    """Metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collected(metrics))
    return generate_latest(registry)


class _Collected:
    """A collector of given metrics."""

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
    """The metrics of workers; a family without counts has no samples."""
    by_family: dict[str, list[tuple[tuple[str, ...], Sequence[float]]]] = defaultdict(list)
    for (name, labels), numbers in counts.items():
        by_family[name].append((labels, numbers))
    for name, family in METRIC_FAMILIES.items():
        yield _metric(family, by_family[name])


def _metric(family: MetricFamily, children: Iterable[tuple[Sequence[str], Sequence[float]]]) -> Metric:
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


def supervisor_metrics(pool: WorkerPool) -> Iterator[Metric]:
    """The supervisor's own metrics."""
    build = GaugeMetricFamily("scoreline_build_info", "What runs here; always 1.", labels=_BUILD)
    build.add_metric([__version__, platform.python_version(), installed("grpcio"), installed("onnxruntime")], 1)
    yield build
    yield GaugeMetricFamily("scoreline_ready", "1 while calls are welcome.", int(pool.ready))
    workers = GaugeMetricFamily("scoreline_workers", "Workers by state.", labels=["state"])
    for state in WorkerState:
        workers.add_metric([state], pool.count(state))
    yield workers
    yield CounterMetricFamily("scoreline_drains", "Workers that began to drain.", pool.drains)
    yield from _per_worker(pool)
    yield from _adopted(pool)


_BUILD = ("version", "python", "grpcio", "onnxruntime")


@cache
def installed(distribution: str) -> str:
    """The version of an installed distribution; empty where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _per_worker(pool: WorkerPool) -> Iterator[Metric]:
    restarts = CounterMetricFamily("scoreline_worker_restarts", "Workers started anew.", labels=["worker"])
    memory = GaugeMetricFamily("scoreline_worker_resident_bytes", "Memory of a worker.", labels=["worker"])
    models = GaugeMetricFamily("scoreline_models_loaded", "Versions that a worker has loaded.", labels=["worker"])
    refused = GaugeMetricFamily("scoreline_models_refused", "Versions that a worker refuses.", labels=["worker"])
    for slot in pool.slots:
        number = [str(slot.number)]
        restarts.add_metric(number, slot.restarts)
        if slot.pid:
            memory.add_metric(number, slot.resident_bytes)
            models.add_metric(number, slot.report.models)
            refused.add_metric(number, len(slot.report.refused))
    yield from (restarts, memory, models, refused)


def _adopted(pool: WorkerPool) -> Iterator[Metric]:
    yield GaugeMetricFamily("scoreline_registry_revision", "The newest revision that was read.", pool.revision)
    adopted = GaugeMetricFamily("scoreline_route_adopted_revision", "The revision that is served.", labels=["route"])
    degraded = GaugeMetricFamily("scoreline_route_troubled", "1 while not the newest is served.", labels=["route"])
    for name, route in pool.routes.items():
        adopted.add_metric([name], route.adopted_revision)
        degraded.add_metric([name], int(bool(route.problem)))
    yield from (adopted, degraded)
