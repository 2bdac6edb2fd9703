"""Labels of the days after a cut."""

from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from scoreline_trainers.data.batch import Bools, Float64
from scoreline_trainers.data.events.log import Log, Part, Rows, Span
from scoreline_trainers.data.events.ranges import reduced
from scoreline_trainers.data.sources.conditions import Where
from scoreline_trainers.data.sources.times import DAY, SourceSpec, check_date
from scoreline_trainers.errors import DataError

Kind = Literal["event", "no_event", "count", "sum", "max", "first"]


class WindowLabel(SourceSpec):
    """What happens in the days after a cut: events at cut + gap <= time < cut + gap + days.

    Attributes:
        log: the name of the log, where there are several; the first by default.
        kind: "event" and "no_event" are 1 where some or no event meets ``where``; "count", "sum" and "max" are amounts
            of ``column``; "first" is the value of ``column`` at the first such event.
        within_days: how many days; several make one label for each of several horizons.
        gap_days: days after the cut that do not count.
        where: conditions that the events meet.
        classes: name -> the amount it starts at: makes classes of an amount.
        complete: when a row's days are over and its label known: "log" when the newest event of the log is after them,
            "entity" when the entity's own newest event is too, for logs in which entities end.
        until: until when the log was kept, where its newest event does not say so.
        name: of the column; with several horizons ``label_7d`` and so on.
    """

    log: str = ""
    kind: Kind = "event"
    column: str | None = None
    within_days: tuple[float, ...] = Field(min_length=1)
    gap_days: float = Field(default=0, ge=0)
    where: Where = ()
    classes: dict[str, float] = Field(default_factory=dict)
    complete: Literal["log", "entity"] = "log"
    until: str | int | None = None
    name: str = "label"

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("within_days"), int | float):
            return {**given, "within_days": (given["within_days"],)}
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.within_days) != sorted(set(self.within_days)) or self.within_days[0] <= 0:
            raise ValueError("'within_days' ascend, each once and above 0")
        if (self.kind in ("sum", "max", "first")) != (self.column is not None):
            raise ValueError("'column' goes with the kinds 'sum', 'max' and 'first', and these need it")
        if len(self.within_days) > 1 and self.kind not in ("event", "no_event"):
            raise ValueError("several 'within_days' go with the kinds 'event' and 'no_event'")
        if self.until is not None:
            check_date(self.until)
        if self.classes and self.kind not in ("count", "sum", "max"):
            raise ValueError("'classes' go with the kinds 'count', 'sum' and 'max'")
        if len(set(self.classes.values())) < len(self.classes):
            raise ValueError("each of the 'classes' starts at an amount of its own")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, one for each horizon, shortest first."""
        if len(self.within_days) == 1:
            return (self.name,)
        return tuple(f"{self.name}_{days:g}d" for days in self.within_days)

    @property
    def task(self) -> Literal["binary", "regression", "multiclass"]:
        """What is learned of this label."""
        if self.kind in ("event", "no_event"):
            return "binary"
        return "multiclass" if self.classes or self.kind == "first" else "regression"

    def known(self, log: Log, rows: Rows, *, end: int, resolution: int) -> Bools:
        """bool [N]: whether the label of each row is complete.

        Args:
            log: the events.
            rows: N rows.
            end: until when the log was kept, in microseconds.
            resolution: how long an entity's newest event lasts, in microseconds.
        """
        over = rows.moments + round((self.gap_days + self.within_days[-1]) * DAY)
        complete: Bools = over <= end
        if self.complete == "entity":
            own = np.append(log.times[log.firsts[1:] - 1] + resolution, end)
            ended = over > own[rows.codes]
            # An entity that ended after the event has its label; one that ended before has none. Of a log that ended,
            # rows with the event are left out like all others, or the last cuts would have no other rows.
            if self.kind in ("event", "no_event"):
                ended &= self._met(log, rows, self.within_days[0]).count == 0
            complete &= ~ended
        if self.kind == "first":
            complete &= self._met(log, rows, self.within_days[0]).count > 0
        return complete

    def values(self, log: Log, rows: Rows) -> pl.DataFrame:
        """The label of each row, one column for each horizon. Raises DataError."""
        return pl.DataFrame(
            [self._column(log, rows, days, name) for days, name in zip(self.within_days, self.columns, strict=True)]
        )

    def _column(self, log: Log, rows: Rows, days: float, name: str) -> pl.Series:
        span = self._met(log, rows, days)
        if self.kind in ("event", "no_event"):
            happens = (span.count > 0) == (self.kind == "event")
            return pl.Series(name, happens.astype(np.int8))
        if self.kind == "first":
            column = self.column or ""
            return log.frame.filter(log.meeting(self.where))[column][span.start].alias(name)
        amount = self._amount(log, span)
        if not self.classes:
            return pl.Series(name, amount)
        by_start = sorted(self.classes, key=self.classes.__getitem__)
        starts = np.array([self.classes[each] for each in by_start])
        if len(amount) and amount.min() < starts[0]:
            raise DataError(name, f"has an amount of {amount.min():g}, below the first class's {starts[0]:g}")
        names = np.array(by_start)
        return pl.Series(name, names[np.searchsorted(starts, amount, side="right") - 1].tolist(), dtype=pl.String)

    def _amount(self, log: Log, span: Span) -> Float64:
        if self.kind == "count":
            return span.count.astype(np.float64)
        values = np.nan_to_num(log.numbers(self.column or ""))[log.meeting(self.where)]
        ufunc = np.add if self.kind == "sum" else np.maximum
        order = np.argsort(span.start, kind="stable")
        found = np.empty(len(order))
        found[order] = reduced(ufunc, values, Span(span.start[order], span.stop[order]), empty=0)
        return found

    def _met(self, log: Log, rows: Rows, days: float) -> Span:
        return Part.of(log, self.where).span(log.ahead(rows, gap_days=self.gap_days, days=days))
