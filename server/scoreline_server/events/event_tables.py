"""Events from the rows of a table: which column holds what, and the event of each row."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from scoreline.errors import InvalidRequestError
from scoreline_registry.profiles.events import Event, EventError
from scoreline_registry.profiles.profile import Profile
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.table_files import column_names, is_missing, parts, time_of

ENTITY, ID, TIME, TYPE = "entity_id", "id", "time", "type"
PARTS = (ENTITY, ID, TIME, TYPE)
"""What an event has beside its fields; a column of the same name is taken where no other is named."""

_FLAGS = {"true": 1.0, "false": 0.0}
_ID_BYTES = 16

Rows: TypeAlias = Iterator[list[Event | EventError]]


@dataclass(frozen=True, slots=True)
class EventColumns:
    """How the rows of a table are events.

    Attributes:
        parts: the column of each of PARTS that the table has.
        type: of every row; empty where a column has it.
        fields: for each event type, the column of each of its fields that the table has, and whether it is a number.
    """

    parts: Mapping[str, str]
    type: str
    fields: Mapping[str, Mapping[str, tuple[str, bool]]]

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        fields = (column for columns in self.fields.values() for column, _ in columns.values())
        return list(dict.fromkeys([*self.parts.values(), *fields]))


def event_columns(
    names: Sequence[str], profile: Profile, *, columns: Mapping[str, str], fields: Mapping[str, str], type: str  # noqa: A002
) -> EventColumns:  # fmt: skip
    """How a table with some columns has a profile's events.

    Args:
        names: the table's columns.
        profile: the profile.
        columns: for those of PARTS whose columns are called otherwise, the column.
        fields: likewise for fields of events.
        type: the event type of every row; empty for that of a column, or for the only one.

    Raises InvalidRequestError for columns that are missing, and for types and fields that the profile lacks.
    """
    for given, column in {**columns, **fields}.items():
        if column not in names:
            raise _wrong(f"there is no column {column!r} for {given}; there is {', '.join(map(repr, names))}")
    found = {part: part for part in PARTS if part in names} | dict(columns)
    if not type and TYPE not in found and len(profile.events) == 1:
        [type] = profile.events  # noqa: A001
    for part in (ENTITY, TIME, *([] if type else [TYPE])):
        if part not in found:
            hint = "; or give --type" if part == TYPE else ""
            raise _wrong(f"there is no column {part!r}: name it with --column{hint}")
    if type:
        found.pop(TYPE, None)
        if type not in profile.events:
            raise _wrong(f"unknown event type {type!r}; the profile has {', '.join(profile.events)}")
    known = {name for event in profile.events.values() for name in event.fields}
    for name in fields:
        if name not in known:
            raise _wrong(f"unknown field {name!r}; the profile has {', '.join(sorted(known))}")
    taken = {**{name: name for name in known if name in names}, **fields}
    of_types = {
        each: {name: (taken[name], kind == "number") for name, kind in event.fields.items() if name in taken}
        for each, event in profile.events.items()
        if not type or each == type
    }
    return EventColumns(found, type, of_types)


def table_events(
    path: Path, profile: CompiledProfile, *, columns: Mapping[str, str], fields: Mapping[str, str], type: str  # noqa: A002
) -> Rows:  # fmt: skip
    """The events of a file in its order, 10,000 at a time; an EventError in the place of each wrong row.

    Rows without an id get one that is made of their content: rows that are equal are then one event. Raises
    InvalidRequestError for a file that cannot be read, and what ``event_columns`` raises.
    """
    plan = event_columns(column_names(path), profile.document, columns=columns, fields=fields, type=type)
    for part in parts(path, plan.names):
        rows = zip(*part.values(), strict=True)
        yield [event_of_row(dict(zip(part, row, strict=True)), profile, plan) for row in rows]


def content_id(entity: str, time: int, type: str, fields: Mapping[str, object]) -> str:  # noqa: A002
    """An id for an event without one: equal for events that are equal in all else."""
    content = json.dumps([entity, time, type, dict(fields)], sort_keys=True, default=repr, ensure_ascii=False)
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=_ID_BYTES).hexdigest()


def event_of_row(row: Mapping[str, Any], profile: CompiledProfile, plan: EventColumns) -> Event | EventError:
    """The event of a row, values by column, or what is wrong with it."""
    try:
        entity = _text(ENTITY, row[plan.parts[ENTITY]])
        time = _time(row[plan.parts[TIME]])
        type = plan.type or _text(TYPE, row[plan.parts[TYPE]])  # noqa: A001
        columns = plan.fields.get(type, {})
        cells = {name: _cell(name, row[column], is_number=is_number) for name, (column, is_number) in columns.items()}
        fields = {name: cell for name, cell in cells.items() if cell is not None}
        if ID in plan.parts and not is_missing(row[plan.parts[ID]]):
            identity = _text(ID, row[plan.parts[ID]])
        else:
            identity = content_id(entity, time, type, fields)
        return profile.computation.event_of(entity, identity, time, type, fields)
    except EventError as error:
        return error


def _time(value: Any) -> int:
    """The time of a cell in microseconds since 1970."""
    if is_missing(value):
        raise EventError(TIME, "is missing")
    try:
        return time_of(TIME, value) // 1000
    except InvalidRequestError as error:
        raise EventError(TIME, error.message.removeprefix(f"{TIME}: ")) from None


def _text(name: str, value: Any) -> str:
    if is_missing(value):
        raise EventError(name, "is missing")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value  # type: ignore[no-any-return]  # the computation refuses what is no text


def _cell(name: str, value: Any, *, is_number: bool) -> Any:
    """The value of a field; None where it is missing."""
    if is_missing(value):
        return None
    if not is_number:
        return _text(name, value)
    if not isinstance(value, str):
        return value
    try:
        return _FLAGS[value.lower()] if value.lower() in _FLAGS else float(value)
    except ValueError:
        raise EventError(name, f"takes a number, not {value[:40]!r}") from None


def _wrong(text: str) -> InvalidRequestError:
    return InvalidRequestError(text, reason="WRONG_TYPE")
