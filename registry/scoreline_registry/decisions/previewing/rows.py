"""Rows of facts as people and the journal write them, as the cases of a policy. Pure."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from scoreline_registry.decisions.deciding.proposal import UPLIFT, Case
from scoreline_registry.decisions.facts import (
    CONTEXT,
    FACT_PREFIXES,
    FEATURE,
    FLAG,
    FLAG_NEW,
    FLAG_UNREACHABLE,
    PLAIN_FACTS,
    FactValue,
)
from scoreline_registry.documents.base import refuse_duplicates
from scoreline_registry.errors import InvalidError
from scoreline_registry.routing.assignment import unit_of

Row: TypeAlias = Mapping[str, Any]

UNIT, ENTITY, TIME, CHANNEL = "unit", "entity_id", "time", "channel"
IDS = ("decision_id", "prediction_id")
REASONS = "reasons"
_NESTED = {"features": FEATURE, "context": CONTEXT}
_OWN = frozenset((UNIT, ENTITY, TIME, CHANNEL, REASONS, "profile_state", *IDS, *_NESTED))
_OF_JOURNAL = ("decision.", "hash.", "step.", "neighbor.")
_PREFIXES = (*FACT_PREFIXES, UPLIFT)

_MOST_CHARACTERS = 1_000_000


def rows_of_json(lines: Iterable[str], *, source: str) -> Iterator[Row]:
    """The rows of JSON Lines, one object each; empty lines are passed over. Raises InvalidError."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _object(line, source, number)


def rows_of_csv(lines: Iterable[str], *, source: str) -> Iterator[Row]:
    """The rows of CSV with a line of headings; cells that read as numbers or flags are such. Raises InvalidError."""
    reader = csv.DictReader(lines, strict=True)
    try:
        refuse_duplicates("heading", reader.fieldnames or ())
        for row in reader:
            if None in row or None in row.values():
                raise InvalidError(source, [f"line {reader.line_num}: it has not as many cells as the headings"])
            yield {name: _cell(text) for name, text in row.items()}
    except (csv.Error, ValueError) as error:
        raise InvalidError(source, [f"line {reader.line_num}: it is not CSV: {error}"]) from error


def case_of(row: Row, number: int, *, unit: str, now_ns: int) -> Case:
    """A row as a case; ``number`` names its decision where the row does not, ``unit`` is the policy's.

    Columns are named as facts are. A column without a prefix is a feature, ``context`` and ``features`` may be objects,
    and ``profile_state`` is as in the journal. The time is ISO 8601, UTC without an offset, or seconds since 1970, and
    ``now_ns`` where there is none. Raises ValueError.
    """
    facts = dict(_facts(row))
    context = {name.removeprefix(CONTEXT): value for name, value in facts.items() if name.startswith(CONTEXT)}
    entity = _text(row.get(UNIT)) or _text(row.get(ENTITY))
    decision_id = next((str(row[name]) for name in IDS if row.get(name)), f"row-{number}")
    time_ns = now_ns if row.get(TIME) is None else _time(row[TIME])
    return Case(decision_id, unit_of(unit, entity, context), facts, time_ns, _text(row.get(CHANNEL)))


def _facts(row: Row) -> Iterator[tuple[str, FactValue]]:
    for name, value in row.items():
        if name in _NESTED:
            for key, part in _mapping(name, value).items():
                yield from _fact(_NESTED[name] + key, part)
        elif name not in _OWN and not name.startswith(_OF_JOURNAL):
            is_named = name in PLAIN_FACTS or name.startswith(_PREFIXES)
            yield from _fact(name if is_named else FEATURE + name, value)
    state = row.get("profile_state")
    if isinstance(state, str):
        words = state.lower().split(",")
        yield FLAG + FLAG_NEW, "new" in words
        yield FLAG + FLAG_UNREACHABLE, "unreachable" in words


def _fact(name: str, value: object) -> Iterator[tuple[str, FactValue]]:
    """A fact of one value; lists and objects are none."""
    if value is None or isinstance(value, str | bool):
        yield name, value
    elif isinstance(value, int | float):
        yield name, _number(value)


def _mapping(name: str, value: object) -> Mapping[str, object]:
    """An object, or the JSON text of one, which the journal has."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError as error:
            raise ValueError(f"{name} is no JSON object") from error
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{name} is no object")
    return value or {}


def _object(line: str, source: str, number: int) -> Row:
    try:
        row = json.loads(line) if len(line) <= _MOST_CHARACTERS else None
    except (ValueError, RecursionError) as error:
        raise InvalidError(source, [f"line {number}: it is not JSON"]) from error
    if not isinstance(row, dict):
        raise InvalidError(source, [f"line {number}: write one JSON object per line"])
    return row


def _cell(text: str) -> object:
    if not text:
        return None
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    """An id as text: a whole number as its digits."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _time(value: object) -> int:
    """A time in nanoseconds since 1970. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no time: write one such as 2026-03-01T09:30:00Z")  # noqa: TRY004 - as texts
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6) * 1000
    if not math.isfinite(value):
        raise ValueError(f"{value} is no time")
    return int(value * 1e6) * 1000
