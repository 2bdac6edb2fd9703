"""The facts that a journal file holds once, its writer and routes, so that rows are readable without the registry."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE, RaggedKind
from scoreline_registry.routing.experiment import DEFAULT_KEEP_DAYS
from scoreline_server.journal.format.columns import packed_json

SUFFIX = ".journal"
"""How the names of journal files end."""


class _Facts:
    """A value that is written as a JSON object; unknown keys, of a newer writer, are ignored."""

    def body(self) -> bytes:
        """The JSON object."""
        return packed_json(asdict(self))  # type: ignore[call-overload]  # subclasses are dataclasses

    @classmethod
    def _known(cls, body: bytes) -> dict[str, Any]:
        return _known_of(cls, json.loads(body))


def _known_of(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a dataclass's fields; lists as tuples."""
    known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}


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
        timed_ids: whether call ids begin with the second of the call; older writers drew them at random.
        slim_until: of a file whose inputs retention has left out, until when outcomes may reach its rows, in ns since
            1970; 0 for a file with inputs.
    """

    worker: int
    host: str
    pid: int
    started: int
    scoreline: str
    onnxruntime: str
    hmac_key: str = ""
    timed_ids: bool = False
    slim_until: int = 0

    def begun(self, nanoseconds: int) -> Self:
        """The same of a file that is begun at another time."""
        return replace(self, started=nanoseconds)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parses a block's body. Raises ValueError, TypeError or KeyError where it is invalid."""
        return cls(**cls._known(body))


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """One arm as the route named it, and the version that it meant.

    Attributes:
        cuts: the score at which each band of that version begins, ascending; none in files of older writers.
        bands: the names of those bands.
    """

    ref: str
    model: str
    version: int
    digest: str
    cuts: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShadowFacts:
    """A shadow as the route named it, the version that it meant, its bands as an arm has them, and its sample."""

    ref: str
    model: str
    version: int
    digest: str
    sample_millionths: int
    cuts: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One rule of a route: the millionths of its units that each arm has, by the arm's reference."""

    shares: Mapping[str, int] = field(default_factory=dict)


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
        rules: the route's rules in order, what RULES points to; none in files of older writers.
        holdout_millionths: the share of the units that always get the first arm of the last rule.
        shadows: the models that score a sample of the rows beside the arms.
        outcome_days: how long an outcome may still reach a row, in days after it was scored.
        experiment: identifies the route's experiment section; empty without one.
        has_inputs: whether the rows have their inputs; retention takes them, and their columns' names here.
        step_vocabularies: the names of the step features that are categories, to which their values in STEPS point.
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
    rules: tuple[RuleFacts, ...] = ()
    holdout_millionths: int = 0
    shadows: tuple[ShadowFacts, ...] = ()
    outcome_days: int = DEFAULT_KEEP_DAYS
    experiment: str = ""
    has_inputs: bool = True
    step_vocabularies: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ragged(self) -> Mapping[RaggedKind, tuple[str, ...]]:
        """The columns of each ragged input; empty without one."""
        return {SEQUENCE: self.step_features, NEIGHBORS: self.neighbor_features}

    def slim(self) -> Self:
        """The same of rows without inputs; without the names of their columns, older readers read such rows too."""
        nothing: tuple[str, ...] = ()
        return replace(
            self, numbers=nothing, categories=nothing, hashed=nothing, step_features=nothing, neighbor_features=nothing,
            has_inputs=False, step_vocabularies={},
        )  # fmt: skip

    def body(self) -> bytes:
        """The JSON object. The arms' bands are a list of their own: older readers refuse unknown keys of an arm."""
        values = asdict(self)
        values["arm_bands"] = [{name: arm.pop(name) for name in ("cuts", "bands")} for arm in values["arms"]]
        return packed_json(values)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parses a block's body. Raises ValueError, TypeError or KeyError where it is invalid."""
        values = json.loads(body)
        bands = values.get("arm_bands") or [{}] * len(values["arms"])
        arms = [arm | own for arm, own in zip(values["arms"], bands, strict=True)]
        parts: dict[str, tuple[Any, ...]] = {
            "arms": _parts(ArmFacts, arms),
            "rules": _parts(RuleFacts, values.get("rules", ())),
            "shadows": _parts(ShadowFacts, values.get("shadows", ())),
        }
        return cls(**_known_of(cls, values | parts))


def _parts(cls: Any, values: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Values of a dataclass from JSON objects."""
    return tuple(cls(**_known_of(cls, each)) for each in values)
