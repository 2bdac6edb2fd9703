"""Entities of CSV, JSON lines, Parquet and NAME=VALUE, with values of the types that the route's schema has."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from scoreline.encoding.entities import Entity, Steps, Value
from scoreline.errors import InvalidRequestError, ScorelineError
from scoreline.schema import RouteSchema

if TYPE_CHECKING:
    from _csv import Reader

CONTEXT = "context."
_ITEMS = ("sequence", "neighbors")
_EVENT = "event"
_FLAGS = {"true": True, "false": False}
_PARQUET_ROWS = 8192


class InputRow(NamedTuple):
    """One row of an input: its entity, or the error that it has instead. ``place`` is "line 7" or "row 7"."""

    place: str
    entity_id: str
    entity: Entity | None
    error: ScorelineError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How an input is read: the column of the ids, if there has to be one, and whether unknown columns are left out."""

    id_column: str = "entity_id"
    needs_id: bool = False
    known_only: bool = False


def from_csv(source: IO[bytes], schema: RouteSchema, options: InputOptions) -> Iterator[InputRow]:
    """A row per line below the header. Columns are features, the id, ``context.NAME``, or JSON of items or an event.

    An empty cell is missing. Raises InvalidRequestError for a wrong header.
    """
    with _text(source) as lines:
        yield from _csv(csv.reader(lines, strict=True), schema, options)


def from_json_lines(source: IO[bytes], schema: RouteSchema, options: InputOptions) -> Iterator[InputRow]:
    """A row per line: an object with "entity_id", "features", "sequence", "neighbors", "event" and "context".

    Without "features", all other names of the object are features.
    """
    with _text(source) as lines:
        yield from _json_lines(lines, schema, options)


def from_parquet(source: IO[bytes], schema: RouteSchema, options: InputOptions) -> Iterator[InputRow]:
    """A row per row of a Parquet file, read by pyarrow; its columns are those of a JSON object.

    Raises InvalidRequestError for what is not Parquet, or has no id column where there has to be one.
    """
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(source)
    except arrow.ArrowInvalid as error:
        raise InvalidRequestError(f"the input is not Parquet: {error}", reason="WRONG_TYPE") from error
    _check_id_column(file.schema_arrow.names, options)
    items = (item for part in file.iter_batches(_PARQUET_ROWS) for item in part.to_pylist())
    for number, item in enumerate(items):
        yield _row(f"row {number}", item, schema, options)


def from_pairs(pairs: Sequence[str], schema: RouteSchema, *, entity_id: str, event: str | None = None) -> Entity:
    """One entity of NAME=VALUE texts, whose names are the columns of a CSV file, and the JSON of its event."""
    named = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InvalidRequestError(f"--set {pair!r}: write NAME=VALUE")
        named[name] = value
    entity = _from_texts(named, schema, entity_id=entity_id, known_only=False, place="")
    return entity if event is None else replace(entity, event=_event(event, "--event"))


