"""Segments: the names of one category feature, as places in a table of members or heads, natively and as graph nodes.

All others go to the last place, the fallback: a name outside the vocabulary, a missing one, and a
segment that was left out because too little was known of it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Float32, Int64
from scoreline_trainers.errors import FitError
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.preprocessing import category_slots, emit_category_slots
from scoreline_trainers.graph.tensor import Tensor, constant, graph_input


@dataclass(frozen=True, slots=True)
class Segments:
    """K segments in the order of their places 0 to K - 1; the fallback's place is K.

    Attributes:
        column: of ``features``, where the codes stand.
        vocabulary: the feature's names in the order of their codes.
        names: those with a place of their own, each in the vocabulary.
    """

    column: int
    vocabulary: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, inputs: InputContract, feature: str, *, family: str) -> "Segments":
        """Every name of a category feature, by its name in the contract. Raises FitError where it is none."""
        names = [each.name for each in inputs.features]
        if feature not in names:
            there = f"the features are {', '.join(names[:40])}" if names else "there are no features"
            raise FitError(family, f"learns from segments in the feature {feature!r}, and {there}")
        column = names.index(feature)
        found = inputs.features[column]
        if found.kind != "category":
            raise FitError(family, f"learns from segments in {feature!r}, a number: declare it 'kind: category'")
        return cls(column, found.vocabulary, found.vocabulary)

    @property
    def fallback(self) -> int:
        """K, the place of all other rows."""
        return len(self.names)

    def only(self, names: Collection[str]) -> "Segments":
        """The same with places for fewer segments; order stays."""
        return replace(self, names=tuple(name for name in self.names if name in names))

    def places(self, features: Float32) -> Int64:
        """float32 [N, F] -> int64 [N], 0 to K."""
        return self._table[category_slots(features[:, [self.column]], [len(self.vocabulary)])[:, 0]]

    def emit(self, graph: GraphBuilder) -> Tensor:
        """Graph nodes of ``places``, read from the graph's input ``features``: int64 [N]."""
        slots = emit_category_slots(graph_input(graph, "features").columns([self.column]), [len(self.vocabulary)])
        return constant(graph, self._table, np.int64).gather(slots).squeeze(1)

    @property
    def _table(self) -> Int64:
        """int64 [vocabulary + 2]: the place of each slot, see ``category_slots``."""
        place = {name: index for index, name in enumerate(self.names)}
        known = [place.get(name, self.fallback) for name in self.vocabulary]
        return np.array([*known, self.fallback, self.fallback], np.int64)
