"""Records the metrics of the process that runs ramps and allocations."""

from collections.abc import Mapping
from pathlib import Path

from scoreline_server.metrics import definitions
from scoreline_server.metrics.definitions import MetricFamily
from scoreline_server.metrics.recorder import Metrics


class ControllerMetrics(Metrics):
    """The metrics of one process of controllers, in the folder that its supervisor reads."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._gauges: dict[tuple[str, tuple[str, ...]], float] = {}

    def ramp_looked(self, route: str, arm: str, share: float, figures: Mapping[str, tuple[float, float]]) -> None:
        """Counts a look at a running ramp, and sets its share and the value and the limit of each guard."""
        with self._lock:
            self._add(definitions.RAMP_LOOKS, (route,), 1)
            self._set(definitions.RAMP_SHARE, (route, arm), share)
            for guard, (value, limit) in figures.items():
                self._set(definitions.GUARD_VALUE, (route, guard), value)
                self._set(definitions.GUARD_LIMIT, (route, guard), limit)

    def ramp_ended(self, route: str, arm: str) -> None:
        """Sets the share of a ramp that runs no longer to 0."""
        with self._lock:
            self._set(definitions.RAMP_SHARE, (route, arm), 0.0)

    def ramp_moved(self, route: str, arm: str, move: str) -> None:
        """Counts a move that was committed."""
        with self._lock:
            self._add(definitions.RAMP_MOVES, (route, arm, move), 1)

    def reallocated(self, route: str) -> None:
        """Counts new weights that were committed."""
        with self._lock:
            self._add(definitions.REALLOCATIONS, (route,), 1)

    def controller_failed(self) -> None:
        """Counts a look that failed."""
        with self._lock:
            self._add(definitions.CONTROLLER_FAILURES, (), 1)

    def _set(self, family: MetricFamily, labels: tuple[str, ...], value: float) -> None:
        before = self._gauges.get((family.name, labels), 0.0)
        self._add(family, labels, value - before)
        self._gauges[family.name, labels] = value
