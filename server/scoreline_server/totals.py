"""What all workers have counted, dead ones included, and what their supervisor knows of them, as one page.

Each worker counts into files of its own in the runtime folder (prometheus_client's multiprocess mode), which cost it no
system call. A dead worker's counts are added to those of all dead ones, so that totals never fall and files do not pile
up.
"""

import platform
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from scoreline.version import __version__
from scoreline_server.fleet import Fleet
from scoreline_server.reports import WorkerState

# The library's own types, which are not annotated.
_Values: Any = MmapedDict
_Collector: Any = MultiProcessCollector

_LASTING = ("counter", "histogram")
_THE_DEAD = "dead"


class Totals:
    """The counts in one runtime folder. Safe for threads."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()

    def page(self, fleet: Fleet) -> bytes:
        """Everything in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Known(fleet))
        registry.register(_Counted(self._runtime))
        with self._lock:
            return generate_latest(registry)

    def bury(self, pid: int) -> None:
        """Adds what a dead worker has counted to the counts of the dead, and forgets its gauges."""
        with self._lock:
            for kind in _LASTING:
                self._add(kind, self._runtime / f"{kind}_{pid}.db")
            for file in self._runtime.glob(f"gauge_*_{pid}.db"):
                file.unlink()

    def _add(self, kind: str, file: Path) -> None:
        if not _has_counts(file):
            return
        dead = _Values(str(self._runtime / f"{kind}_{_THE_DEAD}.db"))
        try:
            for key, value, _, _ in _Values.read_all_values_from_file(str(file)):
                dead.write_value(key, dead.read_value(key)[0] + value, 0.0)
        finally:
            dead.close()
        file.unlink()


class _Counted:
    """A collector of what the workers have counted."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._runtime.glob("*.db") if _has_counts(file)]
        metrics: Iterable[Metric] = _Collector.merge(files)
        return metrics


def _has_counts(file: Path) -> bool:
    """Whether a file is there and more than just opened."""
    return file.exists() and file.stat().st_size > 0


class _Known:
    """A collector of what the supervisor knows."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        return known(self._fleet)


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
