"""Cuts: the moments at which entities become rows, and which entities do."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from scoreline_trainers.data.batch import Bools, Int64
from scoreline_trainers.data.events.log import Log, Part, Rows
from scoreline_trainers.data.sources.conditions import Where
from scoreline_trainers.data.sources.times import DAY, NUMBERED, Calendar, SourceSpec, check_date
from scoreline_trainers.errors import DataError

Every = Literal["day", "week", "month", "quarter", "year"]

_INTERVALS = {"day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}


class Cuts(SourceSpec):
    """The moments at which each entity becomes a row, in one of four ways.

    Attributes:
        at: dates, or whole numbers where times are numbered.
        every: "day", "week", "month", "quarter", "year" or a number of units, from ``first`` to ``last``.
        first, last: the first cut, and the greatest that a cut may be.
        after_first_days: each entity's first event and so many days.
        after_events: right after each entity's event of this number.
    """

    at: tuple[str | int, ...] = ()
    every: Every | int | None = None
    first: str | int | None = None
    last: str | int | None = None
    after_first_days: tuple[float, ...] = ()
    after_events: tuple[int, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _several(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        names = ("at", "after_first_days", "after_events")
        return {**given, **{name: (given[name],) for name in names if isinstance(given.get(name), str | int | float)}}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("at", "every", "after_first_days", "after_events") if getattr(self, name)]
        if len(ways) != 1:
            raise ValueError("give one of 'at', 'every', 'after_first_days' and 'after_events'")
        if (self.every is None) != (self.first is None) or (self.every is None) != (self.last is None):
            raise ValueError("'every' goes with 'first' and 'last', the first and the last cut")
        if any(days <= 0 for days in self.after_first_days) or any(number < 1 for number in self.after_events):
            raise ValueError("numbers of days and events are above 0")
        for value in (*self.at, *(each for each in (self.first, self.last) if each is not None)):
            check_date(value)
        return self

    @property
    def is_calendar(self) -> bool:
        """Whether the cuts are the same for all entities."""
        return bool(self.at) or self.every is not None

    def moments(self, calendar: Calendar) -> Int64:
        """int64 [C], ascending: the cuts that all entities share, in microseconds. Raises DataError."""
        try:
            found = [calendar.moment(each) for each in self.at] or self._between(calendar)
        except ValueError as error:
            raise DataError("", f"cuts: {error}") from error
        return np.unique(np.array(found, np.int64))

    def _between(self, calendar: Calendar) -> Sequence[int]:
        first, last = (calendar.moment(each) for each in (self.first, self.last) if each is not None)
        if last < first:
            raise ValueError(f"the last cut, {self.last}, is before the first, {self.first}")
        if calendar.unit is not None:
            if not isinstance(self.every, int):
                raise ValueError(f"times are whole numbers of a {calendar.unit}: write `every: 1`")
            return range(first, last + 1, self.every * NUMBERED[calendar.unit])
        interval = _INTERVALS[self.every] if isinstance(self.every, str) else f"{self.every}d"
        begin, end = (calendar.local(np.array([each])).item() for each in (first, last))
        local = pl.datetime_range(begin, end, interval, time_unit="us", eager=True)
        return (
            local.dt.replace_time_zone(calendar.zone, ambiguous="earliest", non_existent="null")
            .drop_nulls()
            .dt.epoch("us")
            .to_list()
        )


class Eligible(SourceSpec):
    """Which entities become a row at a cut; all conditions look at events before the cut alone.

    Attributes:
        min_events: at least so many events.
        active_days: an event in the last so many days.
        history_days: the first event at least so many days ago.
        last_event: conditions that the newest event meets.
        never: conditions that no event meets.
    """

    min_events: int = Field(default=1, ge=0)
    active_days: float | None = Field(default=None, gt=0)
    history_days: float | None = Field(default=None, gt=0)
    last_event: Where = ()
    never: Where = ()

    def rows(self, log: Log, rows: Rows, *, observe_days: float | None) -> Bools:
        """bool [N]: which rows are eligible. Raises DataError."""
        span = log.span(rows, days=observe_days)
        good = span.count >= self.min_events
        if self.active_days is not None:
            good &= log.span(rows, days=self.active_days).count > 0
        if self.history_days is not None:
            everything = log.span(rows, days=None)
            first = np.append(log.times, 0)[everything.start]
            good &= (everything.count > 0) & (first <= rows.moments - round(self.history_days * DAY))
        if self.last_event:
            met = np.append(log.meeting(self.last_event), False)
            good &= (span.count > 0) & met[span.stop - 1]
        if self.never:
            good &= Part.of(log, self.never).span(span).count == 0
        return good


def rows_at_cuts(log: Log, codes: Int64, cuts: Cuts, calendar: Calendar) -> Rows:
    """Each entity at each of its cuts, by entity and moment; whether it is eligible is not asked.

    Args:
        log: the events.
        codes: int64 [M], the entities; -1 for one without events.
        cuts: the moments.
        calendar: the scale of the times.
    """
    if cuts.is_calendar:
        moments = cuts.moments(calendar)
        return Rows(np.repeat(codes, len(moments)), np.tile(moments, len(codes)))
    codes = codes[codes >= 0]
    first, end = log.firsts[codes], log.firsts[codes + 1]
    if cuts.after_first_days:
        waits = np.array([round(days * DAY) for days in cuts.after_first_days])
        return Rows(np.repeat(codes, len(waits)), (log.times[first][:, None] + waits).ravel())
    numbers = np.array(cuts.after_events)
    place = first[:, None] + numbers - 1
    reached = place < end[:, None]
    # A microsecond later, so that the event itself is before the cut.
    return Rows(np.repeat(codes, reached.sum(axis=1)), log.times[place[reached]] + 1)
