"""What a supervisor and its workers tell each other: one JSON line each way at a time, over the worker's pipes.

The supervisor writes one Order and then keeps the pipe open: its end is the order to drain, and it comes by itself when
the supervisor dies. The worker writes a Report whenever something about it changed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from scoreline_server.settings import Settings


class WorkerState(StrEnum):
    """Where a worker is in its life. A supervisor has slots whose worker is DOWN."""

    DOWN = "down"
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told at its start.

    Attributes:
        number: its place among the workers, from 0.
        settings: the supervisor's, with the port that was really taken.
        runtime: the folder that all workers of this supervisor share.
        reuse_port: whether others listen on the same port.
    """

    number: int
    settings: Settings
    runtime: Path
    reuse_port: bool

    def line(self) -> bytes:
        """As it is written."""
        told = {
            "number": self.number,
            "settings": self.settings.model_dump(mode="json"),
            "runtime": str(self.runtime),
            "reuse_port": self.reuse_port,
        }
        return json.dumps(told).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """The order that a line is."""
        told = json.loads(line)
        return cls(told["number"], Settings(**told["settings"]), Path(told["runtime"]), told["reuse_port"])


@dataclass(frozen=True, slots=True)
class RouteReport:
    """The revision of a route that a worker serves, 0 for none, and why it is not the newest."""

    adopted_revision: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself.

    Attributes:
        state: where it is in its life.
        address: where it listens.
        problem: why it failed, or what it cannot read of the registry or write to the journal; else empty.
        revision: the newest revision that it has read.
        routes: its routes by name.
        models: how many versions it has loaded.
        refused: why versions were refused, by ``model@version``.
    """

    state: WorkerState
    address: str = ""
    problem: str = ""
    revision: int = 0
    routes: Mapping[str, RouteReport] = field(default_factory=dict)
    models: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def line(self) -> bytes:
        """As it is written."""
        return json.dumps(self.facts()).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """The report that a line is."""
        told = json.loads(line)
        told["state"] = WorkerState(told["state"])
        told["routes"] = {name: RouteReport(**route) for name, route in told["routes"].items()}
        return cls(**told)
