"""The caller's input: one entity, or many as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.encoding.events import EventLike
from scoreline.encoding.tables import Column, items, sliced, taken, values

Value: TypeAlias = float | str | bool | None
"""A number, a category's name or a text, a flag, or None for missing. NaN is missing too."""

Steps: TypeAlias = Sequence[Mapping[str, float | str | None]] | npt.NDArray[Any]
"""A history, oldest step first: a mapping per step, or numbers [T, S] in the order of the route's step features.

In mappings a step feature that is a category is its name; in arrays the index of the name in the schema's vocabulary.

Neighbours come in the same forms, in any order: a mapping per neighbour, or numbers [K, G]."""

EntityId: TypeAlias = str | int
"""A text; a whole number stands for its decimal digits."""

NO_FEATURES: Mapping[str, Value] = MappingProxyType({})
NO_CONTEXT: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One entity to score, such as a customer or an account.

    ``entity_id`` is what the route's split hashes; a whole number is sent as its decimal text. ``context`` holds facts
    that rules read and features do not hold. ``neighbors`` are related units, such as the customer who referred it.
    ``event`` is the event at hand, where the route reads profiles: it is compared with the entity's past events.
    """

    entity_id: EntityId = ""
    features: Mapping[str, Value] = field(default_factory=lambda: NO_FEATURES)
    sequence: Steps | None = None
    neighbors: Steps | None = None
    context: Mapping[str, Value] = field(default_factory=lambda: NO_CONTEXT)
    event: EventLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """N entities by column.

    ``features`` holds, per name, N values: a numpy array, a pandas or Polars series, an Arrow array or a sequence.
    ``entity_ids`` holds N texts or whole numbers, which are sent as their decimal text, or is empty. ``sequences`` is
    float [N, T, S] with ``lengths`` int [N] (without lengths every entity has T steps), or N histories as an Entity has
    them; ``neighbors`` and ``neighbor_counts`` likewise. ``contexts`` is empty, one mapping for all in a sequence of
    one, or N mappings. ``events`` is empty, or N events at hand, of which some may be None.
    """

    features: Mapping[str, Any]
    entity_ids: Column = ()
    sequences: npt.NDArray[Any] | Sequence[Steps | None] | None = None
    lengths: npt.NDArray[np.integer[Any]] | Sequence[int] | None = None
    contexts: Sequence[Mapping[str, Value]] = ()
    neighbors: npt.NDArray[Any] | Sequence[Steps | None] | None = None
    neighbor_counts: npt.NDArray[np.integer[Any]] | Sequence[int] | None = None
    events: Sequence[EventLike | None] = ()

    def __len__(self) -> int:
        """The number of entities, as the first thing that was given has it."""
        if len(self.entity_ids):
            return len(self.entity_ids)
        if self.sequences is not None:
            return len(self.sequences)
        if self.neighbors is not None:
            return len(self.neighbors)
        return next((len(column) for column in self.features.values()), 0)

    def rows(self, start: int, stop: int) -> "Columns":
        """The entities from ``start`` up to ``stop``, their columns as arrays and lists."""

        def part(column: Any) -> Any:
            return None if column is None else sliced(column, start, stop)

        return Columns(
            features={name: values(part(column)) for name, column in self.features.items()},
            entity_ids=items(part(self.entity_ids)),
            sequences=part(self.sequences),
            lengths=part(self.lengths),
            contexts=self.contexts if len(self.contexts) <= 1 else part(self.contexts),
            neighbors=part(self.neighbors),
            neighbor_counts=part(self.neighbor_counts),
            events=part(self.events) if len(self.events) else (),
        )

    def only(self, rows: Sequence[int]) -> "Columns":
        """The entities at ``rows`` of columns that ``rows`` has cut."""

        def part(column: Any) -> Any:
            return None if column is None else taken(column, rows)

        return Columns(
            features={name: part(column) for name, column in self.features.items()},
            entity_ids=part(self.entity_ids) if len(self.entity_ids) else (),
            sequences=part(self.sequences),
            lengths=part(self.lengths),
            contexts=self.contexts if len(self.contexts) <= 1 else part(self.contexts),
            neighbors=part(self.neighbors),
            neighbor_counts=part(self.neighbor_counts),
            events=part(self.events) if len(self.events) else (),
        )
