"""Shapley values of one row after another, from tables that are made once for a version.

For each column, a row's value lies between two of the column's thresholds. What that means for the patterns of all
blocks is computed for every such interval when the tables are made, so that a row costs one search per column, one byte
per column of each block, and one number per source of each block.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.blocks import Block, Leaf
from scoreline_registry.attributions.intervals import Intervals
from scoreline_registry.attributions.long_leaves import LongLeaves
from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_registry.attributions.trees import Float32, Float64, TreeArrays

Indices = npt.NDArray[np.intp]
Bits = npt.NDArray[np.uint16]

MOST_TABLE_VALUES = 24_000_000
"""Numbers in all tables together: 96 MB."""

LEAF_BITS = 10
"""Bits of a block that is a single leaf: of 300 trees of 31 leaves, one leaf in forty has more sources on its path."""


class TooLargeError(ValueError):
    """The tables of a model would take more memory than is allowed."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTrees:
    """The tables of all trees side by side, for a row at a time: about 0.15 ms for 100 trees of 31 leaves.

    Attributes:
        players: see ``TreeExplainer``.
        intervals: of the columns that blocks test.
        bits: for each column and interval, the bits that it sets in the pattern of each block that tests the column.
        bits_start: where the bits of each column begin in ``bits``.
        bits_width: how many blocks test each column.
        entry_column, entry_offset: one entry for each column of each block, block by block: which of ``intervals`` it
            is, and the block's place among those that test it.
        block_start: where the entries of each block begin; a block has at least one.
        table: float32, the contributions of each block by pattern, and of each pattern by source.
        table_start, table_width: where each block's begin in ``table``, and its number of sources.
        lookup_block, lookup_offset: one entry for each source of each block, source by source: the block, and the
            source's place in it.
        source_start, sources: where the lookups of each source begin, and which it is.
        long_leaves: those whose paths have too many sources for a table.
    """

    players: int
    intervals: Intervals
    bits: Bits
    bits_start: Indices
    bits_width: Indices
    entry_column: Indices
    entry_offset: Indices
    block_start: Indices
    table: Float32
    table_start: Indices
    table_width: Indices
    lookup_block: Indices
    lookup_offset: Indices
    source_start: Indices
    sources: Indices
    long_leaves: LongLeaves

    @classmethod
    def of(
        cls, explainer: TreeExplainer, *, most_values: int = MOST_TABLE_VALUES, leaf_bits: int = LEAF_BITS
    ) -> "CompiledTrees":
        """Makes the tables. Raises TooLargeError, TooManySourcesError."""
        blocks, leaves, size = [], [], 0
        for root in explainer.trees.roots.tolist():
            for part in explainer.cutter(root).parts(leaf_bits=leaf_bits):
                if isinstance(part, Leaf):
                    leaves.append(part)
                    size += len(part.reference)
                elif len(part.sources):
                    blocks.append(part)
                    size += part.table.size
            if size > most_values:
                raise TooLargeError(f"tables of more than {most_values:,} numbers: explain in batches instead")
        return _joined(explainer, blocks, leaves)

    @property
    def nbytes(self) -> int:
        """The memory of the arrays."""
        arrays = (getattr(self, name) for name in self.__slots__)
        return sum(each.nbytes for each in arrays if isinstance(each, np.ndarray)) + self.long_leaves.nbytes

    def values(self, matrix: Float32) -> Float64:
        """The Shapley values of rows float32 [N, C]: float64 [N, players]."""
        found = np.zeros((len(matrix), self.players))
        if len(self.block_start):
            starts = self.bits_start + self.intervals.of_rows(matrix[:, self.intervals.columns]) * self.bits_width
            for row, start in enumerate(starts):
                self._add(found[row], start)
        self.long_leaves.add(found, matrix)
        return found

    def _add(self, found: Float64, start: Indices) -> None:
        """Adds the contributions of one row, whose bits begin at ``start`` for each column."""
        bits = self.bits.take(start.take(self.entry_column) + self.entry_offset)
        patterns = np.bitwise_or.reduceat(bits, self.block_start)
        places = self.table_start + patterns.astype(np.intp) * self.table_width
        contributions = self.table.take(places.take(self.lookup_block) + self.lookup_offset)
        found[self.sources] = np.add.reduceat(contributions, self.source_start, dtype=np.float64)


