"""Splits rows once: into training rows and rows that are held out."""

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Int64, RowIndices
from scoreline_trainers.data.splits.moments import check_known
from scoreline_trainers.data.splits.validation import Validation
from scoreline_trainers.errors import DataError


def split_rows(
    validation: Validation,
    *,
    rows: int,
    time: pl.Series | None = None,
    unit: pl.Series | None = None,
    seed: int = 0,
) -> tuple[RowIndices, RowIndices]:
    """Splits ``rows`` rows into training and validation rows, each ascending.

    Drawn rows are whole units: a model that was trained on other rows of a unit looks better on this one than it is.

    Raises:
        DataError: one side would be empty, or the split by time has no time.
    """
    train, held_out = _split(validation, rows, time, unit, seed)
    if not len(train) or not len(held_out):
        raise DataError("", f"{rows} rows are too few for a validation of kind {validation.kind!r}")
    return train, held_out


def hold_out(rows: int, *, fraction: float, seed: int, unit: pl.Series | None) -> tuple[RowIndices, RowIndices]:
    """Draws rows to hold out. Returns training rows and held-out rows, each ascending.

    Where ``unit`` says whom each row is about, rows of one stay together, and the drawn ones are no more than asked
    for, but one unit at least. A table about one unit is split like any other.
    """
    kept_back = max(1, round(rows * fraction))
    order = np.random.default_rng(seed).permutation(rows)
    if unit is not None:
        order, kept_back = _by_units(order, unit_numbers(unit, rows), kept_back)
    return np.sort(order[kept_back:]), np.sort(order[:kept_back])


def _by_units(order: RowIndices, unit: Int64, kept_back: int) -> tuple[RowIndices, int]:
    """The order with rows of one unit side by side, and the last cut between units at or before ``kept_back``."""
    first = np.full(len(order), len(order))
    np.minimum.at(first, unit[order], np.arange(len(order)))
    grouped = order[np.argsort(first[unit[order]], kind="stable")]
    starts = np.flatnonzero(np.diff(unit[grouped])) + 1
    if not len(starts):
        return order, kept_back
    before = starts[starts <= kept_back]
    return grouped, int(before[-1] if len(before) else starts[0])


def unit_numbers(unit: pl.Series | None, rows: int) -> Int64:
    """int64 [N]: a number for the unit of each row, from 0; a row without a unit has its own."""
    alone = np.arange(rows, dtype=np.float64)
    if unit is None:
        return alone.astype(np.int64)
    rank = unit.rank("dense").to_numpy().astype(np.float64)
    numbers: Int64 = np.unique(np.where(np.isnan(rank), -1 - alone, rank), return_inverse=True)[1].astype(np.int64)
    return numbers


def _split(
    validation: Validation, rows: int, time: pl.Series | None, unit: pl.Series | None, seed: int
) -> tuple[RowIndices, RowIndices]:
    if validation.kind == "random":
        return hold_out(rows, fraction=validation.fraction, seed=seed, unit=unit)
    cut = rows - max(1, round(rows * validation.fraction))
    everything = np.arange(rows)
    if validation.kind == "last_fraction":
        return everything[:cut], everything[cut:]
    if time is None:
        raise DataError("", "a validation by time needs the recipe to name a 'time' column")
    check_known(time)
    late = (time >= time.sort()[cut]).to_numpy()
    return everything[~late], everything[late]
