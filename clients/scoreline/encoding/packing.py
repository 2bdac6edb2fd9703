"""Encodes named features as the blocks that a route's schema describes.

Unknown names and wrong types are refused here, before anything is sent. Whether a value is required, known to a model
or in its range is checked by the server, entity by entity.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scoreline.encoding.block import Block
from scoreline.encoding.entities import Columns, Entity
from scoreline.encoding.events import events_at_hand
from scoreline.encoding.ragged import ragged_columns, ragged_entities
from scoreline.encoding.tables import Column
from scoreline.encoding.validation import unknown_name, wrong_shape, wrong_type
from scoreline.encoding.values import (
    NUMBERS,
    Locator,
    category_column,
    check_column,
    codes,
    contexts,
    floats,
    number_column,
    texts,
)
from scoreline.schema import RouteSchema


def pack_entities(entities: Sequence[Entity], schema: RouteSchema, *, first_row: int = 0) -> Block:
    """Encodes entities. ``first_row`` is the index of the first among all of the call.

    Raises InvalidRequestError that names the row and the feature.
    """
    _check_names(entities, schema, first_row)
    words: dict[str, int] = {}
    numbers, categories = schema.numbers, schema.categories
    return Block(
        digest=schema.digest,
        entity_ids=texts([entity.entity_id for entity in entities], _column("entity_id", first_row)),
        numbers=floats(_flat(entities, numbers), _grid(numbers, first_row)).reshape(len(entities), len(numbers)),
        categories=codes(_flat(entities, categories), words, _grid(categories, first_row)).reshape(
            len(entities), len(categories)
        ),
        dictionary=list(words),
        ragged=ragged_entities(entities, schema, first_row),
        contexts=contexts([entity.context for entity in entities], first_row),
        events=events_at_hand([entity.event for entity in entities], first_row),
    )


def pack_columns(columns: Columns, schema: RouteSchema, *, first_row: int = 0) -> Block:
    """Encodes columns. ``first_row`` is the index of the first row among all of the call.

    Raises InvalidRequestError that names the feature, and the row where one value is at fault.
    """
    count = len(columns)
    for name in columns.features:
        if name not in schema.names:
            raise unknown_name("feature", name, schema.names, route=schema.route)
    numbers = np.full((count, len(schema.numbers)), np.nan, np.float32)
    for index, name in enumerate(schema.numbers):
        if name in columns.features:
            numbers[:, index] = number_column(columns.features[name], count, _column(name, first_row))
    words: dict[str, int] = {}
    categories = np.full((count, len(schema.categories)), -1, np.int32)
    for index, name in enumerate(schema.categories):
        if name in columns.features:
            categories[:, index] = category_column(columns.features[name], count, words, _column(name, first_row))
    if len(columns.contexts) not in {0, 1, count}:
        raise wrong_shape("contexts", f"none, one or [{count}]", columns.contexts)
    if len(columns.events) not in {0, count}:
        raise wrong_shape("events", f"none or [{count}]", columns.events)
    return Block(
        digest=schema.digest,
        entity_ids=_ids(columns.entity_ids, count, first_row),
        numbers=numbers,
        categories=categories,
        dictionary=list(words),
        ragged=ragged_columns(columns, schema, rows=count, first_row=first_row),
        contexts=contexts(columns.contexts, first_row),
        events=events_at_hand(columns.events, first_row),
    )


def check_types(columns: Columns, schema: RouteSchema) -> None:
    """Raises InvalidRequestError for a column of which no value has a type that its feature takes."""
    for name, column in columns.features.items():
        if name in schema.numbers:
            check_column(name, column, "numbers", NUMBERS)
        elif name in schema.categories:
            check_column(name, column, "category names as text", (str,))
    check_column("entity_ids", columns.entity_ids, "texts or whole numbers", (str, int, np.integer), without=(bool,))


def _check_names(entities: Sequence[Entity], schema: RouteSchema, first_row: int) -> None:
    for index, entity in enumerate(entities):
        if not isinstance(entity.features, Mapping):
            raise wrong_type("features", "a mapping of names to values", entity.features, first_row + index)
        if not schema.names.issuperset(entity.features):
            unknown = next(name for name in entity.features if name not in schema.names)
            raise unknown_name("feature", unknown, schema.names, route=schema.route, row=first_row + index)


def _flat(entities: Sequence[Entity], names: Sequence[str]) -> list[Any]:
    return [features.get(name) for features in (entity.features for entity in entities) for name in names]


def _ids(ids: Column, count: int, first_row: int) -> list[str]:
    if len(ids) not in {0, count}:
        raise wrong_shape("entity_ids", f"none or [{count}]", ids)
    return texts(ids, _column("entity_id", first_row)) if len(ids) else [""] * count


def _grid(names: Sequence[str], first_row: int) -> Locator:
    return lambda index: (names[index % len(names)], first_row + index // len(names))


def _column(name: str, first_row: int) -> Locator:
    return lambda index: (name, first_row + index)
