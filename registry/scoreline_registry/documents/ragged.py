"""Ragged inputs: a variable number of items per entity, each a row of the same named columns, up to a maximum.

There are two kinds, the steps of a sequence and the neighbors of a unit. Documents, messages and graphs have names of
their own for each; everything else reads both as ``RaggedInput``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RaggedKind:
    """The names and limits in which the two kinds differ.

    Attributes:
        name: the key of documents, and the graph input float32 [N, items, columns].
        presence: the graph input that says which of the padded items count.
        masked: True where ``presence`` is a mask, bool [N, items]; False where it is counts, int64 [N].
        limit: the key of the maximum in documents.
        least: the fewest items that an entity may have.
        item: one item, as messages call it.
        items: several, as messages call them.
        noun: the input as a whole, as messages call it.
        most: the text of a maximum, to be formatted with it.
        axis: the graph's name for the dimension of items.
    """

    name: str
    presence: str
    masked: bool
    limit: str
    least: int
    item: str
    items: str
    noun: str
    most: str
    axis: str


SEQUENCE = RaggedKind(
    name="sequence",
    presence="lengths",
    masked=False,
    limit="max_length",
    least=1,
    item="step",
    items="steps",
    noun="a sequence",
    most="sequences of at most {} steps",
    axis="T",
)
NEIGHBORS = RaggedKind(
    name="neighbors",
    presence="neighbor_mask",
    masked=True,
    limit="max_neighbors",
    least=0,
    item="neighbor",
    items="neighbors",
    noun="neighbors",
    most="at most {} neighbors",
    axis="K",
)
RAGGED_KINDS = (SEQUENCE, NEIGHBORS)
"""In the order of documents, graphs and messages."""


@dataclass(frozen=True, slots=True)
class RaggedInput:
    """One ragged input of a model or a route: its columns in order, and the most items of an entity.

    ``vocabularies`` has the names of each column that is a category; its values are their indices.
    """

    kind: RaggedKind
    features: tuple[str, ...]
    max_items: int
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The key of documents, and the graph input."""
        return self.kind.name

    def written(self) -> Mapping[str, Any]:
        """The JSON of the input in documents."""
        written: dict[str, Any] = {"features": list(self.features), self.kind.limit: self.max_items}
        if self.vocabularies:
            written["vocabularies"] = {name: list(names) for name, names in self.vocabularies.items()}
        return written
