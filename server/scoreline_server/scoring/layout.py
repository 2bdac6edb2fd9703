"""The layout of a route's schema: the column of each feature in the engine's blocks.

A layout is the schema as columns: number features in one float32 block, category features in one int32 block, each in
schema order, and one float32 block of items for each ragged input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from scoreline_registry.documents.contract import FeatureKind
from scoreline_registry.documents.ragged import RaggedInput


@dataclass(frozen=True)
class Layout:
    """The columns of a route's schema."""

    features: Mapping[str, FeatureKind]
    ragged: tuple[RaggedInput, ...] = ()
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
    def number_bytes(self) -> int:
        """The bytes of one row of the numbers block."""
        return 4 * len(self.numbers)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each ragged input in ``ragged``, by its name."""
        return {each.name: place for place, each in enumerate(self.ragged)}

    @cached_property
    def items(self) -> tuple[Mapping[str, int], ...]:
        """For each ragged input, the column of each of its features in its block of items."""
        return tuple({name: column for column, name in enumerate(each.features)} for each in self.ragged)

    @cached_property
    def item_codes(self) -> tuple[Mapping[int, Mapping[str, int]], ...]:
        """For each ragged input, the codes of each column that is a category, by column."""
        return tuple(
            {each.features.index(name): _codes(names) for name, names in each.vocabularies.items()}
            for each in self.ragged
        )

    def _columns(self, kind: FeatureKind) -> Mapping[str, int]:
        names = [name for name, its_kind in self.features.items() if its_kind == kind]
        return {name: column for column, name in enumerate(names)}


def _codes(names: Sequence[str]) -> Mapping[str, int]:
    return {name: code for code, name in enumerate(names)}
