"""What a supervisor knows of its workers at one moment, and what that means for whoever asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoreline_server.processes.reports import Report, RouteReport, WorkerState


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place. ``pid`` is 0 while nobody holds it."""

    number: int
    report: Report
    pid: int = 0
    resident_bytes: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """All workers of one supervisor. ``drains`` counts workers that began to drain, ever."""

    seats: tuple[Seat, ...]
    draining: bool = False
    drains: int = 0

    @property
    def ready(self) -> bool:
        """Whether to send calls here: a worker serves, and the server is not about to end."""
        return bool(self._serving) and not self.draining

    @property
    def revision(self) -> int:
        """The newest revision that a worker has read."""
        return max((report.revision for report in self._serving), default=0)

    @property
    def routes(self) -> Mapping[str, RouteReport]:
        """Each route as the serving worker sees it that lags the most."""
        merged: dict[str, RouteReport] = {}
        for report in self._serving:
            for name, route in report.routes.items():
                known = merged.get(name, route)
                merged[name] = min(known, route, key=lambda one: one.adopted_revision)
        return merged

    @property
    def problems(self) -> list[str]:
        """Everything that is not as it should be, once each."""
        found: dict[str, None] = {}
        for seat in self.seats:
            report = seat.report
            if report.state is WorkerState.DOWN:
                found[f"worker {seat.number} is down{': ' if report.problem else ''}{report.problem}"] = None
            elif report.problem:
                found[report.problem] = None
            found |= {f"route {name}: {route.problem}": None for name, route in report.routes.items() if route.problem}
            found |= {f"{version}: {why}": None for version, why in report.refused.items()}
        return list(found)

    def count(self, state: WorkerState) -> int:
        """How many workers are in a state."""
        return sum(seat.report.state is state for seat in self.seats)

    def readiness(self) -> dict[str, Any]:
        """What /readyz answers."""
        return {
            "ready": self.ready,
            "draining": self.draining,
            "workers": [
                {"worker": seat.number, "state": seat.report.state, "revision": seat.report.revision}
                for seat in self.seats
            ],
            "problems": self.problems,
        }

    def status(self) -> dict[str, Any]:
        """What /status answers: the same and everything else."""
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
                    "worker": seat.number,
                    "pid": seat.pid or None,
                    "resident_bytes": seat.resident_bytes,
                    "restarts": seat.restarts,
                    **seat.report.facts(),
                }
                for seat in self.seats
            ],
        }

    @property
    def _serving(self) -> list[Report]:
        return [seat.report for seat in self.seats if seat.report.state is WorkerState.SERVING]
