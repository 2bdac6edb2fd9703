"""Rows with their scores and outcomes: what an evaluation is computed from."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Bools, Float64, Int64, RowIndices
from scoreline_trainers.evaluation.document import Task
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import repeated_units


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """N rows that a model was not trained on.

    Attributes:
        score: float64 [N].
        label: int8 [N], 0 or 1, or the place of the class among ``classes``; zeros where there are amounts.
        amount: float64 [N], for a regression.
        probabilities: float64 [N, K], of the classes.
        classes: their K names.
        units: int64 [N], a number for the unit of each row; None where each row is a unit of its own.
        time: of each row.
        columns: N rows of the table's columns by which rows are grouped.
        probability: whether the score is the probability of label 1.
    """

    score: Float64
    label: Label
    amount: Float64 | None = None
    probabilities: Float64 | None = None
    classes: tuple[str, ...] = ()
    units: Int64 | None = None
    time: pl.Series | None = None
    columns: pl.DataFrame | None = None
    probability: bool = True

    def __len__(self) -> int:
        return len(self.score)

    @property
    def task(self) -> Task:
        """What is predicted."""
        if self.amount is not None:
            return "regression"
        return "binary" if self.probabilities is None else "multiclass"

    @property
    def outcome(self) -> Label:
        """What the score is the probability of: the label, or 1 where the class is the last one."""
        return (self.label == len(self.classes) - 1).astype(np.int8) if self.classes else self.label

    @property
    def positives(self) -> int | None:
        """Rows with an outcome of 1; None for amounts."""
        return None if self.amount is not None else int(self.outcome.sum())

    @property
    def of_the_score(self) -> "Scored":
        """The same rows with the label that the score is the probability of: of several classes, the last one."""
        return replace(self, label=self.outcome, probabilities=None, classes=())

    @property
    def clusters(self) -> Int64 | None:
        """``units`` where any of them has several rows."""
        return repeated_units(self.units)

    def take(self, rows: RowIndices | Bools) -> "Scored":
        """The given rows, by place or by a mask."""
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        arrays = {
            name: values[places]
            for name in ("score", "label", "amount", "probabilities", "units", "time")
            if (values := getattr(self, name)) is not None
        }
        # A frame without columns has no rows either.
        columns = self.columns[places] if self.columns is not None and self.columns.width else self.columns
        return replace(self, **arrays, columns=columns)
