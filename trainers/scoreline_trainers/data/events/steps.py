"""Steps: the newest events before a cut, or days, weeks and months made of them, as columns of lists."""

from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.data.events.features import feature_name
from scoreline_trainers.data.events.log import Log, Part, Rows, Span
from scoreline_trainers.data.events.ranges import pairs
from scoreline_trainers.data.sources.conditions import Where
from scoreline_trainers.data.sources.times import DAY, Calendar, SourceSpec

StepAggregate = Literal["count", "sum", "mean", "min", "max", "last"]
Every = Literal["event", "day", "week", "month"]

DAYS_BEFORE, GAP_DAYS = "days_before_cut", "days_since_previous"
"""Columns of steps that are events: how old each is, and how long after the one before it."""

_ROW, _STEP = "row", "step"
_PREFIX = {"event": "event", "day": "daily", "week": "weekly", "month": "monthly"}


class StepFeature(SourceSpec):
    """What is computed of the events of one day, week or month."""

    aggregate: StepAggregate
    column: str | None = None
    where: Where = ()
    name: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.aggregate == "count") != (self.column is None):
            raise ValueError("every aggregate but 'count' needs a 'column'")
        if self.where and not self.name:
            raise ValueError("'where' needs a 'name', with which the name of the step feature begins")
        return self


class Steps(SourceSpec):
    """Steps of each row, oldest first, each step feature as a column of lists.

    Attributes:
        every: "event", or the "day", "week" or "month" before the cut: 24 hours, 7 days, a calendar month back from it.
        sequence_length: the newest so many steps are kept.
        columns: of events that are steps: columns of the log, ``days_before_cut`` and ``days_since_previous``.
        categories: those of ``columns`` whose values are names.
        features: of steps that are made of events.
        empty: what a step without events holds: "zero", or "missing". Counts and sums are 0 with either.
    """

    every: Every = "event"
    sequence_length: int = Field(ge=1)
    columns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    features: tuple[StepFeature, ...] = ()
    empty: Literal["zero", "missing"] = "zero"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.every == "event" and (not self.columns or self.features):
            raise ValueError("steps of events need 'columns' and have no 'features'")
        if self.every != "event" and (not self.features or self.columns):
            raise ValueError(f"steps of a {self.every} need 'features' and have no 'columns'")
        unknown = next((name for name in self.categories if name not in self.columns), None)
        if unknown is not None:
            raise ValueError(f"'categories' names {unknown!r}, which is none of the 'columns'")
        return self

    @property
    def log_columns(self) -> frozenset[str]:
        """The columns of the log that are read."""
        named = {column for column in self.columns if column not in (DAYS_BEFORE, GAP_DAYS)}
        return frozenset({*named, *(each.column for each in self.features if each.column is not None)})

    def category_names(self, prefix: str) -> tuple[str, ...]:
        """The names of the step features that are categories."""
        named = zip(self.columns, self.names(prefix), strict=False)
        return tuple(name for column, name in named if column in self.categories)

    def names(self, prefix: str) -> tuple[str, ...]:
        """The names of the step features: ``daily_amount_sum``."""
        kind = _PREFIX[self.every]
        if self.every == "event":
            return tuple(feature_name(prefix, kind, None, column, None) for column in self.columns)
        return tuple(
            feature_name(prefix, "_".join(filter(None, (kind, each.name))), each.column, each.aggregate, None)
            for each in self.features
        )


def step_table(log: Log, rows: Rows, steps: Steps, calendar: Calendar, *, prefix: str = "") -> pl.DataFrame:
    """The steps of each row as columns of lists, at least one step in each.

    Args:
        log: the events.
        rows: N rows.
        steps: what is computed.
        calendar: the scale of the times, by which months are told apart.
        prefix: before every name.

    Raises:
        DataError: a column is missing or holds no numbers.
    """
    names = steps.names(prefix)
    if steps.every == "event":
        return pl.DataFrame(
            [_events(log, rows, steps, column).alias(name) for column, name in zip(steps.columns, names, strict=True)]
        )
    lengths = _lengths(log, rows, steps, calendar)
    made = (_made(log, rows, steps, each, calendar, lengths) for each in steps.features)
    return pl.DataFrame([column.alias(name) for column, name in zip(made, names, strict=True)])


def _newest(log: Log, rows: Rows, length: int) -> Span:
    span = log.span(rows, days=None)
    return Span(np.maximum(span.start, span.stop - length), span.stop)


