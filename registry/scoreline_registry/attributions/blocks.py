"""Trees cut into blocks whose Shapley values are looked up in a table.

A block is a subtree with the path that leads to it. What a row contributes through the leaves of a block depends on a
few bits: one for each source on the path (whether the row fails a test of it there), and one for each test inside. So
the mean over all reference rows is computed once for each pattern of these bits, and a row costs one lookup for each
source of the block instead of one for each source of each leaf.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scoreline_registry.attributions.leaf_games import MOST_SOURCES, Masks, leaf_values
from scoreline_registry.attributions.trees import Bools, Float64, Int32, TreeArrays

TABLE_BITS = 8
"""Bits of a block's pattern: 256 patterns of up to 8 sources stay in a core's first cache."""

LONG_BITS = 12
"""Bits of a block that is a single leaf, where its table pays off: for many rows, or for one after another."""


class Edge(NamedTuple):
    """A step of a path: a row that does not go this way at ``node`` fails, which sets ``bit``."""

    node: int
    yes: bool
    bit: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A subtree with its table.

    Attributes:
        path: from the root to the subtree.
        inner: the subtree's inner nodes; the bit of the first follows the path's, and is set where a row goes to "yes".
        sources: int32 [K].
        table: float64 [K, patterns]: a row's contributions by its pattern.
    """

    path: tuple[Edge, ...]
    inner: tuple[int, ...]
    sources: Int32
    table: Float64

    @property
    def first_inner_bit(self) -> int:
        """Where the bits of the inner nodes begin."""
        return 1 + max((edge.bit for edge in self.path), default=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A leaf with its path, the masks of the reference rows at it and the share of rows that have each."""

    path: tuple[Edge, ...]
    sources: Int32
    value: float
    reference: Masks
    counts: Float64

    def values(self, masks: Masks) -> Float64:
        """float64 [M, sources]: the contributions of rows by their masks."""
        return self.value * leaf_values(masks, self.reference, self.counts, len(self.sources))


class TooManySourcesError(ValueError):
    """A path from a root to a leaf tests more than ``MOST_SOURCES`` different sources."""


class TreeCutter:
    """One tree, with what the reference rows do at its inner nodes."""

    def __init__(self, trees: TreeArrays, root: int, sources: Int32, reference: Mapping[int, Bools]) -> None:
        """``sources`` int32 [C] is the source of each column; ``reference`` has bool [B] for each inner node."""
        self._trees, self._sources, self._reference = trees, sources, reference
        self._root, self._inner = root, trees.inner_below(root)

    def leaves(self, node: int | None = None, path: tuple[Edge, ...] = ()) -> Iterator[Leaf]:
        """The leaves below a node that a path leads to, by default all of the tree. Raises TooManySourcesError."""
        node = self._root if node is None else node
        if self._trees.column[node] < 0:
            yield self._leaf(node, path)
            return
        for yes, child in ((True, int(self._trees.yes[node])), (False, int(self._trees.no[node]))):
            yield from self.leaves(child, (*path, Edge(node, yes, self._bit(node, path))))

    def parts(
        self, node: int | None = None, path: tuple[Edge, ...] = (), *, leaf_bits: int = LONG_BITS
    ) -> Iterator[Block | Leaf]:
        """Blocks, and the leaves whose paths have more than ``leaf_bits`` sources. Raises TooManySourcesError."""
        node = self._root if node is None else node
        inner = self._inner[node]
        if len({edge.bit for edge in path}) + len(inner) <= (TABLE_BITS if inner else leaf_bits):
            yield self._block(node, path)
        elif not inner:
            yield self._leaf(node, path)
        else:
            for yes, child in ((True, int(self._trees.yes[node])), (False, int(self._trees.no[node]))):
                yield from self.parts(child, (*path, Edge(node, yes, self._bit(node, path))), leaf_bits=leaf_bits)

    def _source(self, node: int) -> int:
        return int(self._sources[self._trees.column[node]])

    def _bit(self, node: int, path: Sequence[Edge]) -> int:
        """The bit of a node's source: the one it has on the path already, or the next."""
        bits = {self._source(edge.node): edge.bit for edge in path}
        return bits.get(self._source(node), len(bits))

    def _leaf(self, node: int, path: tuple[Edge, ...]) -> Leaf:
        sources = {edge.bit: self._source(edge.node) for edge in path}
        if len(sources) > MOST_SOURCES:
            raise TooManySourcesError(f"a path of a tree tests {len(sources)} features, more than {MOST_SOURCES}")
        rows = len(next(iter(self._reference.values()), ()))
        failed = np.zeros(rows, np.uint64)
        for edge in path:
            failed |= (self._reference[edge.node] != edge.yes).astype(np.uint64) << np.uint64(edge.bit)
        masks, counts = np.unique(failed, return_counts=True)
        names = np.array([sources[bit] for bit in range(len(sources))], np.int32)
        return Leaf(path, names, float(self._trees.value[node]), masks, counts / max(rows, 1))

    def _block(self, node: int, path: tuple[Edge, ...]) -> Block:
        inner = self._inner[node]
        first = len({edge.bit for edge in path})
        patterns = np.arange(1 << (first + len(inner)), dtype=np.uint64)
        at = {each: np.uint64(first + place) for place, each in enumerate(inner)}
        sources = list(dict.fromkeys([self._source(edge.node) for edge in path] + [self._source(n) for n in inner]))
        rows = {source: row for row, source in enumerate(sources)}
        table = np.zeros((len(sources), len(patterns)))
        for leaf in self.leaves(node, path):
            failed = patterns & np.uint64((1 << first) - 1)
            for edge in leaf.path[len(path) :]:
                passed = patterns >> at[edge.node] & np.uint64(1)
                failed |= (passed ^ np.uint64(edge.yes)) << np.uint64(edge.bit)
            every = leaf.values(np.arange(1 << len(leaf.sources), dtype=np.uint64))
            table[[rows[source] for source in leaf.sources.tolist()]] += every[failed.astype(np.intp)].T
        return Block(path, tuple(inner), np.array(sources, np.int32), table)
