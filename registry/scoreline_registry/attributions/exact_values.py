"""Exact contributions of rows whose margin is a sum of trees and of columns times weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.online import CompiledTrees
from scoreline_registry.attributions.reason_file import Arrays, ReasonFile, TreesTerm, WeightsTerm
from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_registry.attributions.trees import Float32, Float64


@dataclass(frozen=True, slots=True, eq=False)
class CompiledWeights:
    """Columns times weights: what a column contributes is its weight times its distance from the cohort's mean.

    ``kept`` are the columns with a source, in the order of their sources; ``start`` is where each source's begin.
    """

    kept: npt.NDArray[np.intp]
    weights: Float64
    mean: Float64
    sources: npt.NDArray[np.intp]
    start: npt.NDArray[np.intp]

    @classmethod
    def of(cls, term: WeightsTerm, cohort: npt.NDArray[Any]) -> "CompiledWeights":
        """Compares with the mean of the cohort's matrix [B, C]."""
        used = np.flatnonzero((term.sources >= 0) & (term.weights != 0))
        kept = used[np.argsort(term.sources[used], kind="stable")]
        sources, start = np.unique(term.sources[kept], return_index=True)
        mean = cohort[:, kept].astype(np.float64).mean(axis=0)
        return cls(kept, term.weights[kept], mean, sources.astype(np.intp), start)

    def add(self, found: Float64, matrix: npt.NDArray[Any]) -> None:
        """Adds the contributions of rows [N, C] to ``found`` float64 [N, players]."""
        if len(self.kept):
            parts = (matrix[:, self.kept].astype(np.float64) - self.mean) * self.weights
            found[:, self.sources] += np.add.reduceat(parts, self.start, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class ExactValues:
    """The terms of a margin, compiled for rows that come one after another."""

    players: int
    trees: Sequence[tuple[str, CompiledTrees]]
    weights: Sequence[tuple[str, CompiledWeights]]

    @classmethod
    def of(cls, file: ReasonFile, cohort: Arrays) -> "ExactValues":
        """Compiles the terms of a file; ``cohort`` are the matrices of its cohort, by name.

        Raises TooLargeError, TooManySourcesError.
        """
        players = file.facts.players
        trees = [
            (term.matrix, CompiledTrees.of(TreeExplainer(term.trees, term.sources, players, _floats(cohort, term))))
            for term in file.terms
            if isinstance(term, TreesTerm)
        ]
        weights = [
            (term.matrix, CompiledWeights.of(term, cohort[term.matrix]))
            for term in file.terms
            if isinstance(term, WeightsTerm)
        ]
        return cls(players, trees, weights)

    @property
    def nbytes(self) -> int:
        """The memory of the tables."""
        return sum(each.nbytes for _, each in self.trees)

    def of_rows(self, matrices: Arrays) -> Float64:
        """The contributions of N rows by their matrices: float64 [N, players]."""
        found = np.zeros((len(next(iter(matrices.values()))), self.players))
        for name, trees in self.trees:
            found += trees.values(matrices[name].astype(np.float32, copy=False))
        for name, weights in self.weights:
            weights.add(found, matrices[name])
        return found


def _floats(cohort: Arrays, term: TreesTerm) -> Float32:
    return cohort[term.matrix].astype(np.float32, copy=False)
