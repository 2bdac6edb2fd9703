"""What a family learns from."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64, Int64, Rows
from scoreline_trainers.data.columns import Columns, NeighborSpec, SequenceSpec
from scoreline_trainers.data.encoding import encode, infer_inputs
from scoreline_trainers.data.neighborhoods import neighborhoods
from scoreline_trainers.data.sequences import Examples, to_examples
from scoreline_trainers.data.splits import Validation, split_rows
from scoreline_trainers.data.tables import as_frame
from scoreline_trainers.errors import DataError

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """N rows, encoded by a contract, with their labels where there are any.

    Attributes:
        inputs: what the columns of ``batch`` mean.
        batch: N rows in the standard graph signature.
        label: int8 [N], 0 or 1; all 0 where nobody knows.
        time: when each row was observed, where the recipe names it.
        unit: whom each row is about, where the recipe names it.
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
        examples = _examples(as_frame(table), columns if inputs is None else _limited(columns, inputs))
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
        """Whether there are features, and no other part that a family would have to learn from."""
        return set(self.batch.feeds()) == {"features"}

    @property
    def target(self) -> Float64:
        """The label as float64 [N]."""
        return self.label.astype(np.float64)

    @property
    def positives(self) -> int:
        """How many labels are 1."""
        return int(self.label.sum())

    def take(self, rows: Rows) -> "Dataset":
        """The given rows, in the given order, under the same contract."""
        time = None if self.time is None else self.time[rows]
        unit = None if self.unit is None else self.unit[rows]
        return Dataset(self.inputs, self.batch.take(rows), self.label[rows], time, unit, self.labelled)


def split_table(table: object, columns: Columns, *, validation: Validation, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Training and validation datasets under one contract, which is inferred from the training rows alone.

    Raises:
        DataError: the table does not fit, or the training rows hold one label only.
    """
    examples = _examples(as_frame(table), columns)
    time = _optional(examples.frame, columns.time)
    unit = _optional(examples.frame, columns.subject)
    train, judge = split_rows(validation, rows=len(examples.frame), time=time, unit=unit, seed=seed)
    inputs = infer_inputs(examples.take(train), columns)
    learned = encode_examples(examples.take(train), columns, inputs)
    if columns.label is not None and learned.positives in (0, len(learned)):
        raise DataError(columns.label, "has one value only in the training rows: nothing can be learned")
    return learned, encode_examples(examples.take(judge), columns, inputs)


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
    time, subject = _optional(frame, columns.time), _optional(frame, columns.subject)
    return Dataset(inputs, batch, _labels(frame, columns.label), time, subject, columns.label is not None)


def _examples(frame: pl.DataFrame, columns: Columns) -> Examples:
    examples = to_examples(frame, columns)
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
    values = _optional(frame, name)
    if not len(frame):
        raise DataError("", "the table has no rows")
    if name is None or values is None:
        return np.zeros(len(frame), np.int8)
    distinct = values.unique().sort().to_list()
    if not set(distinct) <= {0, 1}:
        shown = ", ".join(repr(value) for value in distinct[:6])
        raise DataError(name, f"is the label and must be 0 or 1 in every row; it holds {shown}")
    return values.cast(pl.Int8).to_numpy()


def _optional(frame: pl.DataFrame, name: str | None) -> pl.Series | None:
    if name is None:
        return None
    if name not in frame.columns:
        raise DataError(name, f"is not in the table; it has {', '.join(frame.columns[:40])}")
    return frame[name]
