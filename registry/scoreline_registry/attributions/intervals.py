"""Between which thresholds of its column a value lies, for all columns in one search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.trees import Bools, Float32, TreeArrays

Indices = npt.NDArray[np.intp]
Keys = npt.NDArray[np.int64]

_ZERO = np.float32(0)


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """The distinct thresholds of K columns; a column with n of them has n + 1 intervals, and one more for NaN.

    Attributes:
        columns: int32 [K], ascending.
        keys: int64 [thresholds], ascending: the place of the column, then the threshold in order.
        first: [K], how many keys are before a column's.
        thresholds: how many each column has.
    """

    columns: npt.NDArray[np.int32]
    keys: Keys
    first: Indices
    thresholds: Indices

    @classmethod
    def of(cls, trees: TreeArrays, columns: Sequence[int]) -> "Intervals":
        """Those of some columns that trees test."""
        values = [np.unique(trees.threshold[trees.column == column] + _ZERO) for column in columns]
        counts = np.array([len(each) for each in values], np.intp)
        keys = [_keys(each, np.int64(place)) for place, each in enumerate(values)]
        return cls(
            np.array(columns, np.int32),
            np.concatenate(keys or [np.empty(0, np.int64)]),
            np.cumsum(counts) - counts,
            counts,
        )

    def count(self, place: int) -> int:
        """How many intervals a column has, that of NaN with them."""
        return int(self.thresholds[place]) + 2

    def of_rows(self, values: Float32) -> Indices:
        """[N, K], the interval of each value float32 [N, K]: how many of its column's thresholds are below it."""
        below = np.searchsorted(self.keys, _keys(values + _ZERO, np.arange(len(self.columns)))) - self.first
        return np.where(np.isnan(values), self.thresholds + 1, below)

    def passed(self, place: int, trees: TreeArrays, node: int) -> Bools:
        """bool [intervals]: whether values of each interval go to "yes" at a node that tests the column."""
        own = self.keys[self.first[place] : self.first[place] + self.thresholds[place]]
        rank = np.searchsorted(own, _keys(trees.threshold[node] + _ZERO, np.int64(place)))
        passed = np.arange(self.count(place)) <= rank
        passed[-1] = trees.missing[node]
        return passed


def _keys(values: Float32, places: npt.NDArray[np.int64] | np.int64) -> Keys:
    """The place of a column in the upper half and a float32 in the lower, so that integers are in the values' order."""
    bits = np.asarray(values, np.float32).view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    keys: Keys = (places << np.int64(33)) + ordered
    return keys
