"""Plans of a table's rows: which of them each fold learns from and is judged by, and which are the test part."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.splits.holdout import split_rows
from scoreline_trainers.data.splits.validation import Validation


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Row numbers, each ascending: those that a model learns from, and those that judge it."""

    training: RowIndices
    validation: RowIndices


@dataclass(frozen=True, slots=True, eq=False)
class SplitPlan:
    """The use of each row of a table.

    Attributes:
        folds: one for each model that is judged, at least one.
        test: ascending row numbers that nothing but the last evaluation reads; None without a test part.
        rows: how many rows the table has.
        refits: whether the published model is trained once more, on all rows but the test part. Otherwise it is that
            of the only fold.
    """

    folds: tuple[Fold, ...]
    rows: int
    test: RowIndices | None = None
    refits: bool = False

    @property
    def development(self) -> RowIndices:
        """All rows but the test part, ascending."""
        everything = np.arange(self.rows)
        return everything if self.test is None else np.setdiff1d(everything, self.test, assume_unique=True)

    @property
    def training(self) -> RowIndices:
        """The rows that the published model learns from, ascending."""
        return self.development if self.refits else self.folds[0].training


def plan_splits(
    validation: Validation,
    *,
    rows: int,
    time: pl.Series | None = None,
    unit: pl.Series | None = None,
    label: pl.Series | None = None,
    seed: int = 0,
) -> SplitPlan:
    """Plans the folds and the test part of ``rows`` rows.

    Args:
        validation: how rows are chosen.
        rows: how many there are.
        time: when each row was observed.
        unit: the unit of each row; rows of one unit share a side.
        label: of each row, whose values every side has its share of.
        seed: of what is drawn.

    Raises:
        DataError: one side would be empty, or the kind needs a time or a unit.
    """
    del label
    return SplitPlan((Fold(*split_rows(validation, rows=rows, time=time, unit=unit, seed=seed)),), rows)
