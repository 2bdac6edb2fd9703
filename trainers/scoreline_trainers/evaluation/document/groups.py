"""Figures by segment, period and fold. Values only."""

from typing import Literal

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.intervals import Interval

PeriodLength = Literal["day", "week", "month", "quarter", "year", "value"]


class GroupFigures(FrozenModel):
    """The rows of one value of a column.

    Attributes:
        name: the value, "(missing)", "(other)", or a range such as "20 to 35".
        rows, positives: how many; ``positives`` is None for amounts.
        rate: mean outcome (share of label 1).
        mean_score: beside it.
        metrics: by name, those that can be computed.
        note: what limits these figures, such as "few rows".
    """

    name: str
    rows: int
    positives: int | None = None
    rate: Interval | None = None
    mean_score: float | None = None
    metrics: dict[str, Interval] = Field(default_factory=dict)
    note: str = ""


class PeriodFigures(GroupFigures):
    """The rows of one period of time, from ``start`` (ISO date) on; ``name`` is such as "2026-03"."""

    start: str


class OverTime(FrozenModel):
    """Periods in order of time; "value" where the time is a number."""

    column: str
    period: PeriodLength
    periods: tuple[PeriodFigures, ...] = ()


class FoldFigures(FrozenModel):
    """One fold; ``training_rows`` were learned from, ``rows`` scored."""

    fold: int
    training_rows: int
    rows: int
    positives: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class Spread(FrozenModel):
    """A metric over folds: mean, sample standard deviation, lowest and highest."""

    mean: float
    deviation: float
    low: float
    high: float
