"""The facts that a journal file holds once, its writer and routes, so that rows are readable without the registry."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE, RaggedKind
from scoreline_server.journal.columns import packed_json


class _Facts:
    """A value that is written as a JSON object; unknown keys, of a newer writer, are ignored."""

    def body(self) -> bytes:
        """The JSON object."""
        return packed_json(asdict(self))  # type: ignore[call-overload]  # subclasses are dataclasses

    @classmethod
    def _known(cls, body: bytes) -> dict[str, Any]:
        values = json.loads(body)
        return {field.name: values[field.name] for field in fields(cls) if field.name in values}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class FileFacts(_Facts):
    """Who wrote a file.

    Attributes:
        worker: the writer's number among the workers of its server.
        host: its host's name.
        pid: its process.
        started: when the file was begun, in ns since 1970.
        scoreline: the version of Scoreline.
        onnxruntime: the version of ONNX Runtime.
        hmac_key: identifies the key of hashed features; empty without one.
    """

    worker: int
    host: str
    pid: int
    started: int
    scoreline: str
    onnxruntime: str
    hmac_key: str = ""

    def begun(self, nanoseconds: int) -> Self:
        """The same of a file that is begun at another time."""
        return replace(self, started=nanoseconds)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parses a block's body. Raises ValueError, TypeError or KeyError where it is invalid."""
        return cls(**cls._known(body))


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """One arm as the route named it, and the version that it meant."""

    ref: str
    model: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class RouteFacts(_Facts):
    """A route of one revision: how to read the rows with its key.

    Attributes:
        key: identifies the route in the rows of this file.
        route: its name.
        revision: the registry's revision that it was adopted from.
        unit: what its split hashes: "entity_id" or "context.<name>".
        schema_digest: identifies the layout that callers send.
        numbers: the columns of NUMBERS.
        categories: the columns of CATEGORIES.
        hashed: the columns of HASHES.
        left_out: sensitive features that are not written at all.
        step_features: the columns of STEPS; empty without a sequence.
        neighbor_features: the columns of NEIGHBORS; empty without neighbors.
        arms: what ASSIGNED and SERVED point to.
        bands: what BANDS points to.
    """

    key: int
    route: str
    revision: int
    unit: str
    schema_digest: str
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    hashed: tuple[str, ...]
    left_out: tuple[str, ...]
    step_features: tuple[str, ...]
    arms: tuple[ArmFacts, ...]
    bands: tuple[str, ...]
    neighbor_features: tuple[str, ...] = ()

    @property
    def ragged(self) -> Mapping[RaggedKind, tuple[str, ...]]:
        """The columns of each ragged input; empty without one."""
        return {SEQUENCE: self.step_features, NEIGHBORS: self.neighbor_features}

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parses a block's body. Raises ValueError, TypeError or KeyError where it is invalid."""
        values = cls._known(body)
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**{**values, "arms": tuple(ArmFacts(**arm) for arm in values["arms"])})
