"""What is computed of the events before a moment: the one definition of every window feature.

A feature of the last ``days`` days at moment t reads the events at t - days <= time < t. Where events are known only
some days after they happened, it reads those at t - delay - days <= time < t - delay. Nothing at or after t is read.
"""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from scoreline_trainers.data.sources.conditions import Where
from scoreline_trainers.data.sources.times import SourceSpec

AggregateName = Literal[
    "count", "days_since_last", "days_since_first", "gap_mean", "gap_std", "gap_max", "share", "count_change",
    "sum", "mean", "min", "max", "std", "last", "sum_change", "mean_change", "distinct",
]  # fmt: skip
OF_COLUMNS = ("sum", "mean", "min", "max", "std", "last", "sum_change", "mean_change", "distinct")
"""Aggregates of a column; all others are of the events themselves."""

MEANINGS: Mapping[str, str] = {
    "count": "how many events",
    "days_since_last": "days from the newest event to the cut",
    "days_since_first": "days from the oldest event to the cut",
    "gap_mean": "mean days between one event and the next",
    "gap_std": "standard deviation of these gaps",
    "gap_max": "the longest of these gaps",
    "share": "share of the events that meet `where`",
    "count_change": "count less that of the equally long window before",
    "sum": "sum of the column",
    "mean": "its mean",
    "min": "its least value",
    "max": "its greatest value",
    "std": "its population standard deviation",
    "last": "its value at the newest event",
    "sum_change": "sum less that of the equally long window before",
    "mean_change": "mean less that of the equally long window before",
    "distinct": "how many different values the column has",
}
"""Of the events in a window. Counts and sums are 0 where a window has no event, all others are missing."""

_SINGLE = (str, int, float)


class WindowFeature(SourceSpec):
    """One column of the table, computed of the events in one window.

    Attributes:
        name: of the column.
        aggregate: one of MEANINGS.
        column: that it is computed of; None for aggregates of the events themselves.
        days: how long the window is; None for all events there are.
        delay_days: the window ends that many days before the moment.
        where: conditions; only events that meet them count, and "share" is theirs among all.
    """

    name: str
    aggregate: AggregateName
    column: str | None = None
    days: float | None = Field(default=None, gt=0)
    delay_days: float = Field(default=0, ge=0)
    where: Where = ()


class AggregateSpec(SourceSpec):
    """Features of one or more aggregates, columns and windows, as a recipe writes them.

    Attributes:
        aggregate: one or several of MEANINGS.
        column: one or several columns, each of which gets each aggregate.
        days: lengths of windows; by default those of the log.
        where: conditions that events must meet to count.
        name: before the names of these features.
    """

    aggregate: tuple[AggregateName, ...] = Field(min_length=1)
    column: tuple[str, ...] = ()
    days: tuple[float, ...] = ()
    where: Where = ()
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        singles = {key: (given[key],) for key in ("aggregate", "column", "days") if isinstance(given.get(key), _SINGLE)}
        return {**given, **singles}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for each in self.aggregate:
            if each in OF_COLUMNS and not self.column:
                raise ValueError(f"'{each}' needs a 'column'")
            if each == "share" and not self.where:
                raise ValueError("'share' needs 'where', the events that it is the share of")
        if self.column and not any(each in OF_COLUMNS for each in self.aggregate):
            raise ValueError(f"'{self.aggregate[0]}' is of the events, not of a 'column'")
        if self.where and not self.name:
            raise ValueError("'where' needs a 'name', with which the names of the features begin")
        return self

    def features(self, windows: tuple[float, ...], *, delay: float, prefix: str) -> tuple[WindowFeature, ...]:
        """Each aggregate of each column in each window.

        Args:
            windows: days, where the entry has none of its own; all events where there are none.
            delay: days after which events are known.
            prefix: before every name.
        """
        return tuple(
            WindowFeature(
                name=feature_name(prefix, self.name, column, each, days),
                aggregate=each,
                column=column,
                days=days,
                delay_days=delay,
                where=self.where,
            )
            for each in self.aggregate
            for column in (self.column if each in OF_COLUMNS else (None,))
            for days in self._windows(each, self.days or windows or (None,))
        )

    def _windows(self, aggregate: str, chosen: tuple[float | None, ...]) -> tuple[float | None, ...]:
        """Recency looks at all events unless windows are asked for; a change needs a window."""
        if aggregate.startswith("days_since") and not self.days:
            return (None,)
        return tuple(days for days in chosen if days is not None) if aggregate.endswith("_change") else chosen


def feature_name(prefix: str, name: str, column: str | None, aggregate: str, days: float | None) -> str:
    """``orders_amount_sum_30d``: what is given of log, name, column, aggregate and days."""
    window = None if days is None else f"{days:g}d"
    return "_".join(filter(None, (prefix, name, column, aggregate, window)))


def usual_aggregates(numbers: tuple[str, ...], names: tuple[str, ...]) -> tuple[AggregateSpec, ...]:
    """What a log without a list of aggregates gets: counts, recency, sums, means and maxima, distinct names."""
    found = [AggregateSpec(aggregate=("count", "days_since_last", "days_since_first"))]
    if numbers:
        found.append(AggregateSpec(aggregate=("sum", "mean", "max"), column=numbers))
    if names:
        found.append(AggregateSpec(aggregate=("distinct",), column=names))
    return tuple(found)
