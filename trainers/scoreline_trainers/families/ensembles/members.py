"""Members of an ensemble: any family that has a graph, written in the recipe as a family with its own options."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, field_serializer, model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_registry.documents.signature import FEATURES, SCORE
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.problems import problems_of
from scoreline_trainers.progress import Part, Progress
from scoreline_trainers.spaces import Space

Kept = Literal["features", "sequence", "neighbors"]

_FEEDS: Mapping[Kept, frozenset[str]] = {
    "features": frozenset({FEATURES}),
    "sequence": frozenset({SEQUENCE.name, SEQUENCE.presence}),
    "neighbors": frozenset({NEIGHBORS.name, NEIGHBORS.presence}),
}


class MemberSpec(Spec):
    """One member as a recipe writes it.

    Attributes:
        family: one of FAMILIES; an ensemble may be a member too.
        config: the family's options.
        name: what the card calls it; by default the family.
        keep: which of the ensemble's inputs it gets; by default all.
    """

    family: str
    config: dict[str, Any] = Field(default_factory=dict)
    name: str = ""
    keep: tuple[Kept, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        self.options()
        return self

    @field_serializer("config")
    def _with_defaults(self, config: dict[str, Any]) -> dict[str, Any]:
        """Every option with its value, as a manifest keeps it."""
        del config
        return self.options().model_dump(mode="json")

    @property
    def title(self) -> str:
        """The name on the card."""
        return self.name or self.family

    def options(self) -> FamilyConfig:
        """The family's options, checked. Raises FamilyError for a family that is unknown or not installed."""
        config_type: type[FamilyConfig] = FAMILIES[self.family].config_type
        try:
            return config_type.model_validate_json(json.dumps(self.config))
        except ValidationError as error:
            problems = [f"config: {problem}" for problem in problems_of(error, config_type, listing=True)]
            raise ValueError("; ".join(problems)) from error

    def search_space(self, path: str) -> Space:
        """That of its options, by their path in an ensemble's where this member is at ``path``."""
        return {f"{path}.config.{option}": each for option, each in self.options().search_space().items()}

    @property
    def left_out(self) -> frozenset[Kept]:
        """The inputs that are withheld from it."""
        return frozenset() if self.keep is None else frozenset(_FEEDS) - set(self.keep)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A trained member, which does not see the inputs that are ``left_out``."""

    name: str
    left_out: frozenset[Kept]
    model: Fitted

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], of rows as the ensemble takes them."""
        return self.model.predict(_batch_without(batch, self.left_out))

    def describe(self) -> Mapping[str, str | int | float]:
        """The model's facts under the member's name."""
        return {f"{self.name}: {fact}": value for fact, value in self.model.describe().items()}


def fit_member(spec: MemberSpec, data: Dataset, *, ensemble: str, seed: int, progress: Progress) -> Member:
    """Trains one member on the inputs that it keeps.

    Raises:
        FitError: the rows hold one label only, or lack what the member needs; it names the ensemble and the member.
    """
    if data.is_constant:
        raise FitError(ensemble, f"has {len(data)} rows of one label for its member {spec.title!r}: give it more rows")
    try:
        kept = replace(data, inputs=_inputs_without(data, spec), batch=_batch_without(data.batch, spec.left_out))
        model = FAMILIES[spec.family].fit(kept, spec.options(), seed=seed, progress=Part(progress, spec.title))
    except FitError as error:
        several = sum(bool(getattr(data.inputs, part)) for part in _FEEDS) > 1
        hint = " (a member's 'keep' says which inputs it gets)" if several and spec.keep is None else ""
        raise FitError(ensemble, f"cannot train its member {spec.title!r}: {error}{hint}") from error
    return Member(spec.title, spec.left_out, model)


def edges_of(members: Sequence[Member]) -> Mapping[int, Float32]:
    """Feature column -> ascending values at which some member's score may jump."""
    found: dict[int, list[Float32]] = {}
    for member in members:
        for column, values in member.model.edges().items():
            found.setdefault(column, []).append(values)
    return {column: np.unique(np.concatenate(values)) for column, values in found.items()}


def tolerances_of(members: Sequence[Member], outputs: Collection[str]) -> Mapping[str, float]:
    """For ``outputs`` that members' scores go into: the widest of the members' own, where some member has one."""
    own = [member.model.tolerances()[SCORE] for member in members if SCORE in member.model.tolerances()]
    return dict.fromkeys(outputs, max(own)) if own else {}


def libraries_of(family: str, config: FamilyConfig) -> Sequence[str]:
    """The distributions whose versions decide what is learned, those of all members included."""
    nested = [library for part in config.nested for library in libraries_of(*part)]
    return tuple(dict.fromkeys([*FAMILIES[family].libraries, *nested]))


def _inputs_without(data: Dataset, spec: MemberSpec) -> InputContract:
    absent = [part for part in spec.keep or () if not getattr(data.inputs, part)]
    if absent:
        raise FitError(spec.family, f"learns from the recipe's {absent[0]}, and there is none")
    nothing: Mapping[Kept, object] = {"features": (), "sequence": None, "neighbors": None}
    return data.inputs.model_copy(update={part: nothing[part] for part in spec.left_out})


def _batch_without(batch: Batch, left_out: frozenset[Kept]) -> Batch:
    dropped = {feed for part in left_out for feed in _FEEDS[part]}
    return Batch(**{name: array for name, array in batch.feeds().items() if name not in dropped})
