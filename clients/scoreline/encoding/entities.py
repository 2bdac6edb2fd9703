"""What callers hand in: one entity, or many as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Value: TypeAlias = float | str | bool | None
"""A number, a category's name or a text, a flag, or None for missing. NaN is missing too."""

Steps: TypeAlias = Sequence[Mapping[str, float | None]] | npt.NDArray[Any]
"""A history, oldest step first: a mapping per step, or numbers [T, S] in the order of the route's step features.

Neighbours come in the same forms, in any order: a mapping per neighbour, or numbers [K, G]."""

_NOTHING: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Someone or something to score.

    ``entity_id`` is what the route's split hashes. ``context`` holds facts that rules read and features do not hold.
    ``neighbors`` are the units around it, such as who referred it.
    """

    entity_id: str = ""
    features: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    sequence: Steps | None = None
    neighbors: Steps | None = None
    context: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """N entities by column.

    ``features`` holds, per name, N values: a numpy array, anything with ``__array__`` (a pandas or Polars series) or a
    sequence. ``entity_ids`` holds N texts, or is empty. ``sequences`` is float [N, T, S] with ``lengths`` int [N]
    (without lengths every entity has T steps), or N histories as an Entity has them; ``neighbors`` and
    ``neighbor_counts`` likewise. ``contexts`` is empty, one mapping for all in a sequence of one, or N mappings.
    """

    features: Mapping[str, Any]
    entity_ids: Sequence[str] | npt.NDArray[Any] = ()
    sequences: npt.NDArray[Any] | Sequence[Steps | None] | None = None
    lengths: npt.NDArray[np.integer[Any]] | Sequence[int] | None = None
    contexts: Sequence[Mapping[str, Value]] = ()
    neighbors: npt.NDArray[Any] | Sequence[Steps | None] | None = None
    neighbor_counts: npt.NDArray[np.integer[Any]] | Sequence[int] | None = None

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
        """The entities from ``start`` up to ``stop``."""
        part = slice(start, stop)
        return Columns(
            features={name: column[part] for name, column in self.features.items()},
            entity_ids=self.entity_ids[part],
            sequences=None if self.sequences is None else self.sequences[part],
            lengths=None if self.lengths is None else self.lengths[part],
            contexts=self.contexts if len(self.contexts) <= 1 else self.contexts[part],
            neighbors=None if self.neighbors is None else self.neighbors[part],
            neighbor_counts=None if self.neighbor_counts is None else self.neighbor_counts[part],
        )

    def only(self, rows: Sequence[int]) -> "Columns":
        """The entities at ``rows``."""
        return Columns(
            features={name: _taken(column, rows) for name, column in self.features.items()},
            entity_ids=_taken(self.entity_ids, rows) if len(self.entity_ids) else (),
            sequences=None if self.sequences is None else _taken(self.sequences, rows),
            lengths=None if self.lengths is None else _taken(self.lengths, rows),
            contexts=self.contexts if len(self.contexts) <= 1 else _taken(self.contexts, rows),
            neighbors=None if self.neighbors is None else _taken(self.neighbors, rows),
            neighbor_counts=None if self.neighbor_counts is None else _taken(self.neighbor_counts, rows),
        )


def _taken(column: Any, rows: Sequence[int]) -> Any:
    if isinstance(column, np.ma.MaskedArray):
        return column[list(rows)]
    return np.asarray(column)[list(rows)] if hasattr(column, "__array__") else [column[row] for row in rows]
