"""Deals rows to folds: whole units, and to every fold its share of each label."""

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Int64, RowIndices
from scoreline_trainers.data.splits.holdout import unit_numbers

_AMOUNT_BINS = 10
_MOST_CLASSES = 20


def strata_of(label: pl.Series | None, rows: int) -> Int64:
    """int64 [N]: the stratum of each row: its class, or for amounts its bin of equal mass; 0 without labels."""
    if label is None:
        return np.zeros(rows, np.int64)
    rank = label.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    if not label.dtype.is_numeric() or rank.max() <= _MOST_CLASSES:
        return rank
    place = label.rank("ordinal").fill_null(1).to_numpy().astype(np.int64) - 1
    bins: Int64 = place * _AMOUNT_BINS // rows
    return bins


def turns(strata: Int64, unit: pl.Series | None, *, seed: int | tuple[int, ...]) -> Int64:
    """int64 [N]: the place of each row's unit in a line, from 0.

    The line is by stratum, and drawn within a stratum, so that every k-th place has its share of each stratum. A unit
    with rows of several strata counts to that of them which the fewest rows have.
    """
    number = unit_numbers(unit, len(strata))
    by_rarity = np.argsort(np.argsort(-np.bincount(strata), kind="stable"), kind="stable")[strata]
    of_unit = np.zeros(int(number.max()) + 1, np.int64)
    np.maximum.at(of_unit, number, by_rarity)
    shuffled = np.random.default_rng(seed).permutation(len(of_unit))
    line = shuffled[np.argsort(of_unit[shuffled], kind="stable")]
    place: Int64 = np.argsort(line)[number]
    return place


def draw_share(strata: Int64, unit: pl.Series | None, *, fraction: float, seed: int) -> RowIndices:
    """Draws ``fraction`` of the units, with their share of each stratum. Returns their rows, ascending."""
    turn = turns(strata, unit, seed=seed)
    return np.flatnonzero(np.floor((turn + 1) * fraction) > np.floor(turn * fraction))
