"""What is to be scored, still in the caller's terms, so that it can be packed again when the route's layout changes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from scoreline.encoding.block import Block
from scoreline.encoding.entities import Columns, Entity
from scoreline.encoding.packing import pack_columns, pack_entities
from scoreline.encoding.validation import invalid, wrong_shape, wrong_type
from scoreline.schema import RouteSchema

MAX_ENTITIES = 1024
"""The most that a call may carry."""


class Batch(Protocol):
    """N entities; ``first_row`` is the first one's place in all that the caller handed in."""

    @property
    def first_row(self) -> int: ...

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int) -> "Batch":
        """The entities from ``start`` up to ``stop``."""
        ...

    def only(self, rows: Sequence[int]) -> "Batch":
        """The entities at ``rows``."""
        ...

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError."""
        ...


@dataclass(frozen=True, slots=True)
class EntityBatch:
    """Entities one by one."""

    entities: Sequence[Entity]
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.entities)

    def rows(self, start: int, stop: int) -> "EntityBatch":
        """The entities from ``start`` up to ``stop``."""
        return EntityBatch(self.entities[start:stop], self.first_row + start)

    def only(self, rows: Sequence[int]) -> "EntityBatch":
        """The entities at ``rows``."""
        return EntityBatch([self.entities[row] for row in rows], self.first_row)

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError."""
        return pack_entities(self.entities, schema, first_row=self.first_row)


@dataclass(frozen=True, slots=True)
class ColumnBatch:
    """Entities by column."""

    columns: Columns
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.columns)

    def rows(self, start: int, stop: int) -> "ColumnBatch":
        """The entities from ``start`` up to ``stop``."""
        return ColumnBatch(self.columns.rows(start, stop), self.first_row + start)

    def only(self, rows: Sequence[int]) -> "ColumnBatch":
        """The entities at ``rows``."""
        return ColumnBatch(self.columns.only(rows), self.first_row)

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError."""
        return pack_columns(self.columns, schema, first_row=self.first_row)


Rows: TypeAlias = Entity | Columns | Mapping[str, Any]
"""What an iterable of rows may hold: entities, or chunks of columns."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What a caller gave as batches of at most MAX_ENTITIES, in order; ``count`` entities, 0 where nobody can tell yet.

    Of an iterable no more is taken than is asked for.
    """

    count: int
    batches: Iterator[Batch]


def take_in(rows: Iterable[Rows] | Columns | Mapping[str, Any], **beside: Any) -> Intake:
    """Reads what a caller gave; ``beside`` stands beside a mapping of columns.

    Raises InvalidRequestError for anything that is neither rows nor columns of one length.
    """
    given = {name: value for name, value in beside.items() if value is not None}
    if isinstance(rows, Mapping):
        rows, given = Columns(features=rows, **given), {}
    if given:
        raise invalid(f"{', '.join(given)} belong beside columns; Entity values hold their own", "WRONG_TYPE", "rows")
    if isinstance(rows, Columns):
        return Intake(len(_checked(rows)), _cut(rows, 0))
    if isinstance(rows, Entity):
        raise invalid("rows: give a list of Entity values, or score one entity with score()", "WRONG_TYPE", "rows")
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise wrong_type("rows", _WANTED, rows)
    return Intake(len(rows) if isinstance(rows, Sized) else 0, _of_iterable(rows))


_WANTED = "Entity values, Columns, a mapping of columns, or an iterable of chunks of columns"


def _of_iterable(rows: Iterable[Rows]) -> Iterator[Batch]:
    entities: list[Entity] = []
    first_row = 0
    for item in rows:
        if isinstance(item, Entity):
            entities.append(item)
            if len(entities) < MAX_ENTITIES:
                continue
        if entities:
            yield EntityBatch(entities, first_row)
            first_row, entities = first_row + len(entities), []
        if isinstance(item, Columns | Mapping):
            columns = _checked(item if isinstance(item, Columns) else Columns(features=item))
            yield from _cut(columns, first_row)
            first_row += len(columns)
        elif not isinstance(item, Entity):
            raise wrong_type("rows", _WANTED, item)
    if entities:
        yield EntityBatch(entities, first_row)


def _cut(columns: Columns, first_row: int) -> Iterator[Batch]:
    whole = ColumnBatch(columns, first_row)
    for start in range(0, len(columns), MAX_ENTITIES):
        yield whole.rows(start, min(start + MAX_ENTITIES, len(columns)))


def _checked(columns: Columns) -> Columns:
    """The columns, whose lengths are one."""
    for name, column in columns.features.items():
        if not hasattr(column, "__len__"):
            raise wrong_type(str(name), "a column with a length (one row by itself is a scoreline.Entity)", column)
    beside = {name: column for name in _BESIDE if (column := getattr(columns, name)) is not None}
    for name, column in beside.items():
        if not hasattr(column, "__len__"):
            raise wrong_type(name, "one value for each row", column)
    count = len(columns)
    for name, column in columns.features.items():
        if len(column) != count:
            raise wrong_shape(str(name), f"a column [{count}] like the others", column)
    for name, column in beside.items():
        if len(column) not in {count, *_BESIDE[name]}:
            raise wrong_shape(name, f"[{count}] like the columns", column)
    return columns


# What stands beside features, and the lengths that it may have whatever the number of rows.
_BESIDE: Mapping[str, Collection[int]] = {
    "entity_ids": (0,),
    "sequences": (),
    "lengths": (),
    "contexts": (0, 1),
    "neighbors": (),
    "neighbor_counts": (),
}
