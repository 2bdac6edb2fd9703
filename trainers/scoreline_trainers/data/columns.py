"""Roles of a table's columns: the part of a recipe that says how data is read."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from scoreline_registry.documents.actionability import ActionabilitySpec
from scoreline_registry.documents.base import refuse_duplicates
from scoreline_registry.documents.contract import MAX_NEIGHBORS, FeatureKind, FeatureName
from scoreline_registry.documents.reason_texts import Language, Text
from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all, problems_of

Positive = str | int | float | bool
"""The value of the label's column that counts as 1."""

Task = Literal["binary", "regression", "multiclass"]
"""What is learned: a label of 0 and 1, an amount, or one of several classes."""

ClassWeight = Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]]
"""Weights of rows by their label: equal totals for all classes, or value of the label -> weight, 1 by default."""

PANDAS_INDEX = "__index_level_0__"


class Spec(BaseModel):
    """The base of every part of a recipe: frozen, strict, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ReasonTextsSpec(Spec):
    """Sentences for an input that raises or lowers a score, with {name} and {value}."""

    raises: Text = ""
    lowers: Text = ""


class FeatureSpec(Spec):
    """One input column. What is left out is inferred: the kind from the column, a vocabulary from training rows.

    A column is ``required`` by default where no row of the table lacks it, and it has no ``default``: a model knows
    nothing about rows without it, so that a score of such a row would be a guess. The other fields mean what they mean
    in ``scoreline_registry.documents.contract.Feature``. ``max_names`` keeps the most frequent names of a category; all
    others count as one.
    """

    name: FeatureName
    kind: FeatureKind | None = None
    required: bool | None = None
    default: float | str | None = None
    min: float | None = None
    max: float | None = None
    vocabulary: tuple[FeatureName, ...] = ()
    max_names: int | None = Field(default=None, ge=1)
    unseen: Literal["other", "refuse"] = "other"
    sensitive: bool = False
    texts: dict[Language, ReasonTextsSpec] = Field(default_factory=dict)
    recourse: ActionabilitySpec | None = None

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes as run that do not use them stay as earlier releases read them."""
        return {name: value for name, value in serialize(self).items() if value or name not in ("recourse", "texts")}

    @model_validator(mode="after")
    def _one_list_of_names(self) -> Self:
        if self.max_names is not None and (self.vocabulary or self.kind == "number"):
            raise ValueError("'max_names' goes with a category whose vocabulary is not listed")
        return self


class SequenceSpec(Spec):
    """Which columns hold the history of each entity, in one of three layouts.

    Lists: ``lists`` names the step features, each a column that holds a list per row, oldest step first, or maps them
    to their columns. Wide: ``steps`` maps each step feature to its columns, oldest first. Long: the table has one row
    per step; ``entity`` groups them, ``order`` sorts them, ``features`` are the step features, and everything else is
    read from each entity's last row. ``max_length`` keeps the newest steps; by default the longest history decides.
    ``categories`` are the step features that hold names. The model takes ``capacity`` steps at least.
    """

    steps: dict[FeatureName, tuple[str, ...]] = Field(default_factory=dict)
    entity: str | None = None
    order: str | None = None
    features: tuple[FeatureName, ...] = ()
    lists: tuple[FeatureName, ...] | dict[FeatureName, str] = ()
    max_length: int | None = Field(default=None, ge=1)
    capacity: int | None = Field(default=None, ge=1)
    categories: tuple[FeatureName, ...] = ()

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        long = (self.entity, self.order, self.features)
        if [bool(self.steps), bool(self.lists), any(long)].count(True) != 1 or (any(long) and not all(long)):
            raise ValueError("give either 'steps' (wide) or all of 'entity', 'order' and 'features' (long), or 'lists'")
        if len({len(columns) for columns in self.steps.values()}) > 1:
            raise ValueError("every step feature needs the same number of columns")
        if any(not columns for columns in self.steps.values()):
            raise ValueError("every step feature needs at least one column")
        refuse_duplicates("feature", self.step_features)
        if any(long):
            refuse_duplicates("column of the sequence", [str(self.entity), str(self.order), *self.features])
        refuse_duplicates("category", self.categories)
        unknown = next((name for name in self.categories if name not in self.step_features), None)
        if unknown is not None:
            raise ValueError(f"'categories' names {unknown!r}, no step feature; {', '.join(self.step_features)} are")
        return self

    @property
    def step_features(self) -> tuple[str, ...]:
        """The step features in the order of the contract."""
        return tuple(self.steps) or tuple(self.lists) or self.features

    @property
    def list_columns(self) -> Mapping[str, str]:
        """The column of lists of each step feature, in the order of the contract."""
        return self.lists if isinstance(self.lists, dict) else {name: name for name in self.lists}

    @property
    def source_columns(self) -> frozenset[str]:
        """Every column of the table that the sequence uses."""
        wide = {column for columns in self.steps.values() for column in columns}
        return frozenset({*wide, *self.list_columns.values(), *self.features, *filter(None, (self.entity, self.order))})


