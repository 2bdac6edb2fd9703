"""Records the metrics of the process that runs ramps, allocations and what policies learn."""

from collections.abc import Mapping

from scoreline_server.metrics import definitions
from scoreline_server.metrics.recorder import Metrics


class ControllerMetrics(Metrics):
    """The metrics of one process of controllers, in the folder that its supervisor reads."""

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

    def policy_revised(self, policy: str) -> None:
        """Counts what a policy learned and a controller committed."""
        with self._lock:
            self._add(definitions.POLICY_REVISIONS, (policy,), 1)

    def controller_failed(self) -> None:
        """Counts a look that failed."""
        with self._lock:
            self._add(definitions.CONTROLLER_FAILURES, (), 1)
