"""Encoded rows with their labels: what a family is trained and evaluated on."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64, Int64, RowIndices
from scoreline_trainers.data.columns import Columns, NeighborSpec, SequenceSpec
from scoreline_trainers.data.encoding import encode, infer_inputs
from scoreline_trainers.data.labels import binary_label
from scoreline_trainers.data.neighborhoods import neighborhoods
from scoreline_trainers.data.sequences import Examples, to_examples
from scoreline_trainers.data.splits import Validation, split_rows
from scoreline_trainers.data.tables import as_frame, require
from scoreline_trainers.data.texts import read_texts
from scoreline_trainers.errors import DataError

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """N rows, encoded by a contract, with their labels where there are any.

    Attributes:
        inputs: what the columns of ``batch`` mean.
        batch: N rows in the standard graph signature.
        label: int8 [N], 0 or 1; all 0 where it is not known.
        time: when each row was observed, where the recipe names it.
        unit: the unit of each row, where the recipe names it.
        labelled: whether ``label`` is known.
    """

    inputs: InputContract
    batch: Batch
    label: Labels
    time: pl.Series | None = None
    unit: pl.Series | None = None
    labelled: bool = True

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
        examples = table_examples(table, columns if inputs is None else _limited(columns, inputs))
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
    def target(self) -> Float64:
        """The label as float64 [N]."""
        return self.label.astype(np.float64)

    @property
    def positives(self) -> int:
        """How many labels are 1."""
        return int(self.label.sum())

    def take(self, rows: RowIndices) -> "Dataset":
        """The given rows, in the given order, under the same contract."""
        time = None if self.time is None else self.time[rows]
        unit = None if self.unit is None else self.unit[rows]
        return Dataset(self.inputs, self.batch.take(rows), self.label[rows], time, unit, self.labelled)


def split_table(table: object, columns: Columns, *, validation: Validation, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Training and validation datasets under one contract.

    Kinds and vocabularies are inferred from the training rows alone; whether a column may be missing, from all rows.

    Raises:
        DataError: the table does not fit, or the training rows hold one label only.
    """
    examples = table_examples(table, columns)
    time = optional_column(examples.frame, columns.time)
    unit = optional_column(examples.frame, columns.subject)
    train, validation_rows = split_rows(validation, rows=len(examples.frame), time=time, unit=unit, seed=seed)
    inputs = infer_inputs(examples, columns, rows=train)
    training = encode_examples(examples.take(train), columns, inputs)
    check_learnable(training, columns)
    return training, encode_examples(examples.take(validation_rows), columns, inputs)


def check_learnable(training: Dataset, columns: Columns) -> None:
    """Raises DataError where the training rows hold one label only."""
    if columns.label is not None and training.positives in (0, len(training)):
        raise DataError(columns.label, "has one value only in the training rows: nothing can be learned")


def prepared(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with texts for missing values read as such, and its label as 0 and 1. Raises DataError."""
    if frame.is_empty():
        raise DataError("", "the table has no rows")
    frame = read_texts(frame, columns).frame
    if columns.label is None:
        return frame
    require(frame, columns.label)
    return frame.with_columns(binary_label(frame[columns.label], columns.positive))


def encode_examples(examples: Examples, columns: Columns, inputs: InputContract) -> Dataset:
    """One row per entity as a dataset under ``inputs``. Raises DataError."""
    frame = examples.frame
    batch = Batch(
        features=encode(frame, inputs.features) if inputs.features else None,
        sequence=examples.sequence,
        lengths=examples.lengths,
        neighbors=examples.neighbors,
        neighbor_mask=examples.neighbor_mask,
    )
    time, subject = optional_column(frame, columns.time), optional_column(frame, columns.subject)
    return Dataset(inputs, batch, _labels(frame, columns.label), time, subject, columns.label is not None)


def table_examples(table: object, columns: Columns) -> Examples:
    """The table as one row per entity, with its sequences and neighbors. Raises DataError."""
    examples = to_examples(prepared(as_frame(table), columns), columns)
    if columns.neighbors is None or columns.subject is None:
        return examples
    found = neighborhoods(examples.frame, columns.neighbors, unit=columns.subject)
    return replace(examples, neighbors=found.neighbors, neighbor_mask=found.mask)


def _limited(columns: Columns, inputs: InputContract) -> Columns:
    """The same columns with at most as many items in each ragged input as the contract allows."""
    update = {}
    for ragged in inputs.ragged:
        spec: SequenceSpec | NeighborSpec | None = getattr(columns, ragged.name)
        if spec is not None:
            update[ragged.name] = spec.model_copy(update={ragged.kind.limit: ragged.max_items})
    return columns.model_copy(update=update)


def _labels(frame: pl.DataFrame, name: str | None) -> Labels:
    values = optional_column(frame, name)
    return np.zeros(len(frame), np.int8) if values is None else values.to_numpy().astype(np.int8)


def optional_column(frame: pl.DataFrame, name: str | None) -> pl.Series | None:
    """The named column, None where no name is given. Raises DataError for one that is missing."""
    if name is None:
        return None
    require(frame, name)
    return frame[name]
