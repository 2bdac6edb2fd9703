"""Encoded rows with their labels: what a family is trained and evaluated on."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64, Int64, RowIndices
from scoreline_trainers.data.columns import Columns, NeighborSpec, SequenceSpec, Task
from scoreline_trainers.data.encoding import encode, infer_inputs
from scoreline_trainers.data.labels import Labels, amounts, class_label, encoded_label, row_weights
from scoreline_trainers.data.neighborhoods import neighborhoods
from scoreline_trainers.data.sequences import Examples, recoded_steps, to_examples
from scoreline_trainers.data.tables import as_frame, require
from scoreline_trainers.data.texts import read_texts
from scoreline_trainers.errors import DataError

__all__ = ["Dataset", "Labels", "encode_examples", "prepared"]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """N rows, encoded by a contract, with their labels where there are any.

    Attributes:
        inputs: what the columns of ``batch`` mean.
        batch: N rows in the standard graph signature.
        label: int8 [N], 0 or 1; with ``classes`` the index of the row's class; all 0 where it is not known, and in a
            regression.
        time: when each row was observed, where the recipe names it.
        unit: the unit of each row, where the recipe names it.
        labelled: whether ``label``, or the amount, is known.
        amount: float64 [N], the label of a regression; None for other tasks.
        classes: the names of several classes, empty for other tasks; the score is the probability of the last one.
        weight: float64 [N], above 0, what each row counts in training; None where all count alike.
        population_weight: float64 [N], what each row counts in the population that scores are about: without the
            weights of classes.
        horizons: the names of several horizons, shortest first; empty for one.
        horizon_labels: int8 [N, H], 0 or 1 for each horizon; ``label`` is one of its columns.
    """

    inputs: InputContract
    batch: Batch
    label: Labels
    time: pl.Series | None = None
    unit: pl.Series | None = None
    labelled: bool = True
    amount: Float64 | None = None
    classes: tuple[str, ...] = ()
    weight: Float64 | None = None
    population_weight: Float64 | None = None
    horizons: tuple[str, ...] = ()
    horizon_labels: Labels | None = None

    @classmethod
    def from_table(cls, table: object, columns: Columns, *, inputs: InputContract | None = None) -> "Dataset":
        """Encodes a table.

        Args:
            table: anything with the Arrow PyCapsule interface.
            columns: what its columns mean.
            inputs: the contract to encode by; without one it is inferred from these very rows.

        Raises:
            DataError: the table does not fit.
        """
        examples = table_examples(table, columns if inputs is None else limited(columns, inputs))
        return encode_examples(examples, columns, inputs or infer_inputs(examples, columns))

    def __len__(self) -> int:
        return len(self.label)

    @property
    def features(self) -> Float32 | None:
        """float32 [N, F]."""
        return self.batch.features

    @property
    def sequence(self) -> Float32 | None:
        """float32 [N, T, S]."""
        return self.batch.sequence

    @property
    def lengths(self) -> Int64 | None:
        """int64 [N]."""
        return self.batch.lengths

    @property
    def has_features_only(self) -> bool:
        """Whether features are the only input."""
        return set(self.batch.feeds()) == {"features"}

    @property
    def task(self) -> Task:
        """What is learned."""
        if self.amount is not None:
            return "regression"
        return "multiclass" if self.classes else "binary"

    @property
    def target(self) -> Float64:
        """What is learned as float64 [N]: the amount, or the label."""
        return self.label.astype(np.float64) if self.amount is None else self.amount

    @property
    def outcome(self) -> Labels:
        """What the score is the probability of, int8 [N]: the label, or 1 where the class is the last one."""
        return (self.label == len(self.classes) - 1).astype(np.int8) if self.classes else self.label

    @property
    def positives(self) -> int:
        """How many outcomes are 1."""
        return int(self.outcome.sum())

    @property
    def is_constant(self) -> bool:
        """Whether all rows have one target, so that nothing can be learned."""
        return len(self) == 0 or bool((self.target == self.target[0]).all())

    def take(self, rows: RowIndices) -> "Dataset":
        """The given rows, in the given order, under the same contract."""
        return replace(
            self,
            batch=self.batch.take(rows),
            label=self.label[rows],
            time=None if self.time is None else self.time[rows],
            unit=None if self.unit is None else self.unit[rows],
            amount=None if self.amount is None else self.amount[rows],
            weight=None if self.weight is None else self.weight[rows],
            population_weight=None if self.population_weight is None else self.population_weight[rows],
            horizon_labels=None if self.horizon_labels is None else self.horizon_labels[rows],
        )

    def with_label(self, label: Labels) -> "Dataset":
        """The same rows with one other label of 0 and 1: a class against the others, or one horizon."""
        return replace(self, label=label, amount=None, classes=(), horizons=(), horizon_labels=None)


def check_learnable(training: Dataset, columns: Columns) -> None:
    """Raises DataError where nothing can be learned: one value only, or a class or horizon without rows."""
    label = columns.label
    if label is None:
        return
    if training.is_constant:
        raise DataError(label, "has one value only in the training rows: nothing can be learned")
    if training.classes:
        rows = np.bincount(training.label, minlength=len(training.classes))
        if not rows.all():
            absent = training.classes[int(rows.argmin())]
            raise DataError(label, f"has no training row of the class {absent!r}: give it more rows, or leave it out")
    if training.horizon_labels is not None:
        both = (training.horizon_labels.min(axis=0) == 0) & (training.horizon_labels.max(axis=0) == 1)
        if not both.all():
            raise DataError(
                training.horizons[int(both.argmin())], "is a horizon with one value only in the training rows"
            )


def prepared(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with texts for missing values read as such, and encoded labels, see ``labels``. Raises DataError."""
    if frame.is_empty():
        raise DataError("", "the table has no rows")
    frame = read_texts(frame, columns).frame
    if columns.label is None:
        return frame
    labels = columns.horizons or (columns.label,)
    require(frame, *labels)
    return frame.with_columns(encoded_label(frame[name], columns.task, columns.positive) for name in labels)


