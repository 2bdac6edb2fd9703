"""Chunks of the caller's rows, not yet encoded, so that they can be encoded again when the route's schema changes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from scoreline.encoding.block import Block
from scoreline.encoding.entities import Columns, Entity
from scoreline.encoding.packing import check_types, pack_columns, pack_entities
from scoreline.encoding.tables import Table, columns_of, is_table, settled
from scoreline.encoding.validation import invalid, unknown_column, wrong_shape, wrong_type
from scoreline.errors import InvalidRequestError
from scoreline.schema import RouteSchema

MAX_ENTITIES = 1024
"""The most entities of a call."""


class RowChunk(Protocol):
    """N entities; ``first_row`` is the index of the first among all of the call."""

    @property
    def first_row(self) -> int: ...

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int) -> "RowChunk":
        """The entities from ``start`` up to ``stop``."""
        ...

    def only(self, rows: Sequence[int]) -> "RowChunk":
        """The entities at ``rows``."""
        ...

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError."""
        ...


@dataclass(frozen=True, slots=True)
class EntityChunk:
    """Entities as objects."""

    entities: Sequence[Entity]
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.entities)

    def rows(self, start: int, stop: int) -> "EntityChunk":
        """The entities from ``start`` up to ``stop``."""
        return EntityChunk(self.entities[start:stop], self.first_row + start)

    def only(self, rows: Sequence[int]) -> "EntityChunk":
        """The entities at ``rows``."""
        return EntityChunk([self.entities[row] for row in rows], self.first_row)

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError."""
        return pack_entities(self.entities, schema, first_row=self.first_row)


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """Entities by column. ``leads`` marks the first of all that were cut from the same columns."""

    columns: Columns
    first_row: int = 0
    leads: bool = False

    def __len__(self) -> int:
        return len(self.columns)

    def rows(self, start: int, stop: int) -> "ColumnChunk":
        """The entities from ``start`` up to ``stop``."""
        return ColumnChunk(self.columns.rows(start, stop), self.first_row + start)

    def only(self, rows: Sequence[int]) -> "ColumnChunk":
        """The entities at ``rows``."""
        return ColumnChunk(self.columns.only(rows), self.first_row)

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError.

        The error names no row where a leading batch has a column without a single value of the right type.
        """
        try:
            return pack_columns(self.columns, schema, first_row=self.first_row)
        except InvalidRequestError:
            if self.leads:
                check_types(self.columns, schema)
            raise


EntityRows: TypeAlias = Entity | Columns | Mapping[str, Any] | Table
"""What an iterable of rows may hold: entities, or chunks of columns."""

RowsLike: TypeAlias = Iterable[EntityRows] | Columns | Mapping[str, Any] | Table
"""What ``score_many`` takes: columns in any of their forms, or an iterable of rows."""


@dataclass(frozen=True, slots=True)
class RowChunks:
    """A caller's rows as chunks of at most MAX_ENTITIES, in order; ``count`` entities, 0 where it is not known.

    An iterable is read chunk by chunk.
    """

    count: int
    chunks: Iterator[RowChunk]


def row_chunks(rows: RowsLike, **beside: Any) -> RowChunks:
    """Cuts a caller's rows into chunks. ``beside`` are columns beside the features; ``entity_ids`` may name a feature.

    Raises InvalidRequestError for anything but rows or columns of one length.
    """
    given = {name: value for name, value in beside.items() if value is not None}
    if isinstance(rows, Mapping) or is_table(rows):
        rows, given = _columns(rows, **given), {}
    id_column = given.pop("entity_ids") if isinstance(given.get("entity_ids"), str) else None
    if given:
        text = f"{', '.join(given)} belong beside columns (a data frame, a mapping), not beside {type(rows).__name__}"
        raise invalid(f"{text}; Entity values hold their own", "WRONG_TYPE", "rows")
    if isinstance(rows, Columns):
        return RowChunks(len(_checked(rows)), _cut(rows, 0))
    if isinstance(rows, Entity):
        raise invalid("rows: give a list of Entity values, or score one entity with score()", "WRONG_TYPE", "rows")
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise wrong_type("rows", _WANTED, rows)
    return RowChunks(len(rows) if isinstance(rows, Sized) else 0, _of_iterable(rows, id_column))


_WANTED = "Entity values, columns (a data frame, an Arrow table, a mapping), or an iterable of such chunks"


def _columns(given: Mapping[str, Any] | Table, *, entity_ids: Any = (), **beside: Any) -> Columns:
    features = dict(given) if isinstance(given, Mapping) else columns_of(given)
    if isinstance(entity_ids, str):
        if entity_ids not in features:
            raise unknown_column(entity_ids, features)
        entity_ids = features.pop(entity_ids)
    return Columns(features=features, entity_ids=entity_ids, **beside)


def _of_iterable(rows: Iterable[EntityRows], id_column: str | None) -> Iterator[RowChunk]:
    entities: list[Entity] = []
    first_row = 0
    for item in rows:
        if isinstance(item, Entity):
            entities.append(item)
            if len(entities) < MAX_ENTITIES:
                continue
        if entities:
            yield EntityChunk(entities, first_row)
            first_row, entities = first_row + len(entities), []
        if isinstance(item, Columns | Mapping) or is_table(item):
            columns = _checked(item if isinstance(item, Columns) else _columns(item, entity_ids=id_column or ()))
            yield from _cut(columns, first_row)
            first_row += len(columns)
        elif not isinstance(item, Entity):
            raise wrong_type("rows", _WANTED, item)
    if entities:
        yield EntityChunk(entities, first_row)


def _cut(columns: Columns, first_row: int) -> Iterator[RowChunk]:
    features = {name: settled(column) for name, column in columns.features.items()}
    columns = replace(columns, features=features, entity_ids=settled(columns.entity_ids))
    for start in range(0, len(columns), MAX_ENTITIES):
        part = columns.rows(start, min(start + MAX_ENTITIES, len(columns)))
        yield ColumnChunk(part, first_row + start, leads=start == 0)


def _checked(columns: Columns) -> Columns:
    """The columns. Raises InvalidRequestError where they have no length, or not one and the same."""
    for name, column in columns.features.items():
        if not (hasattr(column, "__len__") and hasattr(column, "__getitem__")):
            raise wrong_type(str(name), "a column with a length (one row by itself is a scoreline.Entity)", column)
    beside = {name: column for name in _BESIDE if (column := getattr(columns, name)) is not None}
    for name, column in beside.items():
        if not hasattr(column, "__len__"):
            raise wrong_type(name, "one value for each row", column)
    count = len(columns)
    lengths = {len(column) for column in columns.features.values()}
    if len(lengths) == 1 and count not in lengths and len(columns.entity_ids) == count:
        raise wrong_shape("entity_ids", f"[{lengths.pop()}] like the columns", columns.entity_ids)
    for name, column in columns.features.items():
        if len(column) != count:
            raise wrong_shape(str(name), f"a column [{count}] like the others", column)
    for name, column in beside.items():
        if len(column) not in {count, *_BESIDE[name]}:
            raise wrong_shape(name, f"[{count}] like the columns", column)
    return columns


# The columns beside the features, and the lengths that each may have for any number of rows.
_BESIDE: Mapping[str, Collection[int]] = {
    "entity_ids": (0,),
    "sequences": (),
    "lengths": (),
    "contexts": (0, 1),
    "neighbors": (),
    "neighbor_counts": (),
    "events": (0,),
}
