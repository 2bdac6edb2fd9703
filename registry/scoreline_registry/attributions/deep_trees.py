"""Exact interventional Shapley values of trees with thousands of leaves.

Rows walk a tree together, level by level, and take both ways at every node. A row is dropped at a node where each
reference row fails a source that it fails too: no mixture of the two comes that far. Most rows are dropped after a few
levels, so that the leaves that count are few.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.blocks import TooManySourcesError
from scoreline_registry.attributions.leaf_games import MOST_SOURCES, Masks, gains_and_losses
from scoreline_registry.attributions.trees import Float32, Float64, Int32, TreeArrays

Indices = npt.NDArray[np.intp]

_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """One tree: places of its nodes, the bit of each test, the sources of each leaf's bits and the reference's masks.

    Attributes:
        place: node -> its row in the other arrays; -1 for nodes of other trees.
        bit: uint64 [K].
        sources: int32 [K, bits], those on the path to each node; -1 where there are fewer.
        reference: uint64 [K, B].
    """

    place: Indices
    bit: npt.NDArray[np.uint64]
    sources: Int32
    reference: Masks


def add_deep_values(
    found: Float64, trees: TreeArrays, root: int, sources: Int32, matrix: Float32, reference: Float32
) -> None:
    """Adds the Shapley values of one tree to ``found`` float64 [players, N]; see ``TreeExplainer.values``."""
    walk = _walk(trees, root, sources, reference)
    for start in range(0, len(matrix), _ROWS):
        rows = slice(start, start + _ROWS)
        for row, node, mask in _reached(trees, root, walk, matrix[rows]):
            _add_leaves(found[:, rows], trees, walk, row, node, mask)


def _walk(trees: TreeArrays, root: int, sources: Int32, reference: Float32) -> _Walk:
    order = trees.below(root)
    place = np.full(len(trees.column), -1, np.intp)
    place[order] = np.arange(len(order))
    bits = np.zeros(len(order), np.uint64)
    masks = np.zeros((len(order), len(reference)), np.uint64)
    paths: dict[int, tuple[int, ...]] = {root: ()}
    for node in order:
        path = paths[node]
        if trees.column[node] < 0:
            continue
        source = int(sources[trees.column[node]])
        path = path if source in path else (*path, source)
        if len(path) > MOST_SOURCES:
            raise TooManySourcesError(f"a path of a tree tests {len(path)} features, more than {MOST_SOURCES}")
        bit = np.uint64(path.index(source))
        bits[place[node]] = bit
        passed = trees.outcomes(reference, [node])[0]
        for child, failed in ((int(trees.yes[node]), ~passed), (int(trees.no[node]), passed)):
            paths[child] = path
            masks[place[child]] = masks[place[node]] | failed.astype(np.uint64) << bit
    width = max(map(len, paths.values()))
    names = np.array([[*paths[node], *[-1] * (width - len(paths[node]))] for node in order], np.int32)
    return _Walk(place, bits, names.reshape(len(order), width), masks)


def _reached(trees: TreeArrays, root: int, walk: _Walk, matrix: Float32) -> list[tuple[Indices, Indices, Masks]]:
    """Rows, leaves and the rows' masks there, level by level."""
    rows: Indices = np.arange(len(matrix))
    nodes: Indices = np.full(len(matrix), root)
    masks: Masks = np.zeros(len(matrix), np.uint64)
    found = []
    while len(rows):
        leaf = trees.column[nodes] < 0
        found.append((rows[leaf], nodes[leaf], masks[leaf]))
        rows, nodes, masks = rows[~leaf], nodes[~leaf], masks[~leaf]
        values = matrix[rows, trees.column[nodes]]
        passed = (values <= trees.threshold[nodes]) | (np.isnan(values) & trees.missing[nodes])
        bit = walk.bit[walk.place[nodes]]
        masks = np.concatenate([masks | (~passed).astype(np.uint64) << bit, masks | passed.astype(np.uint64) << bit])
        nodes = np.concatenate([trees.yes[nodes], trees.no[nodes]]).astype(np.intp)
        rows = np.tile(rows, 2)
        alive = ((masks[:, None] & walk.reference[walk.place[nodes]]) == 0).any(axis=1)
        rows, nodes, masks = rows[alive], nodes[alive], masks[alive]
    return found


def _add_leaves(found: Float64, trees: TreeArrays, walk: _Walk, rows: Indices, nodes: Indices, masks: Masks) -> None:
    place = walk.place[nodes]
    reference = walk.reference[place]
    gains, losses = gains_and_losses(walk.sources.shape[1])
    only_row, only_reference = np.bitwise_count(masks)[:, None], np.bitwise_count(reference)
    alive = ((masks[:, None] & reference) == 0) * (trees.value[nodes] / reference.shape[1])[:, None]
    gain = gains[only_reference, only_row] * alive
    loss = (losses[only_reference, only_row] * alive).sum(axis=1)
    for bit in range(walk.sources.shape[1]):
        source = walk.sources[place, bit]
        here = np.flatnonzero(source >= 0)
        one = np.uint64(bit)
        value = (gain[here] * (reference[here] >> one & np.uint64(1))).sum(axis=1)
        value -= loss[here] * (masks[here] >> one & np.uint64(1))
        where = source[here].astype(np.intp) * found.shape[1] + rows[here]
        found += np.bincount(where, value, found.size).reshape(found.shape)
