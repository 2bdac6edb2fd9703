"""The messages between a supervisor and its workers, one JSON object a line over the worker's pipes.

The supervisor writes one WorkerConfig and keeps the pipe open: the worker drains at its end, also when the supervisor
dies. The worker writes a Report whenever its state changes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from scoreline_server.settings import Settings


class WorkerState(StrEnum):
    """The state of a worker; DOWN while a slot has no process."""

    DOWN = "down"
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker gets at its start.

    Attributes:
        number: its slot among the workers, from 0.
        settings: those of the supervisor, with the bound port.
        runtime: the folder that all workers of this supervisor share.
        reuse_port: whether others listen on the same port.
    """

    number: int
    settings: Settings
    runtime: Path
    reuse_port: bool

    def line(self) -> bytes:
        """The JSON line."""
        values = {
            "number": self.number,
            "settings": self.settings.model_dump(mode="json"),
            "runtime": str(self.runtime),
            "reuse_port": self.reuse_port,
        }
        return json.dumps(values).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Parses a line."""
        values = json.loads(line)
        return cls(values["number"], Settings(**values["settings"]), Path(values["runtime"]), values["reuse_port"])


@dataclass(frozen=True, slots=True)
class RouteReport:
    """The revision of a route that a worker serves, 0 for none, and why it is not the newest."""

    adopted_revision: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The state of a worker.

    Attributes:
        state: its state.
        address: the address that it listens on.
        problem: why it failed, or what it cannot read of the registry or write to the journal; else empty.
        revision: the newest revision that it has read.
        routes: its routes by name.
        models: how many versions it has loaded.
        refused: why versions were not loaded, by ``model@version``.
    """

    state: WorkerState
    address: str = ""
    problem: str = ""
    revision: int = 0
    routes: Mapping[str, RouteReport] = field(default_factory=dict)
    models: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)

    def line(self) -> bytes:
        """The JSON line."""
        return json.dumps(self.facts()).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Parses a line."""
        values = json.loads(line)
        values["state"] = WorkerState(values["state"])
        values["routes"] = {name: RouteReport(**route) for name, route in values["routes"].items()}
        return cls(**values)
