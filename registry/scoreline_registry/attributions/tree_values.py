"""Exact interventional Shapley values of trees, for many rows at once or for one row after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.blocks import LONG_BITS, TABLE_BITS, Block, Edge, Leaf, TreeCutter
from scoreline_registry.attributions.deep_trees import add_deep_values
from scoreline_registry.attributions.leaf_games import Masks, leaf_interactions
from scoreline_registry.attributions.trees import Bools, Float32, Float64, Int32, TreeArrays

# Beyond so many inner nodes a tree is walked by rows: tables of all its leaves would cost more than they save.
MOST_TABLED = 256

_COST_OF_DEPTH = 20
_ROWS = 16_384
_ROWS_OF_PAIRS = 256

Outcomes = Mapping[int, Bools]


@dataclass(frozen=True, slots=True, eq=False)
class TreeExplainer:
    """Trees with the cohort that rows are compared with.

    Attributes:
        trees: over a matrix of C columns.
        sources: int32 [C], which source each column was made of; columns of one source are one player.
        players: how many sources there are.
        reference: float32 [B, C], at least one row.
    """

    trees: TreeArrays
    sources: Int32
    players: int
    reference: Float32

    @property
    def base(self) -> float:
        """The mean margin of the reference rows."""
        return float(self.trees.margin(self.reference).mean())

    @property
    def cost(self) -> int:
        """Visits of nodes that one row takes, in units of a table's."""
        sizes = (len(self.trees.below(root)) for root in self.trees.roots.tolist())
        return sum(size if size // 2 <= MOST_TABLED else _COST_OF_DEPTH * size for size in sizes)

    def values(self, matrix: Float32) -> Float64:
        """The Shapley values of rows float32 [N, C]: float64 [N, players]. Each row's total margin minus ``base``.

        Raises:
            TooManySourcesError: a path tests more than 64 different sources.
        """
        found = np.zeros((self.players, len(matrix)))
        columns = np.ascontiguousarray(matrix.T)
        for root in self.trees.roots.tolist():
            inner = self.trees.inner_below(root)[root]
            if len(inner) > MOST_TABLED:
                add_deep_values(found, self.trees, root, self.sources, matrix, self.reference)
            elif inner:
                self._add(found, root, inner, columns)
        return found.T

    def interactions(self, matrix: Float32, among: Sequence[int]) -> Float64:
        """The Shapley interaction indices of pairs among K sources: float64 [N, K, K], 0 on the diagonal.

        Raises:
            TooManySourcesError: see ``values``.
        """
        found = np.zeros((len(matrix), len(among), len(among)))
        place = np.full(self.players, -1, np.intp)
        place[list(among)] = np.arange(len(among))
        for start in range(0, len(matrix), _ROWS_OF_PAIRS):
            rows = slice(start, start + _ROWS_OF_PAIRS)
            for root in self.trees.roots.tolist():
                outcomes = outcomes_of(self.trees, self.trees.inner_below(root)[root], matrix[rows])
                for leaf in self.cutter(root).leaves():
                    here = place[leaf.sources]
                    kept = np.flatnonzero(here >= 0)
                    if len(kept) < 2:
                        continue
                    masks, where = np.unique(_failed(outcomes, leaf.path, len(matrix[rows])), return_inverse=True)
                    pairs = leaf_interactions(masks, leaf.reference, leaf.counts, len(leaf.sources))
                    part = leaf.value * pairs[:, kept[:, None], kept]
                    found[rows, here[kept, None], here[kept]] += part[where]
        return found

    def cutter(self, root: int) -> TreeCutter:
        """One tree, to be cut into blocks."""
        inner = self.trees.inner_below(root)[root]
        return TreeCutter(self.trees, root, self.sources, outcomes_of(self.trees, inner, self.reference))

    def _add(self, found: Float64, root: int, inner: list[int], columns: Float32) -> None:
        many = columns.shape[1] >= _ROWS
        parts = list(self.cutter(root).parts(leaf_bits=LONG_BITS if many else TABLE_BITS))
        for start in range(0, columns.shape[1], _ROWS):
            rows = slice(start, start + _ROWS)
            passed = {node: self._passed(node, columns[:, rows]) for node in inner}
            for part in parts:
                if isinstance(part, Block):
                    _add_block(found[:, rows], part, passed)
                else:
                    _add_leaf(found[:, rows], part, passed)

    def _passed(self, node: int, columns: Float32) -> Bools:
        values = columns[self.trees.column[node]]
        passed: Bools = values <= self.trees.threshold[node]
        return passed | np.isnan(values) if self.trees.missing[node] else passed


def outcomes_of(trees: TreeArrays, inner: list[int], matrix: Float32) -> Outcomes:
    """Inner node -> bool [N], which rows go to "yes" there."""
    return dict(zip(inner, trees.outcomes(matrix, inner), strict=True))


def _add_block(found: Float64, block: Block, passed: Outcomes) -> None:
    pattern = np.zeros(found.shape[1], np.uint16)
    for edge in block.path:
        pattern |= (passed[edge.node] != edge.yes).astype(np.uint16) << np.uint16(edge.bit)
    for bit, node in enumerate(block.inner, block.first_inner_bit):
        pattern |= passed[node].astype(np.uint16) << np.uint16(bit)
    places = pattern.astype(np.intp)
    for source, contributions in zip(block.sources.tolist(), block.table, strict=True):
        found[source] += contributions.take(places, mode="clip")


def _add_leaf(found: Float64, leaf: Leaf, passed: Outcomes) -> None:
    masks, where = np.unique(_failed(passed, leaf.path, found.shape[1]), return_inverse=True)
    found[leaf.sources] += leaf.values(masks).T[:, where]


def _failed(passed: Outcomes, path: tuple[Edge, ...], rows: int) -> Masks:
    masks: npt.NDArray[np.uint64] = np.zeros(rows, np.uint64)
    for edge in path:
        masks |= (passed[edge.node] != edge.yes).astype(np.uint64) << np.uint64(edge.bit)
    return masks