def _joined(explainer: TreeExplainer, blocks: Sequence[Block], leaves: Sequence[Leaf]) -> CompiledTrees:
    trees = explainer.trees
    tests = [_tests(block, trees) for block in blocks]
    columns = sorted({column for block in tests for column in block})
    intervals = Intervals.of(trees, columns)
    bits, starts, widths, offsets = _bits(tests, trees, intervals)
    entries = [(block, place) for block, by_column in enumerate(tests) for place in _places(by_column, columns)]
    owners, places = np.array(entries, np.intp).reshape(-1, 2).T
    shapes = np.array([block.table.shape for block in blocks], np.intp).reshape(-1, 2)
    lookups = [(source, at, offset) for at, each in enumerate(blocks) for offset, source in enumerate(each.sources)]
    source, block, offset = np.array(sorted(lookups), np.intp).reshape(-1, 3).T
    sources, source_start = np.unique(source, return_index=True)
    return CompiledTrees(
        players=explainer.players,
        intervals=intervals,
        bits=bits,
        bits_start=starts,
        bits_width=widths,
        entry_column=places,
        entry_offset=offsets,
        block_start=np.flatnonzero(np.diff(owners, prepend=-1)),
        table=np.concatenate([block.table.T.ravel() for block in blocks] or [np.empty(0)]).astype(np.float32),
        table_start=_starts(shapes.prod(axis=1)),
        table_width=shapes[:, 0],
        lookup_block=block,
        lookup_offset=offset,
        source_start=source_start,
        sources=sources,
        long_leaves=LongLeaves.of(leaves, trees),
    )


Test = tuple[int, int, bool]
"""A node, the bit of a pattern, and whether the bit is set where the test fails."""


def _tests(block: Block, trees: TreeArrays) -> dict[int, list[Test]]:
    """Column -> the tests of it that a block's pattern depends on."""
    found: dict[int, list[Test]] = defaultdict(list)
    for edge in block.path:
        found[int(trees.column[edge.node])].append((edge.node, edge.bit, edge.yes))
    for bit, node in enumerate(block.inner, block.first_inner_bit):
        found[int(trees.column[node])].append((node, bit, False))
    return found


def _places(by_column: dict[int, list[Test]], columns: Sequence[int]) -> Indices:
    """The places of a block's columns among all, ascending."""
    return np.searchsorted(columns, sorted(by_column))


def _bits(
    tests: Sequence[dict[int, list[Test]]], trees: TreeArrays, intervals: Intervals
) -> tuple[Bits, Indices, Indices, Indices]:
    """``bits``, ``bits_start``, ``bits_width`` and, by block and column, ``entry_offset`` of ``CompiledTrees``."""
    offsets: list[int] = []
    by_column: dict[int, list[list[Test]]] = defaultdict(list)
    for each in tests:
        for column in sorted(each):
            offsets.append(len(by_column[column]))
            by_column[column].append(each[column])
    parts = []
    for place, column in enumerate(intervals.columns.tolist()):
        part = np.zeros((len(by_column[column]), intervals.count(place)), np.uint16)
        for block, own in enumerate(by_column[column]):
            for node, bit, flip in own:
                part[block] |= (intervals.passed(place, trees, node) != flip).astype(np.uint16) << np.uint16(bit)
        parts.append(np.ascontiguousarray(part.T))
    sizes = np.array([part.size for part in parts], np.intp)
    widths = np.array([part.shape[1] for part in parts], np.intp)
    flat = np.concatenate([part.ravel() for part in parts] or [np.empty(0, np.uint16)])
    return flat, _starts(sizes), widths, np.array(offsets, np.intp)


def _starts(lengths: Indices) -> Indices:
    return np.cumsum(lengths) - lengths
