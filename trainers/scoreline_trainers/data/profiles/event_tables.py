"""Events of files as one table in the order in which a profile takes them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_registry.profiles.events import Event, FieldValue
from scoreline_registry.profiles.profile import Profile
from scoreline_trainers.data.batch import Int64
from scoreline_trainers.data.names import category_names, whole_texts
from scoreline_trainers.data.profiles.spec import EventFile
from scoreline_trainers.data.sources.files import Files
from scoreline_trainers.data.sources.times import DAY, moments
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all

ENTITY, ID, TIME, TYPE = "entity", "id", "time", "type"
_IDENTITY = (ENTITY, ID, TIME, TYPE)
_DIGITS = 12
_AT = "\x1f"


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """Events of one profile, by entity, time and id, each id once for an entity.

    Attributes:
        frame: E rows: entity, id and type as texts, time in microseconds since 1970, and a column for each field of
            each type, null where the event is of another type or lacks the field.
        repeated: how many events were left out because their entity has an event of the same id and type.
    """

    frame: pl.DataFrame
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.frame)

    def of(self, entities: pl.Series) -> "EventTable":
        """The events of some entities."""
        kept = self.frame.filter(pl.col(ENTITY).is_in(entities.unique().implode()))
        return EventTable(kept, self.repeated)


def read_events(files: Files, sources: Sequence[EventFile], profile: Profile, *, zone: str) -> EventTable:
    """The events of several files. Raises DataError, with the file's name before what is wrong in it."""
    parts = [part for source in sources for part in _parts(files, source, profile, zone)]
    frame = pl.concat(parts, how="diagonal").sort(ENTITY, TIME, ID, maintain_order=True)
    kept = frame.unique([ENTITY, ID], keep="first", maintain_order=True)
    if len(kept) < len(frame):
        _refuse_shared_ids(frame)
    return EventTable(kept, len(frame) - len(kept))


def column_of(kind: str, field: str) -> str:
    """The column of an event table that has a field of one event type."""
    return f"{kind}{_AT}{field}"


def events_of(frame: pl.DataFrame) -> Iterator[Event]:
    """The rows of an event table's frame as events, in order."""
    fields = [tuple(name.split(_AT, 1)) for name in frame.columns if name not in _IDENTITY]
    names = [field for _, field in fields]
    types: Mapping[str, list[int]] = {
        each: [place for place, (owner, _) in enumerate(fields) if owner == each]
        for each in dict.fromkeys(owner for owner, _ in fields)
    }
    columns = [column_of(owner, field) for owner, field in fields]
    for entity, identity, time, kind, *values in frame.select(*_IDENTITY, *columns).iter_rows():
        found: dict[str, FieldValue] = {
            names[place]: values[place] for place in types.get(kind, ()) if values[place] is not None
        }
        yield Event(entity, identity, time, kind, found)


def field_columns(frame: pl.DataFrame, kinds: Mapping[str, str], columns: Mapping[str, str]) -> list[pl.Series]:
    """The fields of one event type as columns that are named by their fields; a field without a column is left out.

    Args:
        frame: the rows.
        kinds: field -> "number", "category" or "entity".
        columns: field -> column, where they are called differently.

    Raises:
        DataError: a column is missing, or does not hold what its field is.
    """
    unknown = next((field for field in columns if field not in kinds), None)
    if unknown is not None:
        raise DataError("", f"unknown field {unknown!r}; {nearest_or_all(unknown, kinds)}")
    require(frame, *columns.values())
    named = {field: columns.get(field, field) for field in kinds}
    return [
        _values(frame[column], kinds[field]).alias(field) for field, column in named.items() if column in frame.columns
    ]


def entity_texts(values: pl.Series) -> pl.Series:
    """The ids of entities as texts. Raises DataError where one is missing."""
    if values.null_count():
        raise DataError(values.name, f"names the entity and is missing in {values.null_count():,} rows")
    return whole_texts(values)


def entity_ids(values: pl.Series) -> pl.Series:
    """The ids of events as texts. Raises DataError where one is missing."""
    if values.null_count():
        raise DataError(values.name, f"is the id of the events and missing in {values.null_count():,} rows")
    return whole_texts(values)


def check_type(kind: str, profile: Profile) -> None:
    """Raises DataError for an event type that a profile does not have."""
    if kind not in profile.events:
        hint = nearest_or_all(kind, profile.events)
        raise DataError("", f"unknown event type {kind!r} of profile {profile.profile}; {hint}")


def _parts(files: Files, source: EventFile, profile: Profile, zone: str) -> Iterator[pl.DataFrame]:
    """The events of one file, those of each type in one frame."""
    ids = [name for name in (source.entity, source.id) if name is not None]
    frame = files.read(source, ids=ids)
    try:
        require(frame, *ids, source.time, *filter(None, [source.type_column]))
        times = moments(frame, source.time, source, zone) + round(source.delay_days * DAY)
        for kind, rows in _rows_of_types(frame, source):
            check_type(kind, profile)
            yield _of_type(frame.filter(rows), source, profile, kind, times[rows.to_numpy()], np.flatnonzero(rows))
    except DataError as error:
        raise DataError("", f"{source.file}: {error}") from error


def _rows_of_types(frame: pl.DataFrame, source: EventFile) -> Iterable[tuple[str, pl.Series]]:
    if source.type_column is None:
        return [(source.type, pl.Series([True]).new_from_index(0, len(frame)))]
    texts = frame[source.type_column].cast(pl.String)
    if texts.null_count():
        raise DataError(source.type_column, f"names the event type and is missing in {texts.null_count():,} rows")
    return [(kind, texts == kind) for kind in texts.unique(maintain_order=True)]


def _of_type(
    frame: pl.DataFrame, source: EventFile, profile: Profile, kind: str, times: Int64, rows: Int64
) -> pl.DataFrame:
    numbered = pl.Series(rows).cast(pl.String).str.zfill(_DIGITS) if source.id is None else entity_ids(frame[source.id])
    identity = [
        entity_texts(frame[source.entity]).alias(ENTITY),
        (source.id_prefix + numbered).alias(ID),
        pl.Series(TIME, times),
        pl.Series(TYPE, [kind]).new_from_index(0, len(frame)),
    ]
    fields = field_columns(frame, profile.events[kind].fields, source.fields)
    return pl.DataFrame([*identity, *(field.alias(column_of(kind, field.name)) for field in fields)])


def _values(column: pl.Series, kind: str) -> pl.Series:
    if kind != "number":
        return category_names(column)
    if column.dtype != pl.Null and not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(column.name, f"holds {column.dtype}, and the field is a number")
    numbers = column.cast(pl.Float64).fill_nan(None)
    if numbers.is_infinite().any():
        raise DataError(column.name, "holds infinite values: clean the data")
    return numbers


def _refuse_shared_ids(frame: pl.DataFrame) -> None:
    """Raises DataError where an entity has events of two types with one id: live, the second would be a repetition."""
    types = frame.group_by(ENTITY, ID).agg(pl.col(TYPE).unique().sort())
    shared = types.filter(pl.col(TYPE).list.len() > 1).sort(ENTITY, ID)
    if shared.is_empty():
        return
    entity, identity, kinds = shared.row(0)
    raise DataError(
        "",
        f"id {identity!r} of entity {entity!r} is that of events of several types ({', '.join(kinds)}), of which a "
        "store keeps one: give one of the files an `id_prefix`",
    )
