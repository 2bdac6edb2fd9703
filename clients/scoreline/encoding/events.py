"""Events of entities, as callers record them and as they are scored."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from scoreline.encoding.timestamps import timestamp
from scoreline.errors import InvalidRequestError
from scoreline.fields import NUMBERS, Time, event_time, number, wrong_field
from scoreline.v1 import profiles_pb2
from scoreline.v1 import scoring_pb2 as pb

MAX_ENTITY_ID = 256
"""The longest entity id of an event that is recorded, in characters."""
MAX_EVENT_ID = 128
"""The longest id of an event, in characters."""
MAX_TEXT = 256
"""The longest text of a field, in characters."""

FieldValue: TypeAlias = float | str | bool | None
"""A number, the name of a category or an entity, a flag, which counts as 1 or 0, or None for missing. So is NaN."""

_NOTHING: Mapping[str, FieldValue] = MappingProxyType({})
_OWN = ("type", "time", "id")


@dataclass(frozen=True, slots=True, init=False)
class Event:
    """Something that an entity did, as a profile declares it.

        Event("purchase", {"amount": 42.0, "category": "food"})

    Attributes:
        type: one of the profile's event types.
        fields: its values by name: numbers from -1e30 to 1e30 and texts of at most 256 characters; None is missing.
        time: when it happened, in ns since 1970; None means now, as the server scores it. What is finer than a
            microsecond is cut off. A whole number that would be before 1980 is refused: it is of another unit.
        id: unique among the entity's events, at most 128 characters; an event that comes again with the same id is the
            same event. Empty for none, which scoring does not need.
    """

    type: str
    fields: Mapping[str, float | str | None]
    time: int | None
    id: str

    def __init__(
        self,
        type: str,  # noqa: A002  the field's name
        fields: Mapping[str, FieldValue] = _NOTHING,
        *,
        time: Time | None = None,
        id: str = "",  # noqa: A002  the field's name
    ) -> None:
        """Raises InvalidRequestError that names the wrong field."""
        put = object.__setattr__
        put(self, "type", _printable("type", type, MAX_EVENT_ID))
        if not isinstance(fields, Mapping):
            raise wrong_field("fields", f"takes a mapping of names to values, not {_kind(fields)}", "WRONG_TYPE")
        put(self, "fields", MappingProxyType({name: _value(name, value) for name, value in fields.items()}))
        put(self, "time", None if time is None else event_time("time", time))
        put(self, "id", _printable("id", id, MAX_EVENT_ID) if id != "" else "")

    @classmethod
    def of(cls, given: "EventLike") -> "Event":
        """An event as it is, or of a mapping with its type and its fields side by side.

        ``{"type": "purchase", "amount": 42.0}``; "time" and "id" are not fields either.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise wrong_field("event", f"takes an Event or a mapping with its type, not {_kind(given)}", "WRONG_TYPE")
        if "type" not in given:
            raise wrong_field("event", 'lacks its type, as in {"type": "purchase", "amount": 42.0}', "WRONG_TYPE")
        fields = {name: value for name, value in given.items() if name not in _OWN}
        return cls(given["type"], fields, time=given.get("time"), id=given.get("id") or "")

    def message(self) -> pb.Event:
        """The event as it is sent."""
        message = pb.Event(type=self.type, id=self.id)
        if self.time is not None:
            message.time.CopyFrom(timestamp(self.time))
        for name, value in self.fields.items():
            sent = message.fields[name]
            if isinstance(value, str):
                sent.text = value
            elif value is not None:
                sent.number = value
        return message


EventLike: TypeAlias = Event | Mapping[str, Any]
"""An event, or a mapping with its type and its fields side by side."""


def recorded(entity_id: Any, event: Event, *, now: int) -> profiles_pb2.EntityEvent:
    """An event to record. One without a time gets ``now``, one without an id a new one.

    Raises InvalidRequestError for an entity id that is neither a text nor a whole number.
    """
    if isinstance(entity_id, int | np.integer) and not isinstance(entity_id, bool):
        entity_id = str(int(entity_id))
    message = profiles_pb2.EntityEvent(
        entity_id=_printable("entity_id", entity_id, MAX_ENTITY_ID), event=event.message()
    )
    if not message.event.id:
        message.event.id = uuid.uuid4().hex
    if event.time is None:
        message.event.time.CopyFrom(timestamp(now))
    return message


def _value(name: Any, value: Any) -> float | str | None:
    if not isinstance(name, str) or not name:
        raise wrong_field("fields", "takes names as text", "WRONG_TYPE")
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise wrong_field(name, f"must be at most {MAX_TEXT} characters, not {len(value):,}")
        return _carried(name, value)
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return None
    if not isinstance(value, NUMBERS):
        raise wrong_field(name, f"takes a number or a text, not {_kind(value)}", "WRONG_TYPE")
    return number(name, value)


def _printable(field: str, text: Any, most: int) -> str:
    if not isinstance(text, str):
        raise wrong_field(field, f"takes text, not {_kind(text)}", "WRONG_TYPE")
    if not 0 < len(text) <= most or not text.isprintable():
        raise wrong_field(field, f"must be 1 to {most} printable characters")
    return _carried(field, text)


def _carried(field: str, text: str) -> str:
    """The text, where UTF-8 can carry it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise wrong_field(field, "holds half of a surrogate pair, which is no character") from None
    return text


def _kind(value: object) -> str:
    return type(value).__name__


def at_hand(given: EventLike | None, row: int | None = None) -> pb.Event | None:
    """The event that is scored as a message. Raises InvalidRequestError that names the row, where one is given."""
    if given is None:
        return None
    try:
        return Event.of(given).message()
    except InvalidRequestError as error:
        where, facts = ("", {}) if row is None else (f"row {row}: ", {"row": str(row)})
        field = error.metadata.get("field", "event")
        text = error.message if field == "event" else f"event.{error.message}"
        raise InvalidRequestError(
            where + text, reason=error.reason, metadata={"feature": f"event.{field}", **facts}
        ) from error


def events_at_hand(given: Sequence[EventLike | None], first_row: int) -> list[pb.Event]:
    """N events that are scored as messages, none where no entity has one; one without a type is none."""
    if not any(event is not None for event in given):
        return []
    return [at_hand(event, first_row + index) or pb.Event() for index, event in enumerate(given)]
