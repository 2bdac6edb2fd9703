"""Features as a matrix of numbers with a column per category, for tree libraries without categories."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import MAX_FEATURES, Feature
from scoreline_trainers.data.batch import Float32
from scoreline_trainers.data.features import category_columns
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.trees.trees import Branch
from scoreline_trainers.graph.preprocessing import category_slots


@dataclass(frozen=True, slots=True)
class TreeColumns:
    """Numbers as they are, NaN included, then a 0/1 column for each name of each category, "other" and "missing".

    The graph computes only those 0/1 columns that some tree splits on.

    Attributes:
        numbers, categories: the columns of ``features`` of each kind.
        sizes: vocabulary length of each category.
    """

    numbers: tuple[int, ...]
    categories: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, features: Sequence[Feature], *, family: str) -> "TreeColumns":
        """For the columns of a contract. Raises FitError where the vocabularies are too long for a matrix."""
        categories = category_columns(features)
        numbers = tuple(index for index in range(len(features)) if index not in categories)
        sizes = tuple(len(features[index].vocabulary) for index in categories)
        columns = cls(numbers, categories, sizes)
        if columns.width > MAX_FEATURES:
            raise FitError(
                family,
                f"gives every category a column, and {columns.width} are more than {MAX_FEATURES}: shorten the "
                "vocabularies, or use 'lightgbm', which needs one for each feature",
            )
        return columns

    @property
    def width(self) -> int:
        """How many columns the matrix has."""
        return len(self.numbers) + sum(size + 2 for size in self.sizes)

    @property
    def origins(self) -> Sequence[int | tuple[int, int]]:
        """The source of each column of the matrix: a number's feature column, or a category's with the slot."""
        pairs = zip(self.categories, self.sizes, strict=True)
        return [*self.numbers, *((column, slot) for column, size in pairs for slot in range(size + 2))]

    def names(self, features: Sequence[Feature]) -> Sequence[str]:
        """The name of each column of the matrix, such as "income" or "city = oslo"."""
        return [_name(features, origin) for origin in self.origins]

    def apply(self, features: Float32) -> Float32:
        """float32 [N, F] -> float32 [N, width]."""
        slots = category_slots(features[:, self.categories], self.sizes)
        one_hot = [np.eye(size + 2, dtype=np.float32)[slots[:, index]] for index, size in enumerate(self.sizes)]
        return np.concatenate([features[:, self.numbers], *one_hot], axis=1)


def branch(origin: int | tuple[int, int], threshold: float, *, low: int, high: int, missing_low: bool) -> Branch:
    """A library's test of one column of the matrix.

    Args:
        origin: the column's, see ``TreeColumns.origins``.
        threshold: a float32; rows with ``x <= threshold`` go to ``low``, the others to ``high``.
        low, high: places of nodes.
        missing_low: whether NaN goes to ``low``; no 0/1 column has any.
    """
    if isinstance(origin, int):
        return Branch(origin, threshold, yes=low, no=high, missing=missing_low)
    column, slot = origin
    return Branch((column, frozenset({slot})), threshold, yes=high, no=low)


def _name(features: Sequence[Feature], origin: int | tuple[int, int]) -> str:
    if isinstance(origin, int):
        return features[origin].name
    column, slot = origin
    names = (*features[column].vocabulary, "any other", "missing")
    return f"{features[column].name} = {names[slot]}"
