"""What is to be scored, still in the caller's terms, so that it can be packed again when the route's layout changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scoreline.block import Block
from scoreline.entities import Columns, Entity
from scoreline.packing import pack_columns, pack_entities
from scoreline.schema import RouteSchema


class Batch(Protocol):
    """N entities."""

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int) -> "Batch":
        """The entities from ``start`` up to ``stop``."""
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

    def pack(self, schema: RouteSchema) -> Block:
        """The entities as a schema lays them out. Raises InvalidRequestError."""
        return pack_columns(self.columns, schema, first_row=self.first_row)


def batch_of(rows: Any, **beside: Any) -> Batch:
    """The batch for what a caller gave: Entity values, Columns, or a mapping of columns with what stands ``beside`` it.

    Raises TypeError when neither.
    """
    given = {name: value for name, value in beside.items() if value is not None}
    if isinstance(rows, Mapping):
        return ColumnBatch(Columns(features=rows, **given))
    if given:
        raise TypeError(f"{', '.join(given)} belong beside columns; Entity values hold their own")
    if isinstance(rows, Columns):
        return ColumnBatch(rows)
    entities = tuple(rows)
    for entity in entities:
        if not isinstance(entity, Entity):
            raise TypeError(f"rows must be Entity values, Columns or a mapping of columns, not {type(entity).__name__}")
    return EntityBatch(entities)
