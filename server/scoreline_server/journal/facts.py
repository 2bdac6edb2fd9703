"""What a file says once, so that its rows can be read without the registry: who wrote it, and what a route was."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE, RaggedKind
from scoreline_server.journal.columns import packed_json


class _Told:
    """A value that is written as a JSON object; keys that a newer writer added are passed over."""

    def body(self) -> bytes:
        """As it is written."""
        return packed_json(asdict(self))  # type: ignore[call-overload]  # subclasses are dataclasses

    @classmethod
    def _known(cls, body: bytes) -> dict[str, Any]:
        told = json.loads(body)
        return {field.name: told[field.name] for field in fields(cls) if field.name in told}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class FileFacts(_Told):
    """Who wrote a file.

    Attributes:
        worker: the writer's number among the workers of its server.
        host: its host's name.
        pid: its process.
        started: when the file was begun, in ns since 1970.
        scoreline: the version of Scoreline.
        onnxruntime: the version of ONNX Runtime.
        hmac_key: tells one key of hashed features from another; empty without one.
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
        """The facts that a body is. Raises ValueError, TypeError or KeyError where it is none."""
        return cls(**cls._known(body))


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """One arm as the route named it, and the version that it meant."""

    ref: str
    model: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class RouteFacts(_Told):
    """A route as it was served: how to read the rows that name its key.

    Attributes:
        key: what rows of this file call it.
        route: its name.
        revision: the registry's revision that it was adopted from.
        unit: what its split hashes: "entity_id" or "context.<name>".
        schema_digest: identifies what callers send.
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
        """The facts that a body is. Raises ValueError, TypeError or KeyError where it is none."""
        told = cls._known(body)
        told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
        return cls(**{**told, "arms": tuple(ArmFacts(**arm) for arm in told["arms"])})
