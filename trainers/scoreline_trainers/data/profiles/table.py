"""The columns that a profile gives the rows of a table, as of the time of each row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_registry.profiles.computation.compiling import compile_profile
from scoreline_registry.profiles.computation.computation import Computation
from scoreline_registry.profiles.profile import Profile
from scoreline_trainers.data.batch import Int64
from scoreline_trainers.data.profiles.event_tables import EventTable, read_events
from scoreline_trainers.data.profiles.replaying import Read, replayed
from scoreline_trainers.data.profiles.rows import ProfileRows, profile_rows, rows_of
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.sources.files import Files
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all


@dataclass(frozen=True, slots=True, eq=False)
class ProfileTable:
    """What a profile gives N rows.

    Attributes:
        features: its features as columns; a sequence as a column of lists for each of its fields, neighbors as one for
            each of their features.
        fields: the fields of the event at hand, as the profile reads them.
        note: a line about the events.
    """

    features: pl.DataFrame
    fields: tuple[pl.Series, ...]
    note: str


def profile_table(
    frame: pl.DataFrame, source: ProfileSource, profile: Profile, files: Files, *, times: Int64, zone: str
) -> ProfileTable:
    """The columns of N rows. A row takes events before its time alone.

    Args:
        frame: the rows.
        source: which column names the entity, and the files of the events.
        profile: that is read.
        files: reads the files.
        times: int64 [N], microseconds since 1970.
        zone: of times without an offset.

    Raises:
        DataError: a file or the rows do not fit the profile.
    """
    wanted = chosen_features(source, profile)
    rows = profile_rows(frame, source, profile, times=times)
    events = read_events(files, source.events, profile, zone=zone)
    computation, back = compile_profile(profile), np.argsort(rows.order)
    read = replayed(
        computation, events.of(rows.entities), rows,
        features=wanted, sequence=source.sequence, neighbors=source.neighbors,
    )  # fmt: skip
    columns = [
        *_feature_columns(read, profile, wanted),
        *_step_columns(read, source, profile),
        *_neighbor_columns(read, source, computation, events, rows),
    ]
    known = int((~read.is_new).sum())
    note = (
        f"profile {profile.profile}: {len(columns)} columns from {len(events):,} events"
        + f" ({events.repeated:,} repetitions left out)" * bool(events.repeated)
        + f"; {known:,} of {len(rows):,} rows have events before them"
    )
    fields = tuple(column[back] for column in rows.fields)
    return ProfileTable(pl.DataFrame([column[back] for column in columns]), fields, note)


def chosen_features(source: ProfileSource, profile: Profile) -> tuple[str, ...]:
    """The number and category features that a recipe takes, in order. Raises DataError for one that is not there."""
    kinds = profile.kinds
    columns = tuple(name for name, kind in kinds.items() if kind in ("number", "category"))
    for name in source.features or ():
        if name not in columns:
            what = f"is a feature of kind {kinds[name]}" if name in kinds else "is no feature"
            hint = nearest_or_all(name, columns)
            raise DataError(name, f"{what} of profile {profile.profile}: name numbers and categories; {hint}")
    for chosen, kind in ((source.sequence, "sequence"), (source.neighbors, "neighbors")):
        if chosen is not None and kinds.get(chosen) != kind:
            hint = nearest_or_all(chosen, [name for name, each in kinds.items() if each == kind])
            raise DataError(chosen, f"is no feature of kind {kind} of profile {profile.profile}; {hint}")
    return columns if source.features is None else source.features


def step_columns(source: ProfileSource, profile: Profile) -> Mapping[str, str]:
    """The column of lists of each field of the sequence that a recipe takes; empty where it takes none."""
    if source.sequence is None:
        return {}
    return {field: f"{source.sequence}_{field}" for field in profile.by_name[source.sequence].fields}


def step_categories(source: ProfileSource, profile: Profile) -> tuple[str, ...]:
    """The fields of the sequence that hold names."""
    if source.sequence is None:
        return ()
    kinds = [profile.events[each].fields for each in profile.types_of(profile.by_name[source.sequence])]
    return tuple(
        field
        for field in profile.by_name[source.sequence].fields
        if any(each.get(field) == "category" for each in kinds)
    )


def neighbor_columns(source: ProfileSource, profile: Profile) -> Mapping[str, str]:
    """The column of lists of each feature of the neighbors that a recipe takes; empty where it takes none."""
    if source.neighbors is None:
        return {}
    return {name: f"{source.neighbors}_{name}" for name in profile.by_name[source.neighbors].features}


def with_field(frame: pl.DataFrame, field: pl.Series, source: ProfileSource) -> pl.DataFrame:
    """The frame with a field of the event at hand. Raises DataError where another column has its name."""
    read_from = field.name if source.event is None else source.event.fields.get(field.name, field.name)
    taken = field.name in frame.columns and read_from != field.name
    if taken and not frame[field.name].equals(field, null_equal=True):
        raise DataError(field.name, f"is in the table already, and the field of this name is read from {read_from!r}")
    return frame.with_columns(field)


def _feature_columns(read: Read, profile: Profile, wanted: Sequence[str]) -> Iterator[pl.Series]:
    kinds = profile.kinds
    for name in wanted:
        if kinds[name] == "number":
            yield pl.Series(name, read.numbers[name]).fill_nan(None)
        else:
            yield pl.Series(name, read.categories[name], dtype=pl.String)


def _step_columns(read: Read, source: ProfileSource, profile: Profile) -> Iterator[pl.Series]:
    """A row without events has one step whose values are missing, as every row needs a step."""
    named = step_categories(source, profile)
    for field, column in step_columns(source, profile).items():
        dtype = pl.String if field in named else pl.Float64
        yield pl.Series(column, [_steps(steps, field) for steps in read.steps], dtype=pl.List(dtype))


def _neighbor_columns(
    read: Read, source: ProfileSource, computation: Computation, events: EventTable, rows: ProfileRows
) -> Iterator[pl.Series]:
    """The features of the neighbors of each row, as of its own time."""
    columns = neighbor_columns(source, computation.profile)
    if not columns:
        return
    counts = np.array([len(each) for each in read.neighbors], np.int64)
    named = pl.Series([name for each in read.neighbors for name in each], dtype=pl.String)
    theirs = rows_of(named, np.repeat(rows.moments, counts))
    found = replayed(computation, events.of(named), theirs, features=list(columns))
    back, ends = np.argsort(theirs.order), np.cumsum(counts)
    for feature, column in columns.items():
        parts = np.split(found.numbers[feature][back], ends[:-1]) if len(counts) else []
        yield pl.Series(column, [part.tolist() for part in parts], dtype=pl.List(pl.Float64))


def _steps(steps: Sequence[Mapping[str, float | str]], field: str) -> list[float | str | None]:
    return [step.get(field) for step in steps] or [None]
