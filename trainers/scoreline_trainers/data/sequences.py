"""Reads the sequences of a table, as lists, wide or long, into one padded array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from scoreline_registry.documents.contract import SequenceContract
from scoreline_trainers.data.batch import Bools, Float32, Float64, Int64, RowIndices
from scoreline_trainers.data.columns import Columns, SequenceSpec
from scoreline_trainers.data.names import category_names
from scoreline_trainers.data.nulls import numbers_in
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError

Names = Mapping[str, tuple[str, ...]]

# More names than this are ids far more often than categories.
MAX_STEP_NAMES = 1000

_ROW = "__entity_row"
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """One row per entity: its columns, and its sequence and neighbors where the recipe names them.

    Attributes:
        frame: N rows.
        sequence: float32 [N, T, S], oldest step first, zeros after a row's length.
        lengths: int64 [N], 1 to T.
        neighbors, neighbor_mask: float32 [N, K, G] and bool [N, K], see ``neighborhoods``.
        step_names: of each step feature that is a category, all names in the table; the sequence holds their indices,
            NaN where missing.
    """

    frame: pl.DataFrame
    sequence: Float32 | None = None
    lengths: Int64 | None = None
    neighbors: Float32 | None = None
    neighbor_mask: Bools | None = None
    step_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def take(self, rows: RowIndices) -> "Examples":
        """The given rows, in the given order."""
        return Examples(
            self.frame[rows],
            None if self.sequence is None else self.sequence[rows],
            None if self.lengths is None else self.lengths[rows],
            None if self.neighbors is None else self.neighbors[rows],
            None if self.neighbor_mask is None else self.neighbor_mask[rows],
            self.step_names,
        )


def newest_steps(examples: Examples, most: int) -> Examples:
    """The same with at most ``most`` steps in a row, the newest."""
    if examples.sequence is None or examples.lengths is None or examples.sequence.shape[1] <= most:
        return examples
    places = np.maximum(examples.lengths - most, 0)[:, None] + np.arange(most)
    block = np.take_along_axis(examples.sequence, places[:, :, None], axis=1)
    return replace(examples, sequence=block, lengths=np.minimum(examples.lengths, most))


def with_capacity(examples: Examples, least: int) -> Examples:
    """The same with room for ``least`` steps or more in each row."""
    block = examples.sequence
    if block is None or block.shape[1] >= least:
        return examples
    return replace(examples, sequence=np.pad(block, ((0, 0), (0, least - block.shape[1]), (0, 0))))


def to_examples(frame: pl.DataFrame, columns: Columns) -> Examples:
    """Folds a table into one row per entity.

    Raises:
        DataError: a step column is missing, holds text or infinity, or steps cannot be put in order.
    """
    spec = columns.sequence
    if spec is None:
        return Examples(frame)
    require(frame, *sorted(spec.source_columns))
    names = {name: _names_of(frame, _columns_of(spec, name)) for name in spec.categories}
    if spec.lists:
        found = _lists(frame, spec, names)
    else:
        found = _wide(frame, spec, names) if spec.steps else _long(frame, spec, names, columns.label)
    return replace(with_capacity(found, spec.capacity or 1), step_names=names)


def step_vocabularies(
    examples: Examples, spec: SequenceSpec, *, rows: RowIndices | None = None
) -> dict[str, tuple[str, ...]]:
    """The names that each step feature that is a category has in some rows, or in all. Raises DataError for none."""
    found: dict[str, tuple[str, ...]] = {}
    if examples.sequence is None or examples.lengths is None:
        return found
    chosen = slice(None) if rows is None else rows
    sequence, lengths = examples.sequence[chosen], examples.lengths[chosen]
    real = np.arange(sequence.shape[1]) < lengths[:, None]
    for name, names in examples.step_names.items():
        codes = sequence[..., spec.step_features.index(name)][real]
        found[name] = tuple(names[int(code)] for code in np.unique(codes[~np.isnan(codes)]))
        if not 1 <= len(found[name]) <= MAX_STEP_NAMES:
            raise DataError(
                name, f"has {len(found[name]):,} names in the training rows' steps, not 1 to {MAX_STEP_NAMES}"
            )
    return found


def recoded_steps(examples: Examples, contract: SequenceContract | None) -> Float32 | None:
    """The sequence with its categories as indices into the contract's vocabularies; other names are their number."""
    if contract is None or examples.sequence is None or not examples.step_names:
        return examples.sequence
    sequence = examples.sequence.copy()
    for name, names in examples.step_names.items():
        known = {text: code for code, text in enumerate(contract.vocabularies.get(name, ()))}
        table = np.array([known.get(text, len(known)) for text in names] or [0], np.float32)
        column = sequence[..., contract.features.index(name)]
        missing = np.isnan(column)
        column[...] = np.where(missing, np.nan, table[np.where(missing, 0, column).astype(np.intp)])
    return sequence


def _columns_of(spec: SequenceSpec, name: str) -> tuple[str, ...]:
    return spec.steps[name] if spec.steps else (spec.list_columns.get(name, name),)


