"""The state of a supervisor's workers at one moment, as /readyz and /status show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoreline_server.processes.reports import Report, RouteReport, WorkerState


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """One slot. ``pid`` is 0 while it has no process."""

    number: int
    report: Report
    pid: int = 0
    resident_bytes: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """All workers of one supervisor. ``drains`` counts the workers that have ever begun to drain."""

    slots: tuple[WorkerSlot, ...]
    draining: bool = False
    drains: int = 0

    @property
    def ready(self) -> bool:
        """Whether to send calls here: a worker serves and the server does not drain."""
        return bool(self._serving) and not self.draining

    @property
    def revision(self) -> int:
        """The newest revision that a worker has read."""
        return max((report.revision for report in self._serving), default=0)

    @property
    def routes(self) -> Mapping[str, RouteReport]:
        """Each route as reported by the serving worker that lags the most."""
        merged: dict[str, RouteReport] = {}
        for report in self._serving:
            for name, route in report.routes.items():
                known = merged.get(name, route)
                merged[name] = min(known, route, key=lambda one: one.adopted_revision)
        return merged

    @property
    def problems(self) -> list[str]:
        """All distinct problems of workers, routes and versions."""
        found: dict[str, None] = {}
        for slot in self.slots:
            report = slot.report
            if report.state is WorkerState.DOWN:
                found[f"worker {slot.number} is down{': ' if report.problem else ''}{report.problem}"] = None
            elif report.problem:
                found[report.problem] = None
            found |= {f"route {name}: {route.problem}": None for name, route in report.routes.items() if route.problem}
            found |= {f"{version}: {why}": None for version, why in report.refused.items()}
        return list(found)

    def count(self, state: WorkerState) -> int:
        """How many workers are in a state."""
        return sum(slot.report.state is state for slot in self.slots)

    def readiness(self) -> dict[str, Any]:
        """The body of /readyz."""
        return {
            "ready": self.ready,
            "draining": self.draining,
            "workers": [
                {"worker": slot.number, "state": slot.report.state, "revision": slot.report.revision}
                for slot in self.slots
            ],
            "problems": self.problems,
        }

    def status(self) -> dict[str, Any]:
        """The body of /status."""
        return {
            "ready": self.ready,
            "draining": self.draining,
            "revision": self.revision,
            "routes": {
                name: {"adopted_revision": route.adopted_revision, "problem": route.problem}
                for name, route in sorted(self.routes.items())
            },
            "problems": self.problems,
            "workers": [
                {
                    "worker": slot.number,
                    "pid": slot.pid or None,
                    "resident_bytes": slot.resident_bytes,
                    "restarts": slot.restarts,
                    **slot.report.facts(),
                }
                for slot in self.slots
            ],
        }

    @property
    def _serving(self) -> list[Report]:
        return [slot.report for slot in self.slots if slot.report.state is WorkerState.SERVING]
