"""Which columns of a table mean what: the part of a recipe that reads data."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scoreline_registry.documents.contract import MAX_NEIGHBORS, FeatureKind, FeatureName
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import problems_of


class Spec(BaseModel):
    """The base of everything that a person writes in a recipe: frozen, strict, and unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FeatureSpec(Spec):
    """One input column. What is left out is inferred: the kind from the column, a vocabulary from training rows.

    The other fields mean what they mean in ``scoreline_registry.documents.contract.Feature``.
    """

    name: FeatureName
    kind: FeatureKind | None = None
    required: bool = False
    default: float | str | None = None
    min: float | None = None
    max: float | None = None
    vocabulary: tuple[FeatureName, ...] = ()
    unseen: Literal["other", "refuse"] = "other"
    sensitive: bool = False


class SequenceSpec(Spec):
    """Where histories stand, in one of two shapes.

    Wide: ``steps`` maps each step feature to its columns, oldest first. Long: the table has one row per step;
    ``entity`` groups them, ``order`` sorts them, ``features`` are the step features, and everything else is read from
    each entity's last row. ``max_length`` keeps the newest steps; by default the longest history decides.
    """

    steps: dict[FeatureName, tuple[str, ...]] = Field(default_factory=dict)
    entity: str | None = None
    order: str | None = None
    features: tuple[FeatureName, ...] = ()
    max_length: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        long = (self.entity, self.order, self.features)
        if bool(self.steps) == any(long) or (any(long) and not all(long)):
            raise ValueError("give either 'steps' (wide) or all of 'entity', 'order' and 'features' (long)")
        if len({len(columns) for columns in self.steps.values()}) > 1:
            raise ValueError("every step feature needs the same number of columns")
        if any(not columns for columns in self.steps.values()):
            raise ValueError("every step feature needs at least one column")
        _no_repeats(self.features)
        return self

    @property
    def step_features(self) -> tuple[str, ...]:
        """The step features in the order of the contract."""
        return tuple(self.steps) or self.features

    @property
    def source_columns(self) -> frozenset[str]:
        """Every column of the table that is spent on the sequence."""
        wide = {column for columns in self.steps.values() for column in columns}
        return frozenset({*wide, *self.features, *filter(None, (self.entity, self.order))})


class NeighborSpec(Spec):
    """Where neighbours stand: the rows of other units of the same table.

    ``ids`` is a column that names each row's neighbours by their unit: lists, or text with white space between. Of each
    neighbour its ``features`` are read. ``max_neighbors`` keeps the first ones; by default whoever has most decides.
    """

    ids: str
    features: tuple[FeatureName, ...] = Field(min_length=1)
    max_neighbors: int | None = Field(default=None, ge=1, le=MAX_NEIGHBORS)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _no_repeats(self.features)
        return self


class Columns(Spec):
    """Roles of a table's columns.

    ``features`` lists inputs, or is "auto": every column that has no other role and is not in ``exclude``. Without a
    ``label`` only families can learn that need none.
    """

    label: str | None = None
    time: str | None = None
    unit: str | None = None
    features: tuple[FeatureSpec, ...] | Literal["auto"] = ()
    exclude: tuple[str, ...] = ()
    sequence: SequenceSpec | None = None
    neighbors: NeighborSpec | None = None

    @model_validator(mode="after")
    def _some_input(self) -> Self:
        if not self.features and self.sequence is None:
            raise ValueError("a model needs 'features', a 'sequence' or both")
        if self.neighbors is not None and self.subject is None:
            raise ValueError("'neighbors' need a 'unit', the column by which rows name each other")
        if self.features != "auto":
            _no_repeats([spec.name for spec in self.features])
        if self.exclude and self.features != "auto":
            raise ValueError("'exclude' goes with 'features: auto'")
        if self.label is not None and self.label in self.input_columns:
            raise ValueError(f"the label {self.label!r} cannot be an input too")
        return self

    @property
    def subject(self) -> str | None:
        """The column that says whom a row is about: the unit, or else the entity of histories."""
        return self.unit or (self.sequence.entity if self.sequence else None)

    @property
    def input_columns(self) -> frozenset[str]:
        """Every column that is named as an input."""
        listed = () if self.features == "auto" else self.features
        steps = self.sequence.source_columns if self.sequence else frozenset()
        around = {self.neighbors.ids, *self.neighbors.features} if self.neighbors else set()
        return frozenset(spec.name for spec in listed) | steps | around

    def feature_specs(self, names: list[str]) -> tuple[FeatureSpec, ...]:
        """The features, given the table's column names: the list as written, or what "auto" stands for.

        Raises:
            DataError: "auto" excludes a column that is not there, or takes one that cannot name a feature.
        """
        if self.features != "auto":
            return self.features
        unknown = next((name for name in self.exclude if name not in names), None)
        if unknown is not None:
            raise DataError(unknown, f"is excluded and not in the table; it has {', '.join(names[:40])}")
        # What is read of neighbours may be read of the row itself too.
        around = {self.neighbors.ids} if self.neighbors else set()
        steps = self.sequence.source_columns if self.sequence else frozenset()
        spent = {self.label, self.time, self.unit, *self.exclude, *steps, *around}
        return tuple(_feature(name) for name in names if name not in spent)


def _no_repeats(features: Sequence[str]) -> None:
    twice = next((name for name in features if features.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"'features' name {twice!r} twice")


def _feature(name: str) -> FeatureSpec:
    try:
        return FeatureSpec(name=name)
    except ValidationError as error:
        problem = problems_of(error, FeatureSpec)[0].removeprefix("name: ")
        raise DataError(name, f"cannot be a feature, rename or exclude it: {problem}") from error
