"""Raw columns as the numbers that linear and neural models take, natively and as graph nodes.

Both sides compute in float64, so they agree to the last bits whatever the scale of a column.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import Feature
from scoreline_trainers.data.batch import Float32, Float64, Int64
from scoreline_trainers.data.features import category_columns
from scoreline_trainers.graph.scaling import Scaling, ScalingMethod
from scoreline_trainers.graph.tensor import Tensor, concat


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The design matrix: scaled numbers, flags of gaps, then each category one-hot with "other" and "missing".

    Attributes:
        numbers, categories: the columns of ``features`` of each kind.
        scaling: of the numbers.
        sizes: vocabulary length of each category.
        gaps: the numbers that were missing in training rows; each has a column that is 1 where it is missing.
    """

    numbers: tuple[int, ...]
    categories: tuple[int, ...]
    scaling: Scaling
    sizes: tuple[int, ...]
    gaps: tuple[int, ...] = ()

    @classmethod
    def fit(
        cls,
        features: Float32,
        columns: Sequence[Feature],
        *,
        scaling: ScalingMethod = "standard",
        without: Container[int] = (),
    ) -> "Design":
        """Fits on float32 [M, F] with the contract's ``columns``, ``without`` some categories."""
        every = category_columns(columns)
        categories = tuple(index for index in every if index not in without)
        numbers = tuple(index for index in range(len(columns)) if index not in every)
        sizes = tuple(len(columns[index].vocabulary) for index in categories)
        gaps = tuple(index for index in numbers if np.isnan(features[:, index]).any())
        return cls(numbers, categories, Scaling.fit(features[:, numbers], scaling), sizes, gaps)

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return len(self.sources)

    @property
    def sources(self) -> tuple[int, ...]:
        """The column of ``features`` that each column of the matrix is made of, [width]."""
        one_hot = zip(self.categories, self.sizes, strict=True)
        return (*self.numbers, *self.gaps, *(index for index, size in one_hot for _ in range(size + 2)))

    def apply(self, features: Float32) -> Float64:
        """float32 [N, F] -> float64 [N, width]."""
        parts = [self.scaling.apply(features[:, self.numbers]), np.isnan(features[:, self.gaps])]
        slots = category_slots(features[:, self.categories], self.sizes)
        parts += [np.eye(size + 2)[slots[:, index]] for index, size in enumerate(self.sizes)]
        return np.concatenate(parts, axis=1, dtype=np.float64)

    def emit(self, features: Tensor) -> Tensor:
        """Graph nodes of ``apply``: float32 [N, F] -> double [N, width]."""
        parts = [self.scaling.emit(features.columns(self.numbers))] if self.numbers else []
        if self.gaps:
            parts.append(features.columns(self.gaps).isnan().cast(np.float64))
        if self.categories:
            parts.append(self._emit_one_hot(emit_category_slots(features.columns(self.categories), self.sizes)))
        return concat(parts)

    def _emit_one_hot(self, slots: Tensor) -> Tensor:
        owner = np.repeat(np.arange(len(self.sizes)), [size + 2 for size in self.sizes])
        slot = np.concatenate([np.arange(size + 2) for size in self.sizes])
        return slots.columns(owner.tolist()).equal(slot).cast(np.float64)


def category_slots(codes: Float32, sizes: Sequence[int]) -> Int64:
    """Codes as table rows: 0 to size-1 are names, size is "other", size+1 is missing or no code at all.

    Args:
        codes: float32 [N, C]; fractions are cut off towards zero, as LightGBM does.
        sizes: vocabulary length of each of the C categories.

    Returns:
        int64 [N, C].
    """
    missing = np.asarray(sizes, np.float32) + 1
    # Not a number is not above -1 either.
    return np.minimum(np.where(codes > -1, codes, missing), missing).astype(np.int64)


def emit_category_slots(codes: Tensor, sizes: Sequence[int]) -> Tensor:
    """Graph nodes of ``category_slots``: float32 [N, C] -> int64 [N, C]."""
    missing = np.asarray(sizes) + 1
    return (codes > -1).where(codes, missing).minimum(missing).to_int64()
