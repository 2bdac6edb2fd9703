"""Where each feature of a route's schema stands in the blocks that the engine works on.

A layout is the schema as columns: number features in one float32 block, category features in one int32 block, each in
schema order, the step features of the sequence, and the neighbour features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from scoreline_registry.documents.contract import FeatureKind


@dataclass(frozen=True)
class Layout:
    """The columns of a route's schema."""

    features: Mapping[str, FeatureKind]
    step_features: tuple[str, ...] = ()
    max_length: int = 0
    neighbor_features: tuple[str, ...] = ()
    max_neighbors: int = 0
    digest: str = field(default="", compare=False)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The column of each number feature in the numbers block."""
        return self._columns("number")

    @cached_property
    def categories(self) -> Mapping[str, int]:
        """The column of each category feature in the categories block."""
        return self._columns("category")

    @cached_property
    def steps(self) -> Mapping[str, int]:
        """The column of each step feature in the steps block."""
        return {name: column for column, name in enumerate(self.step_features)}

    @cached_property
    def neighbors(self) -> Mapping[str, int]:
        """The column of each neighbour feature in the neighbours block."""
        return {name: column for column, name in enumerate(self.neighbor_features)}

    @cached_property
    def number_bytes(self) -> int:
        """The bytes of one row of the numbers block."""
        return 4 * len(self.numbers)

    @cached_property
    def has_only_numbers(self) -> bool:
        """True for the commonest layouts: no category, no sequence, no neighbours."""
        return not self.categories and not self.has_sequence and not self.has_neighbors

    @cached_property
    def is_ragged(self) -> bool:
        """True where entities have any number of something: steps or neighbours."""
        return self.has_sequence or self.has_neighbors

    @property
    def has_sequence(self) -> bool:
        """True where callers send a history."""
        return bool(self.step_features)

    @property
    def has_neighbors(self) -> bool:
        """True where callers send neighbours."""
        return bool(self.neighbor_features)

    def _columns(self, kind: FeatureKind) -> Mapping[str, int]:
        names = [name for name, its_kind in self.features.items() if its_kind == kind]
        return {name: column for column, name in enumerate(names)}
