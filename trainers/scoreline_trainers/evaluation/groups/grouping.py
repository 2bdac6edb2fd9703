"""Groups of rows by the values of a column."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from scoreline_registry.statistics.scores.distances import quantile_edges
from scoreline_trainers.data.batch import Bools, Float64

MOST_GROUPS = 12
"""Values of a column that have groups of their own; the others share one."""

RANGES = 5

MISSING, OTHER = "(missing)", "(other)"


def groups_of(values: pl.Series) -> Iterator[tuple[str, Bools]]:
    """Names of groups with masks [N]; every row is in one group, and groups are not empty.

    A column of numbers with more than MOST_GROUPS distinct values is cut into ranges of equally many rows. Other
    columns have a group for each value, numbers ascending and names by their rows; beyond MOST_GROUPS the rest is one
    group.
    """
    known = values.is_not_null()
    if values.dtype.is_float():
        known &= values.is_not_nan().fill_null(value=False)
    there = known.to_numpy()
    if values.dtype.is_numeric() and values.filter(known).n_unique() > MOST_GROUPS:
        yield from _ranges(values.cast(pl.Float64).fill_null(float("nan")).to_numpy(), there)
    else:
        yield from _names(values, there)
    if not there.all():
        yield MISSING, ~there


def _names(values: pl.Series, known: Bools) -> Iterator[tuple[str, Bools]]:
    texts = _texts(values).alias("value")
    counts = texts.filter(pl.Series(known)).value_counts(sort=True, name="rows")
    ordered = counts.sort(["rows", texts.name], descending=[True, False])[texts.name].to_list()
    kept = ordered if len(ordered) <= MOST_GROUPS else ordered[: MOST_GROUPS - 1]
    if values.dtype.is_numeric():
        kept = sorted(kept, key=float)
    for name in kept:
        yield name, (texts == name).fill_null(value=False).to_numpy() & known
    if len(kept) < len(ordered):
        yield OTHER, ~texts.is_in(kept).fill_null(value=True).to_numpy() & known


def _texts(values: pl.Series) -> pl.Series:
    """Values as text; whole numbers without ".0"."""
    if values.dtype.is_float():
        whole = values.drop_nulls().drop_nans()
        if (whole == whole.round(0)).all() and (whole.abs() < 2**53).all():
            values = values.fill_nan(None).cast(pl.Int64)
    return values.cast(pl.String)


def _ranges(values: Float64, known: Bools) -> Iterator[tuple[str, Bools]]:
    """Ranges between quantiles, named by the least and the largest value in them."""
    edges = quantile_edges(values[known], bins=RANGES)
    place = np.searchsorted(edges, values, side="left")
    for at in range(len(edges) + 1):
        mask = (place == at) & known
        if mask.any():
            yield f"{values[mask].min():.6g} to {values[mask].max():.6g}", mask
