"""Decision trees as flat arrays over their nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class TreeArrays:
    """Trees over a matrix float32 [N, C]; a row's margin is the sum of one leaf of each.

    Attributes:
        column: int32 [nodes], the column that an inner node compares; -1 at a leaf.
        threshold: float32 [nodes]; rows with ``x <= threshold`` go to ``yes``, all others to ``no``.
        missing: bool [nodes], whether NaN goes to ``yes``.
        yes, no: int32 [nodes], places of nodes.
        value: float64 [nodes], of leaves.
        roots: int32 [trees], places of nodes.
    """

    column: Int32
    threshold: Float32
    missing: Bools
    yes: Int32
    no: Int32
    value: Float64
    roots: Int32

    def outcomes(self, matrix: Float32, nodes: Sequence[int] | Int32) -> Bools:
        """bool [nodes, N]: whether each row goes to ``yes`` at each of some inner nodes."""
        nodes = np.asarray(nodes, np.int32)
        columns = matrix.T[self.column[nodes]]
        passed: Bools = columns <= self.threshold[nodes, None]
        lacking = self.missing[nodes]
        if lacking.any():
            passed[lacking] |= np.isnan(columns[lacking])
        return passed

    def margin(self, matrix: Float32) -> Float64:
        """float64 [N]: the sum of the leaves that each row reaches."""
        total = np.zeros(len(matrix))
        rows = np.arange(len(matrix))
        for root in self.roots.tolist():
            place = np.full(len(matrix), root)
            while (inner := self.column[place] >= 0).any():
                here = place[inner]
                values = matrix[rows[inner], self.column[here]]
                passed = (values <= self.threshold[here]) | (np.isnan(values) & self.missing[here])
                place[inner] = np.where(passed, self.yes[here], self.no[here])
            total += self.value[place]
        return total

    def inner_below(self, root: int) -> dict[int, list[int]]:
        """Each node below ``root``, itself included -> the inner nodes of its subtree, parents first."""
        order = self.below(root)
        found: dict[int, list[int]] = {}
        for node in reversed(order):
            if self.column[node] < 0:
                found[node] = []
            else:
                found[node] = [node, *found[int(self.yes[node])], *found[int(self.no[node])]]
        return found

    def below(self, root: int) -> list[int]:
        """The nodes of the subtree of ``root``, parents before their children."""
        order, pending = [], [root]
        while pending:
            node = pending.pop()
            order.append(node)
            if self.column[node] >= 0:
                pending += [int(self.no[node]), int(self.yes[node])]
        return order
