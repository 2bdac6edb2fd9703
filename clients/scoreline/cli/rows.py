"""Entities out of CSV, JSON lines and NAME=VALUE, by what the route's schema says each feature is."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from scoreline.encoding.entities import Entity, Value
from scoreline.errors import InvalidRequestError, ScorelineError
from scoreline.schema import RouteSchema

if TYPE_CHECKING:
    from _csv import Reader

CONTEXT = "context."
_FLAGS = {"true": True, "false": False}


class Read(NamedTuple):
    """What a line came to: an entity, or the error that stands in its place; the id where there is one."""

    line: int
    entity_id: str
    entity: Entity | None
    error: ScorelineError | None = None


def from_csv(lines: Iterable[str], schema: RouteSchema, *, id_column: str, known_only: bool) -> Iterator[Read]:
    """An entity per line below the header. Columns are features, the id, or ``context.NAME``; empty means missing.

    With ``known_only`` other columns are left out. Raises InvalidRequestError for a header that cannot be.
    """
    return _decoded(_csv(csv.reader(lines, strict=True), schema, id_column=id_column, known_only=known_only))


def from_json_lines(lines: Iterable[str], schema: RouteSchema, *, id_column: str, known_only: bool) -> Iterator[Read]:
    """An entity per line: an object with "entity_id", "features", "sequence", "neighbors" and "context", or a flat one.

    In a flat one everything else is a feature.
    """
    return _decoded(_json_lines(lines, schema, id_column=id_column, known_only=known_only))


def from_pairs(pairs: Sequence[str], schema: RouteSchema, *, entity_id: str) -> Entity:
    """One entity out of NAME=VALUE texts; ``context.NAME`` is for rules."""
    named = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InvalidRequestError(f"--set {pair!r}: write NAME=VALUE")
        named[name] = value
    entity = _from_texts(named, schema, id_column="", known_only=False, line=None)
    return Entity(entity_id=entity_id, features=entity.features, context=entity.context)


def _csv(reader: "Reader", schema: RouteSchema, *, id_column: str, known_only: bool) -> Iterator[Read]:
    header = _header(reader)
    while True:
        entity_id = ""
        try:
            cells = next(reader)
            if len(cells) != len(header):
                raise _wrong(reader.line_num, f"has {len(cells)} fields, the header has {len(header)}")
            named = dict(zip(header, cells, strict=True))
            entity_id = named.get(id_column, "")
            entity = _from_texts(named, schema, id_column=id_column, known_only=known_only, line=reader.line_num)
        except StopIteration:
            return
        except csv.Error as error:
            yield Read(reader.line_num, "", None, _wrong(reader.line_num, f"is not CSV: {error}"))
        except InvalidRequestError as error:
            yield Read(reader.line_num, entity_id, None, error)
        else:
            yield Read(reader.line_num, entity_id, entity)


def _json_lines(lines: Iterable[str], schema: RouteSchema, *, id_column: str, known_only: bool) -> Iterator[Read]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entity = _from_json(line, schema, id_column=id_column, known_only=known_only, number=number)
        except InvalidRequestError as error:
            yield Read(number, "", None, error)
        else:
            yield Read(number, str(entity.entity_id), entity)


def _header(reader: "Reader") -> Sequence[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise _wrong(1, f"is not CSV: {error}") from error
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise _wrong(1, f"has the column {repeated[0]!r} twice")
    return header


def _from_texts(
    named: Mapping[str, str], schema: RouteSchema, *, id_column: str, known_only: bool, line: int | None
) -> Entity:
    features, context = {}, {}
    for name, text in named.items():
        if name.startswith(CONTEXT) and name not in schema.names:
            context[name.removeprefix(CONTEXT)] = _fact(text)
        elif name in schema.names or (name != id_column and not known_only):
            features[name] = _value(name, text, schema, line)
    return Entity(entity_id=named.get(id_column, ""), features=features, context=context)


def _value(name: str, text: str, schema: RouteSchema, line: int | None) -> Value:
    if not text:
        return None
    if name not in schema.numbers:
        return text
    try:
        return _FLAGS[text.lower()] if text.lower() in _FLAGS else float(text)
    except ValueError:
        raise _wrong(line, f"{name!r} takes a number, not {text!r}") from None


def _fact(text: str) -> Value:
    """A context value as it looks: a number, a flag, else a text."""
    if not text:
        return None
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


def _from_json(line: str, schema: RouteSchema, *, id_column: str, known_only: bool, number: int) -> Entity:
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        raise _wrong(number, f"is not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(item, dict):
        raise _wrong(number, "must be a JSON object")
    return _from_object(item, schema, id_column=id_column, known_only=known_only, line=number)


def _from_object(
    item: Mapping[str, Any], schema: RouteSchema, *, id_column: str, known_only: bool, line: int
) -> Entity:
    own = {id_column, "sequence", "neighbors", "context"} - schema.names
    nested = isinstance(item.get("features"), dict)
    features = item["features"] if nested else {name: value for name, value in item.items() if name not in own}
    if known_only:
        features = {name: value for name, value in features.items() if name in schema.names}
    context = item.get("context") or {}
    if not isinstance(context, dict):
        raise _wrong(line, "'context' must be an object")
    entity_id = item.get(id_column)
    return Entity(
        entity_id="" if entity_id is None else entity_id,
        features=features,
        sequence=item.get("sequence") if "sequence" in own else None,
        neighbors=item.get("neighbors") if "neighbors" in own else None,
        context=context,
    )


def _decoded(lines: Iterator[Read]) -> Iterator[Read]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the input is not UTF-8: {error.reason}", reason="WRONG_TYPE") from error


def _wrong(line: int | None, text: str) -> InvalidRequestError:
    return InvalidRequestError(text if line is None else f"line {line}: {text}", reason="WRONG_TYPE")
