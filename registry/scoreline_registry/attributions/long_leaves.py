"""Leaves whose paths have too many sources for a table: few, and most of a row's are out of reach of the cohort."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.blocks import Leaf
from scoreline_registry.attributions.leaf_games import Masks, gains_and_losses
from scoreline_registry.attributions.trees import Bools, Float32, Float64, Int32, TreeArrays

Indices = npt.NDArray[np.intp]

_ONE, _EVERY = np.uint64(1), np.uint64(2**64 - 1)


@dataclass(frozen=True, slots=True, eq=False)
class LongLeaves:
    """Leaves with the masks that the cohort's rows have at them.

    Attributes:
        column, threshold, missing, yes, bit: one entry for each test of each path: what it compares, the way that the
            path goes, and the bit of a row that fails it.
        start: where the tests of each leaf begin.
        reference: uint64 [leaves, most], the different masks that the cohort's rows have at each leaf.
        weight: float64 [leaves, most], the share of rows that have each times the leaf's value; 0 beyond their number.
        sources: int32 [leaves, bits], -1 where a leaf has fewer.
    """

    column: Int32
    threshold: Float32
    missing: Bools
    yes: Bools
    bit: npt.NDArray[np.uint64]
    start: Indices
    reference: Masks
    weight: Float64
    sources: Int32

    @classmethod
    def of(cls, leaves: Sequence[Leaf], trees: TreeArrays) -> "LongLeaves":
        """Those of some trees."""
        edges = [edge for leaf in leaves for edge in leaf.path]
        nodes = np.array([edge.node for edge in edges], np.intp)
        lengths = np.array([len(leaf.path) for leaf in leaves], np.intp)
        sources = np.full((len(leaves), _most(leaf.sources for leaf in leaves)), -1, np.int32)
        reference = np.full((len(leaves), _most(leaf.reference for leaf in leaves)), _EVERY, np.uint64)
        weight = np.zeros(reference.shape)
        for place, leaf in enumerate(leaves):
            sources[place, : len(leaf.sources)] = leaf.sources
            reference[place, : len(leaf.reference)] = leaf.reference
            weight[place, : len(leaf.counts)] = leaf.value * leaf.counts
        return cls(
            trees.column[nodes],
            trees.threshold[nodes],
            trees.missing[nodes],
            np.array([edge.yes for edge in edges], np.bool_),
            np.array([edge.bit for edge in edges], np.uint64),
            np.cumsum(lengths) - lengths,
            reference,
            weight,
            sources,
        )

    @property
    def nbytes(self) -> int:
        """The memory of the arrays."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def __len__(self) -> int:
        return len(self.start)

    def add(self, found: Float64, matrix: Float32) -> None:
        """Adds the contributions of rows float32 [N, C] to ``found`` float64 [N, players]."""
        if len(self):
            for values, row in zip(found, matrix, strict=True):
                self._add(values, row)

    def _add(self, found: Float64, row: Float32) -> None:
        masks = self._masks(row)
        leaf, place = np.nonzero(((masks[:, None] & self.reference) == 0) & (self.weight != 0))
        reference, weight = self.reference[leaf, place], self.weight[leaf, place]
        gains, losses = gains_and_losses(self.sources.shape[1])
        only_reference, only_row = np.bitwise_count(reference), np.bitwise_count(masks)[leaf]
        loss = np.bincount(leaf, losses[only_reference, only_row] * weight, len(masks))
        gain = gains[only_reference, only_row] * weight
        bits = np.arange(self.sources.shape[1], dtype=np.uint64)
        changes = (reference[:, None] >> bits & _ONE) * gain[:, None]
        _add_to(found, self.sources[leaf], changes)
        _add_to(found, self.sources, -(masks[:, None] >> bits & _ONE).astype(np.float64) * loss[:, None])

    def _masks(self, row: Float32) -> Masks:
        """uint64 [leaves]: the bits of the sources that the row fails."""
        values = row[self.column]
        passed = values <= self.threshold
        passed |= np.isnan(values) & self.missing
        masks: Masks = np.bitwise_or.reduceat((passed != self.yes).astype(np.uint64) << self.bit, self.start)
        return masks


def _add_to(found: Float64, sources: Int32, changes: Float64) -> None:
    """Adds to each source of [M, bits] its change; places without a source hold 0."""
    found += np.bincount(np.maximum(sources, 0).ravel(), changes.ravel(), len(found))


def _most(arrays: Iterable[npt.NDArray[Any]]) -> int:
    return max(map(len, arrays), default=0)
