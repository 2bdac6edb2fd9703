"""Makes the training table that a recipe's ``data`` describes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from scoreline_trainers.data.events.aggregates import window_table
from scoreline_trainers.data.events.cuts import Eligible, rows_at_cuts
from scoreline_trainers.data.events.labels import WindowLabel
from scoreline_trainers.data.events.log import Log, Rows
from scoreline_trainers.data.events.spec import EventLog
from scoreline_trainers.data.events.steps import step_table
from scoreline_trainers.data.profiles.documents import find_profile
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.profiles.table import profile_table, with_field
from scoreline_trainers.data.sources.conditions import conditions
from scoreline_trainers.data.sources.edges import with_neighbors
from scoreline_trainers.data.sources.files import Files
from scoreline_trainers.data.sources.joins import joined, one_per_key
from scoreline_trainers.data.sources.times import Calendar, TimeSpec, calendar_of, moments, resolution
from scoreline_trainers.data.tables import require
from scoreline_trainers.data.training_tables.spec import CUT, EntitySpec, Sources
from scoreline_trainers.errors import DataError

_MOMENT = "__row_moment"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTable:
    """A table that was made of several files.

    Attributes:
        frame: its rows.
        digest: sha256 in hex over the digests of all files and the description by which the table was made.
        notes: lines about its rows, and what was left out and why.
    """

    frame: pl.DataFrame
    digest: str
    notes: tuple[str, ...] = ()


def training_table(sources: Sources, *, folder: Path, replaced: Mapping[str, Path] | None = None) -> TrainingTable:
    """Makes the table.

    Args:
        sources: its description.
        folder: that relative paths start from.
        replaced: files in place of others, by the name that the description gives them.

    Raises:
        DataError: a file cannot be read or does not fit the description, or no row is left.
    """
    files = Files(folder, replaced)
    assembly = _Assembly(sources, files)
    frame = assembly.frame()
    if frame.is_empty():
        raise DataError("", "; ".join(["the training table has no rows", *files.notes]))
    return TrainingTable(frame, _digest(sources, files), tuple(files.notes))


def _digest(sources: Sources, files: Files) -> str:
    facts = {"files": dict(files.digests), "data": sources.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _Assembly:
    """The steps from files to one table, in order."""

    def __init__(self, sources: Sources, files: Files) -> None:
        self._sources, self._files = sources, files
        timed: list[TimeSpec] = [*sources.events, *(join for join in sources.joins if join.as_of is not None)]
        timed += [file for profile in sources.profiles for file in profile.events]
        timed += [sources.table] if sources.table and sources.table.time else []
        self._calendar = calendar_of(timed, sources.time_zone) if timed else Calendar(sources.time_zone)
        self._logs: dict[str, Log] = {}

    def frame(self) -> pl.DataFrame:
        """The rows, their labels, and everything that is put beside them."""
        frame = self._table() if self._sources.cuts is None else self._at_cuts()
        frame = self._labelled(frame)
        for join in self._sources.joins:
            require(frame.drop(_MOMENT, strict=False), *join.keys)
            times = frame[_MOMENT].to_numpy() if _MOMENT in frame.columns else None
            frame = joined(frame, join, self._files, times=times, zone=self._sources.time_zone)
        for spec in self._sources.events:
            frame = self._beside(frame, spec)
        for source in self._sources.profiles:
            frame = self._profiled(frame, source)
        if self._sources.edges is not None:
            frame = with_neighbors(frame, self._sources.edges, self._files)
        return frame.drop(_MOMENT, strict=False)

    def _table(self) -> pl.DataFrame:
        spec = self._sources.table
        assert spec is not None  # noqa: S101 -- one of table and cuts is given
        sources = self._sources
        keys = {log.key for log in sources.events} | {key for join in sources.joins for key in join.keys}
        keys |= {profile.entity for profile in sources.profiles}
        keys |= {sources.edges.by} if sources.edges is not None else set()
        frame = self._files.read(spec, ids=keys)
        if spec.time is None:
            return frame
        return frame.with_columns(pl.Series(_MOMENT, moments(frame, spec.time, spec, self._sources.time_zone)))

    def _at_cuts(self) -> pl.DataFrame:
        """Each eligible entity at each cut."""
        sources, cuts = self._sources, self._sources.cuts
        assert cuts is not None  # noqa: S101 -- one of table and cuts is given
        log = self._log(sources.events[0])
        entities = None if sources.entities is None else self._entities(sources.entities)
        names = log.entities if entities is None else entities[sources.entity or ""]
        codes = log.codes_of(names)
        rows = rows_at_cuts(log, np.arange(len(log.entities)) if entities is None else codes, cuts, self._calendar)
        eligible = sources.eligible or Eligible(min_events=1 if entities is None else 0)
        kept = np.flatnonzero(eligible.rows(log, rows, observe_days=sources.observe_days))
        self._files.notes.append(f"{len(kept):,} of {len(rows):,} pairs of an entity and a cut are eligible")
        if cuts.is_calendar:
            named = names[kept // len(cuts.moments(self._calendar))]
        else:
            named = log.entities[rows.codes[kept]].cast(names.dtype)
        moment = rows.moments[kept]
        frame = pl.DataFrame([named.alias(sources.entity or ""), self._calendar.column(moment, CUT)])
        frame = frame.with_columns(pl.Series(_MOMENT, moment))
        return frame if entities is None else frame.join(entities, on=sources.entity, how="left", maintain_order="left")

    def _entities(self, spec: EntitySpec) -> pl.DataFrame:
        frame = self._files.read(spec, ids=[spec.key])
        require(frame, spec.key)
        return one_per_key(frame.drop_nulls([spec.key]), [spec.key], spec.keep, spec.file)

    def _labelled(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows whose label is known, with it."""
        label = self._sources.label
        if label is None:
            return frame
        spec = next(each for each in self._sources.events if each.name == self._sources.label_log)
        log = self._log(spec)
        rows = _rows_of(frame, log, spec)
        known = label.known(log, rows, end=self._end(log, label), resolution=resolution(log.times, self._calendar))
        if not known.all():
            out = len(known) - int(known.sum())
            days = label.gap_days + label.within_days[-1]
            span = f"their label window of {days:g} days is not over"
            span += ", or their entity ended in it" * (label.complete == "entity")
            span += ", or has no event" * (label.kind == "first")
            self._files.notes.append(f"{out:,} of {len(known):,} rows left out: {span}")
        kept = np.flatnonzero(known)
        values = label.values(log, rows.take(kept))
        collision = next((name for name in values.columns if name in frame.columns), None)
        if collision is not None:
            raise DataError(collision, "is in the table already: give the label another `name`")
        return pl.concat([frame[kept], values], how="horizontal")

    def _end(self, log: Log, label: WindowLabel) -> int:
        """Until when the log was kept."""
        if label.until is None:
            return int(log.times.max()) + resolution(log.times, self._calendar)
        try:
            return self._calendar.moment(label.until)
        except ValueError as error:
            raise DataError("", f"label.until: {error}") from error

    def _beside(self, frame: pl.DataFrame, spec: EventLog) -> pl.DataFrame:
        """The frame with the window features and steps of a log."""
        log = self._log(spec)
        rows = _rows_of(frame, log, spec)
        features = spec.window_features(log.frame.schema)
        parts = [frame]
        if features:
            parts.append(window_table(log, rows, features, observe_days=self._sources.observe_days))
        if spec.steps is not None:
            parts.append(step_table(log, rows, spec.steps, self._calendar, prefix=spec.name))
        repeated = next((name for part in parts[1:] for name in part.columns if name in frame.columns), None)
        if repeated is not None:
            raise DataError(repeated, f"is in the table already: give the log {spec.file} another `name`")
        return pl.concat(parts, how="horizontal")

    def _profiled(self, frame: pl.DataFrame, source: ProfileSource) -> pl.DataFrame:
        """The frame with the features of a profile."""
        profile = find_profile(source, folder=self._files.folder)
        made = profile_table(
            frame, source, profile, self._files, times=frame[_MOMENT].to_numpy(), zone=self._sources.time_zone
        )
        self._files.notes.append(made.note)
        for field in made.fields:
            frame = with_field(frame, field, source)
        repeated = next((name for name in made.features.columns if name in frame.columns), None)
        if repeated is not None:
            raise DataError(repeated, f"of profile {profile.profile} is in the table already: list its `features`")
        return pl.concat([frame, made.features], how="horizontal")

    def _log(self, spec: EventLog) -> Log:
        if spec.name not in self._logs:
            also: set[str] = set()
            label, eligible = self._sources.label, self._sources.eligible
            if label is not None and self._sources.label_log == spec.name:
                also |= {each.column for each in conditions(label.where)} | ({label.column} if label.column else set())
            if eligible is not None and spec is self._sources.events[0]:
                also |= {each.column for each in conditions((*eligible.last_event, *eligible.never))}
            log = spec.read(self._files, zone=self._sources.time_zone, also=frozenset(also))
            if not len(log):
                raise DataError("", f"{spec.file} has no events: look at the file and at 'where'")
            self._logs[spec.name] = log
        return self._logs[spec.name]


def _rows_of(frame: pl.DataFrame, log: Log, spec: EventLog) -> Rows:
    require(frame, spec.key)
    return Rows(log.codes_of(frame[spec.key]), frame[_MOMENT].to_numpy())
