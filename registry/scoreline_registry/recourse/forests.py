"""The trees of a version over its inputs, as ``reasons.npz`` has them: what they compare each input with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from scoreline_registry.attributions.reason_file import ReasonFile, Term, TreesTerm
from scoreline_registry.attributions.trees import TreeArrays
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import FEATURES
from scoreline_registry.recourse.arrays import Bools, Float32
from scoreline_registry.recourse.levers import InputFacts


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees over the inputs of a model, float32 [N, F].

    Attributes:
        trees: those of all terms.
        is_sum: whether the margin is the sum of these trees and a constant, so that nothing else depends on inputs.
        only: bool [F], which inputs nothing but these trees reads.
    """

    trees: tuple[TreeArrays, ...]
    is_sum: bool
    only: Bools

    @classmethod
    def of(cls, file: ReasonFile, contract: InputContract) -> Self:
        """The trees of a file that are over inputs as they are; sampled versions have none."""
        count = len(contract.features)
        inner = [term for term in file.terms if _is_over_inputs(term, count)]
        others = [term for term in file.terms if not any(term is each for each in inner)]
        only = np.full(count, bool(file.terms) and not contract.ragged)
        for term in others:
            read = term.sources[(term.sources >= 0) & (term.sources < count)]
            only[read] = False
        trees = tuple(term.trees for term in inner if isinstance(term, TreesTerm))
        return cls(trees, bool(trees) and not others, only)

    def thresholds(self, column: int) -> Float32 | None:
        """All numbers that the model compares an input with, ascending; None where it may do something else with it."""
        if not self.only[column]:
            return None
        parts = [tree.threshold[tree.column == column] for tree in self.trees]
        found: Float32 = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.float32)
        return found[np.isfinite(found)]


def _is_over_inputs(term: Term, count: int) -> bool:
    return isinstance(term, TreesTerm) and term.matrix == FEATURES and np.array_equal(term.sources, np.arange(count))


def facts_of(
    contract: InputContract, edges: Mapping[str, Sequence[float]], forest: Forest | None
) -> Mapping[str, InputFacts]:
    """What is known of the numbers of a contract: quantiles of the training data, and what the model compares with."""
    return {
        feature.name: InputFacts(
            tuple(edges.get(feature.name, ())), None if forest is None else forest.thresholds(column)
        )
        for column, feature in enumerate(contract.features)
        if feature.kind == "number"
    }