def _events(log: Log, rows: Rows, steps: Steps, column: str) -> pl.Series:
    """A column of the newest events; a row without events has one step that is missing."""
    span = _newest(log, rows, steps.sequence_length)
    event = np.concatenate([np.empty(0, np.int64), *(events for _, events in pairs(span))])
    if column == DAYS_BEFORE:
        row = np.repeat(np.arange(len(rows)), span.count)
        values = pl.Series((rows.moments[row] - log.times[event]) / DAY, dtype=pl.Float32)
    elif column == GAP_DAYS:
        gaps = np.diff(log.times, prepend=0) / DAY
        gaps[log.firsts[:-1]] = np.nan
        values = pl.Series(gaps[event], dtype=pl.Float32).fill_nan(None)
    else:
        values = log.frame[column][event]
    # A row without events has one step whose values are missing.
    counts = np.maximum(span.count, 1)
    place = np.repeat(span.count > 0, counts)
    filled = pl.Series(np.where(place, np.cumsum(place) - 1, -1)).replace(-1, None)
    return _lists(values.gather(filled) if (~place).any() else values, counts)


def _lengths(log: Log, rows: Rows, steps: Steps, calendar: Calendar) -> Int64:
    """int64 [N]: steps from the entity's first event on, at least 1 and at most as many as are kept."""
    span = log.span(rows, days=None)
    first = np.append(log.times, 0)[span.start]
    ages = _steps_back(first, rows.moments, steps.every, calendar) + 1
    return np.where(span.count > 0, np.clip(ages, 1, steps.sequence_length), 1)


def _made(log: Log, rows: Rows, steps: Steps, feature: StepFeature, calendar: Calendar, lengths: Int64) -> pl.Series:
    """One step feature as lists: block [N, L] with the newest step last, of which each row's own steps are taken."""
    length = steps.sequence_length
    part = Part.of(log, feature.where)
    times = log.times[part.kept]
    values = np.ones(len(times)) if feature.column is None else log.numbers(feature.column)[part.kept]
    span = part.span(_within(log, rows, steps))
    block = np.full(len(rows) * length, _start_of(feature.aggregate))
    filled = np.zeros(len(block), np.int64)
    for row, event in pairs(span):
        back = _steps_back(times[event], rows.moments[row], steps.every, calendar)
        known = (back < length) & ~np.isnan(values[event])
        at = row[known] * length + (length - 1 - back[known])
        _UPDATES[feature.aggregate](block, at, values[event][known])
        np.add.at(filled, at, 1)
    if feature.aggregate == "mean":
        block = np.divide(block, filled, out=np.zeros(len(block)), where=filled > 0)
    if feature.aggregate not in ("count", "sum"):
        block[filled == 0] = 0.0 if steps.empty == "zero" else np.nan
    kept = np.arange(length) >= length - lengths[:, None]
    numbers = pl.Series(block.reshape(-1, length)[kept].astype(np.float32)).fill_nan(None)
    return _lists(numbers, lengths)


def _within(log: Log, rows: Rows, steps: Steps) -> Span:
    """The events that can be in one of the steps."""
    days = {"day": 1, "week": 7, "month": 31}[steps.every] * steps.sequence_length
    return log.span(rows, days=days)


def _steps_back(times: Int64, moments: Int64, every: str, calendar: Calendar) -> Int64:
    """int64 [E]: 0 for events of the last day, week or month before the moment, 1 for the one before it, ..."""
    if every != "month" or calendar.unit is not None:
        size = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}[every]
        return (moments - 1 - times) // size
    (month, rest), (month_of_cut, rest_of_cut) = (_months(each, calendar) for each in (times, moments))
    back: Int64 = np.maximum(month_of_cut - month - (rest >= rest_of_cut), 0)
    return back


def _months(times: Int64, calendar: Calendar) -> tuple[Int64, Int64]:
    """Numbered months, and the microseconds since each began."""
    local = calendar.local(times)
    month = (local.dt.year().cast(pl.Int64) * 12 + local.dt.month()).to_numpy()
    return month, (local - local.dt.month_start().dt.truncate("1d")).dt.total_microseconds().to_numpy()


def _start_of(aggregate: str) -> float:
    return {"min": np.inf, "max": -np.inf}.get(aggregate, 0.0)


def _last(block: Float64, at: Int64, values: Float64) -> None:
    # Events of a row ascend in time, and of repeated indices the last assignment stays.
    block[at] = values


_UPDATES = {
    "count": np.add.at,
    "sum": np.add.at,
    "mean": np.add.at,
    "min": np.minimum.at,
    "max": np.maximum.at,
    "last": _last,
}


def _lists(values: pl.Series, counts: npt.NDArray[np.int64]) -> pl.Series:
    """Values one after another as lists of the given lengths."""
    offsets = np.concatenate([[0], np.cumsum(counts)])
    flat = values.to_arrow()
    import pyarrow as pa  # noqa: PLC0415 - reading a recipe needs no pyarrow

    return pl.Series("steps", pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat))