def encode_examples(examples: Examples, columns: Columns, inputs: InputContract) -> Dataset:
    """One row per entity as a dataset under ``inputs``. Raises DataError."""
    frame = examples.frame
    batch = Batch(
        features=encode(frame, inputs.features) if inputs.features else None,
        sequence=recoded_steps(examples, inputs.sequence),
        lengths=examples.lengths,
        neighbors=examples.neighbors,
        neighbor_mask=examples.neighbor_mask,
    )
    values = optional_column(frame, columns.label)
    label, classes = class_label(values, len(frame))
    column = optional_column(frame, columns.weight)
    weight = None if column is None else row_weights(column)
    return Dataset(
        inputs,
        batch,
        label,
        time=optional_column(frame, columns.time),
        unit=optional_column(frame, columns.subject),
        labelled=values is not None,
        amount=amounts(values) if columns.task == "regression" else None,
        classes=classes,
        weight=weight,
        population_weight=weight,
        horizons=columns.horizons,
        horizon_labels=frame.select(columns.horizons).to_numpy().astype(np.int8) if columns.horizons else None,
    )


def table_examples(table: object, columns: Columns) -> Examples:
    """The table as one row per entity, with its sequences and neighbors. Raises DataError."""
    examples = to_examples(prepared(as_frame(table), columns), columns)
    if columns.neighbors is None:
        return examples
    found = neighborhoods(examples.frame, columns.neighbors, unit=columns.subject)
    return replace(examples, neighbors=found.neighbors, neighbor_mask=found.mask)


def limited(columns: Columns, inputs: InputContract) -> Columns:
    """The same columns with at most as many items in each ragged input as the contract allows."""
    update = {}
    for ragged in inputs.ragged:
        spec: SequenceSpec | NeighborSpec | None = getattr(columns, ragged.name)
        if spec is not None:
            update[ragged.name] = spec.model_copy(update={ragged.kind.limit: ragged.max_items})
    return columns.model_copy(update=update)


def optional_column(frame: pl.DataFrame, name: str | None) -> pl.Series | None:
    """The named column, None where no name is given. Raises DataError for one that is missing."""
    if name is None:
        return None
    require(frame, name)
    return frame[name]