@contextmanager
def _text(source: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """The source as lines of text; it stays open. Raises InvalidRequestError for what is not UTF-8."""
    lines = io.TextIOWrapper(source, encoding="utf-8-sig")
    try:
        yield lines
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the input is not UTF-8: {error.reason}", reason="WRONG_TYPE") from error
    finally:
        if not source.closed:
            lines.detach()


def _csv(reader: "Reader", schema: RouteSchema, options: InputOptions) -> Iterator[InputRow]:
    header = _header(reader)
    _check_id_column(header, options)
    while True:
        entity_id = ""
        try:
            cells = next(reader)
            place = f"line {reader.line_num}"
            if len(cells) != len(header):
                raise _wrong(place, f"has {len(cells)} fields, the header has {len(header)}")
            named = dict(zip(header, cells, strict=True))
            entity_id = named.get(options.id_column, "")
            if options.id_column not in schema.names:
                named.pop(options.id_column, None)
            entity = _from_texts(named, schema, entity_id=entity_id, known_only=options.known_only, place=place)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"line {reader.line_num}"
            yield InputRow(place, "", None, _wrong(place, f"is not CSV: {error}"))
        except InvalidRequestError as error:
            yield InputRow(place, entity_id, None, error)
        else:
            yield InputRow(place, entity_id, entity)


def _json_lines(lines: Iterable[str], schema: RouteSchema, options: InputOptions) -> Iterator[InputRow]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            yield InputRow(place, "", None, _wrong(place, f"is not JSON: {error.msg} at column {error.colno}"))
        else:
            yield _row(place, item, schema, options)


def _row(place: str, item: Any, schema: RouteSchema, options: InputOptions) -> InputRow:
    try:
        entity = _from_object(item, schema, options, place=place)
    except InvalidRequestError as error:
        return InputRow(place, "", None, error)
    return InputRow(place, str(entity.entity_id), entity)


def _header(reader: "Reader") -> Sequence[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise _wrong("line 1", f"is not CSV: {error}") from error
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise _wrong("line 1", f"duplicate column {repeated[0]!r}")
    return header


def _check_id_column(names: Sequence[str], options: InputOptions) -> None:
    if options.needs_id and names and options.id_column not in names:
        raise InvalidRequestError(
            f"there is no column {options.id_column!r} for --id-column; there is {', '.join(map(repr, names))}",
            reason="WRONG_TYPE",
        )


def _from_texts(
    named: Mapping[str, str], schema: RouteSchema, *, entity_id: str, known_only: bool, place: str
) -> Entity:
    features: dict[str, Value] = {}
    context: dict[str, Value] = {}
    items: dict[str, Any] = {}
    for name, text in named.items():
        if name in schema.names:
            features[name] = _value(name, text, schema, place)
        elif name.startswith(CONTEXT):
            context[name.removeprefix(CONTEXT)] = _fact(text)
        elif name in _ITEMS:
            items[name] = _items(name, text, place)
        elif name == _EVENT:
            items[name] = _event(text, place)
        elif not known_only:
            features[name] = _value(name, text, schema, place)
    return Entity(entity_id=entity_id, features=features, context=context, **items)


def _value(name: str, text: str, schema: RouteSchema, place: str) -> Value:
    if not text:
        return None
    if name not in schema.numbers:
        return text
    try:
        return _FLAGS[text.lower()] if text.lower() in _FLAGS else float(text)
    except ValueError:
        raise _wrong(place, f"{name!r} takes a number, not {text!r}") from None


def _items(name: str, text: str, place: str) -> Steps | None:
    """The steps or neighbors of a JSON list."""
    try:
        items = json.loads(text) if text else None
    except json.JSONDecodeError as error:
        raise _wrong(place, f'{name!r} takes a JSON list such as [{{"amount": 12.5}}]: {error.msg}') from error
    if items is not None and not isinstance(items, list):
        raise _wrong(place, f'{name!r} takes a JSON list such as [{{"amount": 12.5}}]')
    return items


def _event(text: str, place: str) -> dict[str, Any] | None:
    """The event of a JSON object."""
    try:
        event = json.loads(text) if text else None
    except json.JSONDecodeError as error:
        raise _wrong(place, f"{_EVENT_WANTED}: {error.msg}") from error
    if event is not None and not isinstance(event, dict):
        raise _wrong(place, _EVENT_WANTED)
    timed: dict[str, Any] | None = _with_moment(event, place)
    return timed


def _with_moment(event: Any, place: str) -> Any:
    """The event with a time that is written as text as a datetime, in UTC unless the text says otherwise."""
    text = event.get("time") if isinstance(event, dict) else None
    if not isinstance(text, str):
        return event
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong(place, f"the event's time {text!r} is not ISO 8601, such as 2026-11-01T12:30:00Z") from error
    return {**event, "time": moment if moment.tzinfo else moment.replace(tzinfo=UTC)}


_EVENT_WANTED = 'an event is a JSON object such as {"type": "purchase", "amount": 12.5}'


def _fact(text: str) -> Value:
    """A context value of a text: a number or a flag if it reads like one."""
    if not text:
        return None
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


def _from_object(item: Any, schema: RouteSchema, options: InputOptions, *, place: str) -> Entity:
    if not isinstance(item, dict):
        raise _wrong(place, "must be a JSON object")
    own = {options.id_column, *_ITEMS, _EVENT, "context"} - schema.names
    nested = isinstance(item.get("features"), dict)
    features = item["features"] if nested else {name: value for name, value in item.items() if name not in own}
    if options.known_only:
        features = {name: value for name, value in features.items() if name in schema.names}
    context = item.get("context") or {}
    if not isinstance(context, dict):
        raise _wrong(place, "'context' must be an object")
    entity_id = item.get(options.id_column)
    return Entity(
        entity_id="" if entity_id is None else entity_id,
        features=features,
        sequence=item.get("sequence") if "sequence" in own else None,
        neighbors=item.get("neighbors") if "neighbors" in own else None,
        context=context,
        event=_with_moment(item.get(_EVENT), place) if _EVENT in own else None,
    )


def _wrong(place: str, text: str) -> InvalidRequestError:
    return InvalidRequestError(f"{place}: {text}" if place else text, reason="WRONG_TYPE")
