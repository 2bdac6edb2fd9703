"""Checks of one event against the event types of a profile."""

import math
from collections.abc import Mapping
from typing import TypeAlias

from scoreline_registry.names import hint
from scoreline_registry.profiles.events import Event, EventError, FieldValue
from scoreline_registry.profiles.feature import EventType

LONGEST_ENTITY = 256
LONGEST_ID = 128
LONGEST_TEXT = 256
LARGEST_NUMBER = 1e30
LATEST_TIME = 9_223_372_036_854_775
"""Microseconds since 1970: the last that 64 bits of nanoseconds hold, in the year 2262."""

Given: TypeAlias = FieldValue | bool | None


class EventChecker:
    """Checks events of a profile.

    Args:
        types: the event types by name.
    """

    def __init__(self, types: Mapping[str, EventType]) -> None:
        self._numbers = {
            name: {key: kind == "number" for key, kind in each.fields.items()} for name, each in types.items()
        }

    def event(self, entity: str, id: str, time: int, type: str, fields: Mapping[str, Given]) -> Event:  # noqa: A002
        """An event that is to be recorded. Raises EventError with the first thing that is wrong."""
        _check_text("id", id, LONGEST_ID)
        return self.at_hand(entity, time, type, fields, id=id)

    def at_hand(self, entity: str, time: int, type: str, fields: Mapping[str, Given], *, id: str = "") -> Event:  # noqa: A002
        """An event that is scored, whose id may be empty. Raises EventError with the first thing that is wrong."""
        _check_text("entity_id", entity, LONGEST_ENTITY)
        if not isinstance(time, int) or not 0 <= time <= LATEST_TIME:
            raise EventError("time", "write a time from 1970 to 2262")
        numbers = self._numbers.get(type)
        if numbers is None:
            raise EventError(
                "type", f"unknown event type {_short(type)}; {hint(_cut(type), self._numbers, 'event type')}"
            )
        checked = {key: _checked(key, value, numbers) for key, value in fields.items() if not _is_missing(value)}
        return Event(entity, id, time, type, checked)


def _is_missing(value: Given) -> bool:
    """Whether a value stands for a missing one: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _checked(key: str, value: Given, numbers: Mapping[str, bool]) -> FieldValue:
    is_number = numbers.get(key)
    if is_number is None:
        raise EventError(_cut(key), f"unknown field; {hint(_cut(key), numbers, 'field')}")
    if not is_number:
        return _check_text(key, value, LONGEST_TEXT)
    if not isinstance(value, int | float):
        raise EventError(key, f"{_short(value)} is not a number")
    if not abs(value) <= LARGEST_NUMBER:
        raise EventError(key, "write a finite number from -1e30 to 1e30")
    return float(value) + 0.0  # -0 becomes 0


def _check_text(field: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise EventError(field, f"{_short(value)} is not a text")
    if len(value) > longest:
        raise EventError(field, f"has {len(value):,} characters; at most {longest} are allowed: {_short(value)}...")
    if not value or not value.isprintable():
        raise EventError(field, f"write a text of 1 to {longest} printable characters, not {_short(value)}")
    return value


def _short(value: object) -> str:
    text = repr(_cut(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _cut(text: str) -> str:
    return text[:60]
