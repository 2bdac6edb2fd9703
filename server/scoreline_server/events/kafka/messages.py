"""Events of Kafka messages: one JSON object each."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from scoreline.errors import InvalidRequestError
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.events.event_tables import ENTITY, ID, TIME, TYPE, EventColumns, event_columns, event_of_row
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.table_files import Nanoseconds

MAX_BYTES = 1 << 20
"""The longest message that is read."""


class Received(NamedTuple):
    """A message as it was received.

    Attributes:
        topic, partition, offset: its place.
        key: its key; empty for none.
        value: its bytes.
        timestamp: in milliseconds since 1970; negative for none.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: int


class MessageReader:
    """Reads messages as events of one profile.

    A message is a JSON object in UTF-8 with ``entity_id``, ``id``, ``time`` and ``type``, and the fields of the event
    beside them or in an object ``fields``. What it lacks is taken from the message: the entity from the key, the time
    from the timestamp, and for the id its topic, partition and offset.
    """

    def __init__(
        self, profile: CompiledProfile, *, columns: Mapping[str, str], fields: Mapping[str, str], type: str = ""  # noqa: A002
    ) -> None:  # fmt: skip
        """Takes what the members are called where they differ, and the type of all events, as ``event_columns``."""
        self._profile, self._columns, self._fields, self._type = profile, dict(columns), dict(fields), type
        known = {name for event in profile.document.events.values() for name in event.fields}
        self._known = {self._fields.get(name, name) for name in known}
        self._plan = lru_cache(maxsize=256)(self._new_plan)

    def event(self, message: Received) -> Event | EventError:
        """The event of a message, or what is wrong with it."""
        try:
            row = self._row(message)
            return event_of_row(row, self._profile, self._plan(tuple(row)))
        except EventError as error:
            return error
        except InvalidRequestError as error:
            return EventError("message", f"is no event: {error.message}")

    def _row(self, message: Received) -> Mapping[str, Any]:
        row, nested = _members(message.value)
        for name in nested:
            if name not in self._known:
                raise EventError(name[:80], f"is no field of the profile; there are {', '.join(sorted(self._known))}")
        row = {**nested, **row}
        if message.key:
            self._fill(row, ENTITY, message.key.decode("utf-8", "replace"))
        if message.timestamp >= 0:
            self._fill(row, TIME, Nanoseconds(message.timestamp * 10**6))
        self._fill(row, ID, f"{message.topic}-{message.partition}-{message.offset}")
        return row

    def _fill(self, row: dict[str, Any], part: str, value: Any) -> None:
        name = self._columns.get(part, part)
        if row.get(name) is None:
            row[name] = value

    def _new_plan(self, names: tuple[str, ...]) -> EventColumns:
        document = self._profile.document
        columns = {part: name for part, name in self._columns.items() if name in names or part == TYPE}
        fields = {field: name for field, name in self._fields.items() if name in names}
        return event_columns(names, document, columns=columns, fields=fields, type=self._type)


def _members(value: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members of a message, and those of its ``fields``. Raises EventError."""
    if len(value) > MAX_BYTES:
        raise EventError("message", f"has {len(value):,} bytes; an event has at most {MAX_BYTES:,}")
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        raise EventError("message", "is not JSON") from None
    if not isinstance(found, dict):
        raise EventError("message", "is not a JSON object")
    fields = found.pop("fields", {})
    if not isinstance(fields, dict):
        raise EventError("fields", "is not a JSON object")
    return found, fields