def _names_of(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[str, ...]:
    """All names in some columns of one category, sorted."""
    texts = [_flat_names(frame[column]) for column in columns]
    return tuple(pl.concat([each.alias("names") for each in texts]).drop_nulls().unique().sort().to_list())


def _flat_names(values: pl.Series) -> pl.Series:
    return category_names(values.explode() if isinstance(values.dtype, pl.List) else values)


def _step_column(frame: pl.DataFrame, column: str, names: Sequence[str] | None) -> Float32:
    """A column of steps as float32 [N]: numbers, or the indices of ``names`` where it is a category."""
    if names is None:
        return number_column(frame, column)
    texts = category_names(frame[column])
    codes = texts.replace_strict(list(names), np.arange(len(names)), default=None, return_dtype=pl.Float32)
    return codes.to_numpy().astype(np.float32)


def number_column(frame: pl.DataFrame, name: str, *, what: str = "step feature") -> Float32:
    """A column as float32 [N], NaN where missing. Raises DataError for text and values beyond float32."""
    column = frame[name]
    if column.null_count() == len(column):
        return np.full(len(column), np.nan, np.float32)
    if column.dtype == pl.String:
        column = numbers_in(column, f"is a {what} and must be a number")
    elif not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(name, f"is a {what} and must be a number, not {column.dtype}")
    return finite(column).astype(np.float32)


def finite(column: pl.Series) -> Float64:
    """Numbers as float64 [N], NaN where missing. Raises DataError for infinity and values beyond float32."""
    values = column.cast(pl.Float64).to_numpy().astype(np.float64)
    if np.isinf(values).any():
        raise DataError(column.name, "holds infinite values: clean the data")
    if (np.abs(values) > _LARGEST).any():
        raise DataError(column.name, f"holds numbers beyond {_LARGEST:.2g}, the largest float32: clean or scale it")
    return values


def _lists(frame: pl.DataFrame, spec: SequenceSpec, names: Names) -> Examples:
    columns = spec.list_columns
    lengths = _common_lengths(frame, list(columns.values()))
    longest = min(int(lengths.max()), spec.max_length or int(lengths.max()))
    kept = np.minimum(lengths, longest)
    block = np.zeros((len(frame), longest, len(columns)), np.float32)
    real = np.arange(longest) < kept[:, None]
    for at, (name, column) in enumerate(columns.items()):
        block[..., at][real] = _step_column(
            frame.select(pl.col(column).list.tail(longest).list.explode()), column, names.get(name)
        )
    return Examples(frame, block, kept)


def _common_lengths(frame: pl.DataFrame, columns: Sequence[str]) -> Int64:
    """int64 [N]: how many steps each row's lists hold. Raises DataError where lists differ in length or are empty."""
    for name in columns:
        if not isinstance(frame.schema[name], pl.List):
            raise DataError(name, f"is one of the sequence's lists and holds {frame.schema[name]}")
    counts = frame.select(pl.col(name).list.len().fill_null(0).cast(pl.Int64) for name in columns)
    lengths: Int64 = counts[columns[0]].to_numpy()
    other = next((name for name in columns if (counts[name] != counts[columns[0]]).any()), None)
    if other is not None:
        raise DataError(other, f"holds lists of other lengths than {columns[0]!r}: each step needs all its values")
    if (lengths == 0).any():
        rows = int((lengths == 0).sum())
        raise DataError(columns[0], f"holds no step in {rows:,} of {len(frame):,} rows: every row needs one")
    return lengths


def _wide(frame: pl.DataFrame, spec: SequenceSpec, names: Names) -> Examples:
    columns = [
        [_step_column(frame, column, names.get(name)) for column in sources] for name, sources in spec.steps.items()
    ]
    block = np.ascontiguousarray(np.array(columns, np.float32).transpose(2, 1, 0))
    block = block[:, -(spec.max_length or block.shape[1]) :]
    return Examples(frame, block, np.full(len(frame), block.shape[1], np.int64))


def _long(frame: pl.DataFrame, spec: SequenceSpec, names: Names, label: str | None) -> Examples:
    entity, order = spec.entity or "", spec.order or ""
    _check_order(frame, entity, order)
    numbered = frame[entity].unique(maintain_order=True).to_frame().with_row_index(_ROW)
    steps = frame.join(numbered, on=entity, how="left").sort(_ROW, order)
    if label is not None:
        _check_label(steps, label, entity)
    rows = steps[_ROW].to_numpy().astype(np.intp)
    block, lengths = _folded(steps, rows, spec, names)
    last = np.cumsum(np.bincount(rows)) - 1
    return Examples(steps[last].drop(_ROW), block, lengths)


def _folded(steps: pl.DataFrame, rows: RowIndices, spec: SequenceSpec, names: Names) -> tuple[Float32, Int64]:
    """Puts step k of entity i, which is row j of ``steps``, at [i, k]; older steps than fit are left out."""
    counts = np.bincount(rows)
    longest = min(int(counts.max()), spec.max_length or int(counts.max()))
    from_end = np.cumsum(counts)[rows] - 1 - np.arange(len(rows))
    lengths = np.minimum(counts, longest)
    kept = from_end < longest
    block = np.zeros((len(counts), longest, len(spec.features)), np.float32)
    at = lengths[rows] - 1 - from_end
    values = np.stack([_step_column(steps, name, names.get(name)) for name in spec.features], axis=1)
    block[rows[kept], at[kept]] = values[kept]
    return block, lengths.astype(np.int64)


def _check_order(frame: pl.DataFrame, entity: str, order: str) -> None:
    for name in (entity, order):
        if frame[name].null_count():
            raise DataError(name, "has missing values, and every step needs its entity and place")
    repeated = frame.filter(frame.select(entity, order).is_duplicated())
    if len(repeated):
        example = f"{repeated[order][0]} of {entity!r} {repeated[entity][0]}"
        advice = "number the steps of one moment, and sort by that column"
        raise DataError(order, f"repeats within one {entity!r}, such as {example}: steps need an order; {advice}")


def _check_label(steps: pl.DataFrame, label: str, entity: str) -> None:
    require(steps, label)
    if (steps.group_by(_ROW).agg(pl.col(label).n_unique())[label] > 1).any():
        raise DataError(label, f"changes within one {entity!r}: an entity has one label")