class NeighborSpec(Spec):
    """Which rows of other units of the same table are a row's neighbors.

    ``ids`` is a column that names each row's neighbors by their unit: lists, or text with white space between. Of each
    neighbor its ``features`` are read, from its own row. Or ``lists`` names the features, each a column that holds a
    list per row with the value of each neighbor, or maps them to their columns. ``max_neighbors`` keeps the first ones;
    by default the row with most decides. The model takes ``capacity`` neighbors at least.
    """

    ids: str | None = None
    features: tuple[FeatureName, ...] = ()
    lists: tuple[FeatureName, ...] | dict[FeatureName, str] = ()
    max_neighbors: int | None = Field(default=None, ge=1, le=MAX_NEIGHBORS)
    capacity: int | None = Field(default=None, ge=1, le=MAX_NEIGHBORS)

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if bool(self.lists) == bool(self.features) or (self.ids is None) == bool(self.features):
            raise ValueError("give either 'ids' and the 'features' that are read of them, or 'lists'")
        refuse_duplicates("feature", self.names)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The features of a neighbor in the order of the contract."""
        return self.features or tuple(self.lists)

    @property
    def list_columns(self) -> Mapping[str, str]:
        """The column of lists of each feature, in the order of the contract; empty where ``ids`` name the neighbors."""
        return self.lists if isinstance(self.lists, dict) else {name: name for name in self.lists}

    @property
    def own_columns(self) -> frozenset[str]:
        """The columns that are about neighbors alone."""
        return frozenset({*self.list_columns.values(), *filter(None, [self.ids])})


class Columns(Spec):
    """Roles of a table's columns.

    ``features`` lists inputs, or is "auto": every column that has no other role and is not in ``exclude``. "auto" in a
    list stands for the columns that the list does not describe. Without a ``label`` only families can learn that need
    none. ``null_values`` are texts that mean "no value" in any column, see ``nulls``; ``separator`` is that of a CSV
    file, found by its header where it is not given, ``encoding`` its own, UTF-8 where it is not given. ``decimal``
    stands before the decimals of numbers. ``dates`` gives the format of columns that hold dates as text or as numbers,
    see ``reading.dates``.

    Attributes:
        task: what the label is: 0 or 1, an amount, or one of several classes.
        positive: the value of ``label`` that counts as 1; of several classes, the one whose probability is the score.
        horizons: columns of one label within several horizons, shortest first, each 0 or 1 (or ``positive``); the score
            is that of ``label``, which is one of them.
        weight: a column with the weight of each row.
        class_weight: further weights of the training rows, by their label.
    """

    label: str | None = None
    task: Task = "binary"
    positive: Positive | None = None
    horizons: tuple[str, ...] = ()
    weight: str | None = None
    class_weight: ClassWeight | None = None
    null_values: tuple[str, ...] | None = None
    separator: str | None = Field(default=None, pattern="^(.|\t|whitespace)$")
    decimal: Decimal = "."
    encoding: str | None = None
    dates: dict[str, str] = Field(default_factory=dict)
    time: str | None = None
    unit: str | None = None
    features: tuple[FeatureSpec | Literal["auto"], ...] | Literal["auto"] = ()
    exclude: tuple[str, ...] = ()
    sequence: SequenceSpec | None = None
    neighbors: NeighborSpec | None = None

    @model_validator(mode="after")
    def _some_input(self) -> Self:
        if not self.features and self.sequence is None:
            raise ValueError("a model needs 'features', a 'sequence' or both")
        if self.neighbors is not None and self.neighbors.ids is not None and self.subject is None:
            raise ValueError("'neighbors' need a 'unit', the column by which rows name each other")
        refuse_duplicates("feature", (spec.name for spec in self.described))
        if self.exclude and not self.is_auto:
            raise ValueError("'exclude' goes with 'features: auto'")
        described = next((spec.name for spec in self.described if spec.name in self.exclude), None)
        if described is not None:
            raise ValueError(f"'exclude' and 'features' both name {described!r}")
        if self.label is not None and self.label in self.input_columns:
            raise ValueError(f"the label {self.label!r} cannot be an input too")
        return self

    @model_validator(mode="after")
    def _label_fits_the_task(self) -> Self:
        if self.label is None:
            if self.positive is not None:
                raise ValueError("'positive' is a value of the 'label', and no label is named")
            if self.class_weight is not None or self.task != "binary":
                raise ValueError("'task' and 'class_weight' are about the 'label', and no label is named")
        if self.task == "regression" and (self.positive is not None or self.class_weight is not None):
            raise ValueError("'positive' and 'class_weight' are about classes: the label of a regression has none")
        if self.weight is not None and self.weight in {self.label, *self.input_columns}:
            raise ValueError(f"the weight {self.weight!r} cannot be the label or an input too")
        return self

    @model_validator(mode="after")
    def _horizons_fit(self) -> Self:
        if not self.horizons:
            return self
        if self.task != "binary":
            raise ValueError(f"'horizons' are of labels of 0 and 1: the task is {self.task}")
        refuse_duplicates("horizon", self.horizons)
        if len(self.horizons) < 2 or self.label not in self.horizons:
            raise ValueError("'horizons' are at least two columns, and the 'label' is one of them")
        taken = next((name for name in self.horizons if name in self.input_columns), None)
        if taken is not None:
            raise ValueError(f"the horizon {taken!r} cannot be an input too")
        return self

    @property
    def is_auto(self) -> bool:
        """Whether columns that are not listed become features too."""
        return "auto" in self.features

    @property
    def described(self) -> tuple[FeatureSpec, ...]:
        """The features that are listed with their facts."""
        return tuple(spec for spec in self.features if isinstance(spec, FeatureSpec))

    @property
    def subject(self) -> str | None:
        """The column that identifies the unit of a row: ``unit``, or else the entity of the sequence."""
        return self.unit or (self.sequence.entity if self.sequence else None)

    @property
    def id_columns(self) -> frozenset[str]:
        """The columns whose values are names of units."""
        return frozenset(filter(None, (self.subject, self.neighbors.ids if self.neighbors else None)))

    @property
    def input_columns(self) -> frozenset[str]:
        """Every column that is named as an input."""
        steps = self.sequence.source_columns if self.sequence else frozenset()
        around = {*self.neighbors.own_columns, *self.neighbors.features} if self.neighbors else set()
        return frozenset(spec.name for spec in self.described) | steps | around

    def feature_specs(self, names: list[str]) -> tuple[FeatureSpec, ...]:
        """The features, given the table's column names: those that are listed, and those that "auto" adds.

        With "auto", features are in the order of the table's columns. A nameless first column and pandas' index are
        left out: they number the rows.

        Raises:
            DataError: "auto" excludes a column that is not there, or takes one that cannot name a feature.
        """
        if not self.is_auto:
            return self.described
        unknown = next((name for name in self.exclude if name not in names), None)
        if unknown is not None:
            raise DataError(
                unknown, f"is excluded and not in the table; {nearest_or_all(unknown, names, verb='it has')}"
            )
        # What is read of neighbors may be read of the row itself too.
        around = self.neighbors.own_columns if self.neighbors else frozenset()
        steps = self.sequence.source_columns if self.sequence else frozenset()
        roles = {self.label, *self.horizons, self.weight, self.time, self.unit}
        spent = {*roles, *self.exclude, *steps, *around, *row_numbers(names)}
        listed = {spec.name: spec for spec in self.described}
        found = [listed.get(name) or _feature(name) for name in names if name in listed or name not in spent]
        return (*found, *(spec for name, spec in listed.items() if name not in names))


def row_numbers(names: Sequence[str]) -> tuple[str, ...]:
    """The columns in which pandas writes its index: a nameless first one in CSV, PANDAS_INDEX in Parquet."""
    return tuple(name for at, name in enumerate(names) if name == PANDAS_INDEX or (name == "" and at == 0))


def _feature(name: str) -> FeatureSpec:
    try:
        return FeatureSpec(name=name)
    except ValidationError as error:
        problem = problems_of(error, FeatureSpec)[0].removeprefix("name: ")
        advice = f"rename it, or leave it out with `exclude: [{json.dumps(name)}]`"
        raise DataError(name, f"cannot be a feature: {problem}; {advice}") from error
