"""An event log of a recipe: its file, and what is computed of its events."""

from typing import Self

import polars as pl
from pydantic import Field, model_validator

from scoreline_registry.documents.base import refuse_duplicates
from scoreline_trainers.data.events.features import AggregateSpec, WindowFeature, usual_aggregates
from scoreline_trainers.data.events.log import Log
from scoreline_trainers.data.events.steps import Steps
from scoreline_trainers.data.sources.conditions import conditions
from scoreline_trainers.data.sources.files import Files, FileSpec
from scoreline_trainers.data.sources.times import TimeSpec, moments


class EventLog(FileSpec, TimeSpec):
    """One event log.

    Attributes:
        name: before the names of its features; needed where there are several logs.
        entity: the column of the entity that each event is of.
        of: the column of the table's rows that names their entity, where it is called differently.
        time: the column of the time of each event.
        windows_days: lengths of the windows that features are computed in.
        aggregates: features of the windows; without them, the usual ones of all columns, see ``usual_aggregates``.
        delay_days: events are known so many days after they happened: all windows end so many days before the cut.
        steps: sequences made of the events.
    """

    name: str = ""
    entity: str
    of: str | None = None
    time: str
    windows_days: tuple[float, ...] = ()
    aggregates: tuple[AggregateSpec, ...] = ()
    delay_days: float = Field(default=0, ge=0)
    steps: Steps | None = None

    @model_validator(mode="after")
    def _windows(self) -> Self:
        if any(days <= 0 for days in self.windows_days):
            raise ValueError("'windows_days' are above 0")
        names = [feature.name for feature in self.window_features(pl.Schema())]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is computed twice: leave one of the 'aggregates' out, or give it a 'name'")
        refuse_duplicates("step feature", [] if self.steps is None else self.steps.names(self.name))
        return self

    @property
    def key(self) -> str:
        """The column of the table's rows that names their entity."""
        return self.of or self.entity

    @property
    def takes_usual_aggregates(self) -> bool:
        """Whether windows are asked for and no aggregates are named."""
        return bool(self.windows_days) and not self.aggregates

    def window_features(self, schema: pl.Schema) -> tuple[WindowFeature, ...]:
        """The features of the windows, given the log's columns."""
        entries = self.aggregates
        if self.takes_usual_aggregates:
            others = {name: dtype for name, dtype in schema.items() if name not in (self.entity, self.time)}
            numbers = tuple(name for name, dtype in others.items() if dtype.is_numeric())
            entries = usual_aggregates(numbers, tuple(name for name, dtype in others.items() if dtype == pl.String))
        return tuple(
            feature
            for entry in entries
            for feature in entry.features(self.windows_days, delay=self.delay_days, prefix=self.name)
        )

    def read(self, files: Files, *, zone: str, also: frozenset[str] = frozenset()) -> Log:
        """The log. ``also`` are columns that something else needs of it. Raises DataError."""
        columns = None if self.takes_usual_aggregates else sorted(self._columns | also)
        frame = files.read(self, columns=columns, ids=[self.entity])
        return Log(frame, entity=self.entity, times=moments(frame, self.time, self, zone))

    @property
    def _columns(self) -> frozenset[str]:
        aggregated = {column for entry in self.aggregates for column in entry.column}
        met = {each.column for entry in self.aggregates for each in conditions(entry.where)}
        steps = set() if self.steps is None else self.steps.log_columns
        in_steps = () if self.steps is None else self.steps.features
        met |= {each.column for step in in_steps for each in conditions(step.where)}
        return frozenset({self.entity, self.time, *aggregated, *met, *steps})
