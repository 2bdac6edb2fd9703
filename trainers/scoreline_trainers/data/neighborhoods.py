"""Looks up the neighbors of each row of a table and pads them to one array."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Bools, Float32, RowIndices
from scoreline_trainers.data.columns import NeighborSpec
from scoreline_trainers.data.names import whole_texts
from scoreline_trainers.data.sequences import number_column
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError

_ROW, _PLACE, _OTHER = "__row", "__place", "__other"


@dataclass(frozen=True, slots=True, eq=False)
class Neighborhoods:
    """The neighbors of N rows.

    Attributes:
        neighbors: float32 [N, K, G], zeros after a row's neighbors.
        mask: bool [N, K], True where a neighbor is; a row's neighbors come first.
    """

    neighbors: Float32
    mask: Bools


def neighborhoods(
    frame: pl.DataFrame, spec: NeighborSpec, *, unit: str | None, apart: RowIndices | None = None
) -> Neighborhoods:
    """Each row's neighbors, looked up among the rows of the same table or read from lists; K is at least 1.

    Args:
        frame: N rows, one per unit.
        spec: which column names the neighbors, and what of them is read.
        unit: the column that says whom each row is about.
        apart: rows that are no neighbors of the other rows, which decide K; they may have neighbors themselves.

    Raises:
        DataError: a column is missing or of the wrong kind, a duplicate unit, or a neighbor is not in the table.
    """
    if spec.ids is None or unit is None:
        return _listed(frame, spec)
    require(frame, unit, spec.ids, *spec.features)
    edges = _edges(frame, spec.ids, unit)
    if apart is not None:
        edges = _apart(edges, apart)
    if spec.max_neighbors is not None:
        edges = edges.filter(pl.col(_PLACE) < spec.max_neighbors)
    rows, places, others = (edges[name].to_numpy().astype(np.intp) for name in (_ROW, _PLACE, _OTHER))
    values = np.stack([number_column(frame, name, what="neighbor feature") for name in spec.features], axis=1)
    shape = (len(frame), max(int(places.max(initial=0)) + 1, spec.capacity or 1))
    block, mask = np.zeros((*shape, len(spec.features)), np.float32), np.zeros(shape, np.bool_)
    block[rows, places], mask[rows, places] = values[others], True
    return Neighborhoods(block, mask)


def _apart(edges: pl.DataFrame, rows: RowIndices) -> pl.DataFrame:
    """Without the edges from other rows to ``rows``, and with no more neighbors of these than of the others."""
    named_by, named = (pl.col(name).is_in(rows.tolist()) for name in (_ROW, _OTHER))
    kept = edges.filter(named_by | ~named).with_columns(pl.int_range(pl.len()).over(_ROW).alias(_PLACE))
    most = kept.filter(~named_by)[_PLACE].max()
    return kept.filter(pl.col(_PLACE) <= (0 if most is None else most))


def _listed(frame: pl.DataFrame, spec: NeighborSpec) -> Neighborhoods:
    """The neighbors of rows that hold a list of each feature. Raises DataError where lists differ in length."""
    columns = list(spec.list_columns.values())
    require(frame, *columns)
    for name in columns:
        if not isinstance(frame.schema[name], pl.List):
            raise DataError(name, f"is one of the neighbors' lists and holds {frame.schema[name]}")
    counts = frame.select(pl.col(name).list.len().fill_null(0).cast(pl.Int64) for name in columns)
    other = next((name for name in columns if (counts[name] != counts[columns[0]]).any()), None)
    if other is not None:
        raise DataError(other, f"holds lists of other lengths than {columns[0]!r}: each neighbor needs all its values")
    lengths = counts[columns[0]].to_numpy()
    most = int(lengths.max(initial=0))
    kept = np.minimum(lengths, spec.max_neighbors or most)
    mask = np.arange(max(int(kept.max(initial=0)), spec.capacity or 1)) < kept[:, None]
    block = np.zeros((*mask.shape, len(columns)), np.float32)
    for at, name in enumerate(columns):
        first = pl.col(name).list.head(spec.max_neighbors or most)
        values = frame.filter(pl.Series(kept > 0)).select(first.list.explode())
        block[..., at][mask] = number_column(values, name, what="neighbor feature")
    return Neighborhoods(block, mask)


def _edges(frame: pl.DataFrame, ids: str, unit: str) -> pl.DataFrame:
    """One row per neighbor: the row that names it, its position there, and its own row."""
    units = whole_texts(frame[unit]).to_frame().with_row_index(_OTHER)
    if units[unit].is_duplicated().any():
        raise DataError(unit, "has duplicate units, so that a neighbor could be any of several rows")
    named = _named(frame[ids]).rename(ids).to_frame().with_row_index(_ROW)
    edges = named.explode(ids).drop_nulls().join(units, left_on=ids, right_on=unit, how="left")
    strangers = edges.filter(pl.col(_OTHER).is_null())[ids]
    if len(strangers):
        raise DataError(
            ids,
            f"names {strangers.n_unique()} units without a row, such as {strangers[0]!r}: leave them out or add rows",
        )
    return edges.with_columns(pl.int_range(pl.len()).over(_ROW).alias(_PLACE))


def _named(ids: pl.Series) -> pl.Series:
    """Lists of texts; text is split at white space, a whole number is one id."""
    if ids.dtype == pl.String or ids.dtype.is_integer():
        # An empty text names no unit; splitting it would give one empty name.
        return ids.cast(pl.String).str.extract_all(r"\S+")
    if isinstance(ids.dtype, pl.List | pl.Array):
        return ids.cast(pl.List(pl.String))
    raise DataError(ids.name, f"names neighbors by lists, text or whole numbers, not {ids.dtype}")
