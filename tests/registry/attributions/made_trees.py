"""Random trees and rows for tests of attributions, and Shapley values by their definition."""

from collections.abc import Mapping
from itertools import combinations
from math import factorial

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.trees import Float32, Float64, TreeArrays

Coalition = tuple[int, ...]


def random_trees(trees: int, leaves: int, columns: int, *, seed: int = 0) -> TreeArrays:
    """Trees that grow at random leaves, so that some paths are long."""
    draw = np.random.default_rng(seed)
    nodes: list[list[float]] = []
    roots = []
    for _ in range(trees):
        roots.append(len(nodes))
        nodes.append(_leaf(draw))
        ends = [roots[-1]]
        while len(ends) < leaves:
            node = ends.pop(int(draw.integers(len(ends))))
            yes, no = len(nodes), len(nodes) + 1
            nodes[node] = [int(draw.integers(columns)), draw.normal() * 0.7, draw.random() < 0.5, yes, no, 0.0]
            nodes += [_leaf(draw), _leaf(draw)]
            ends += [yes, no]
    column, threshold, missing, yes_places, no_places, value = np.array(nodes).T
    return TreeArrays(
        column.astype(np.int32),
        threshold.astype(np.float32),
        missing.astype(np.bool_),
        yes_places.astype(np.int32),
        no_places.astype(np.int32),
        value,
        np.array(roots, np.int32),
    )


def random_rows(rows: int, columns: int, *, seed: int = 1) -> Float32:
    """float32 [rows, columns], a tenth of it missing."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(rows, columns)).astype(np.float32)
    values[draw.random(values.shape) < 0.1] = np.nan
    return values


class Game:
    """The mean margin of mixtures of one row with reference rows, by coalition."""

    def __init__(
        self, trees: TreeArrays, sources: npt.NDArray[np.int32], players: int, row: Float32, reference: Float32
    ) -> None:
        self._players = players
        self._worth: Mapping[Coalition, float] = {
            chosen: float(trees.margin(np.where(np.isin(sources, chosen), row, reference)).mean())
            for size in range(players + 1)
            for chosen in combinations(range(players), size)
        }

    def values(self) -> Float64:
        """Shapley values: L. S. Shapley, A value for n-person games (1953)."""
        found = np.zeros(self._players)
        for player in range(self._players):
            for others in self._coalitions_without(player):
                weight = factorial(len(others)) * factorial(self._players - len(others) - 1) / factorial(self._players)
                found[player] += weight * (self._of(others, player) - self._of(others))
        return found

    def interactions(self) -> Float64:
        """Interaction indices: Grabisch and Roubens (1999)."""
        found = np.zeros((self._players, self._players))
        for i, j in combinations(range(self._players), 2):
            for others in self._coalitions_without(i, j):
                size = len(others)
                weight = factorial(size) * factorial(self._players - size - 2) / factorial(self._players - 1)
                both = self._of(others, i, j) - self._of(others, i) - self._of(others, j) + self._of(others)
                found[i, j] += weight * both
        return found + found.T

    def _of(self, others: Coalition, *more: int) -> float:
        return self._worth[tuple(sorted((*others, *more)))]

    def _coalitions_without(self, *players: int) -> list[Coalition]:
        rest = [each for each in range(self._players) if each not in players]
        return [chosen for size in range(len(rest) + 1) for chosen in combinations(rest, size)]


def _leaf(draw: np.random.Generator) -> list[float]:
    return [-1, 0.0, 0, 0, 0, draw.normal()]
