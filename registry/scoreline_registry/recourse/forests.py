"""The trees of a version, as ``reasons.npz`` has them: what they compare each input with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.reason_file import ReasonFile, TreesTerm
from scoreline_registry.attributions.trees import TreeArrays
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import FEATURES
from scoreline_registry.recourse.arrays import Bools, Float32, Indices
from scoreline_registry.recourse.levers import InputFacts

Matrices: TypeAlias = Callable[[Float32], Mapping[str, npt.NDArray[Any]]]
"""The matrices [N, C] that the terms of a version are over, by name, of its features float32 [N, F]."""

_PROBES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees over matrices that are made of the features of a model.

    Attributes:
        parts: the trees over each matrix, with the matrix's name.
        inputs: for each of them int [C], the feature that each column is a copy of; -1 for what is computed.
        is_sum: whether the margin is the sum of these trees and a constant.
        compared: bool [F], whether nothing but tests of its copies reads a feature.
    """

    parts: tuple[tuple[str, TreeArrays], ...]
    inputs: tuple[Indices, ...]
    is_sum: bool
    compared: Bools

    @classmethod
    def of(cls, file: ReasonFile, contract: InputContract, matrices: Matrices) -> Self | None:
        """The trees of a file; None where it has none, or its version reads more than features."""
        terms = [term for term in file.terms if isinstance(term, TreesTerm)]
        if not terms or contract.ragged:
            return None
        probes = _probes(contract)
        made = matrices(probes) if file.graph else {FEATURES: probes}
        compared = np.ones(len(contract.features), bool)
        inputs = []
        for term in file.terms:
            copies = _copies(made[term.matrix], probes, term.sources)
            read = term.sources[copies < 0] if isinstance(term, TreesTerm) else term.sources
            compared[read[(read >= 0) & (read < len(compared))]] = False
            if isinstance(term, TreesTerm):
                inputs.append(copies)
        parts = tuple((term.matrix, term.trees) for term in terms)
        return cls(parts, tuple(inputs), len(terms) == len(file.terms), compared)

    def thresholds(self, column: int) -> Float32 | None:
        """All numbers that a feature is compared with, ascending; None where it may be read otherwise."""
        if not self.compared[column]:
            return None
        found = [np.empty(0, np.float32)]
        for (_, trees), inputs in zip(self.parts, self.inputs, strict=True):
            inner = trees.column >= 0
            own = inner & (inputs[np.where(inner, trees.column, 0)] == column)
            found.append(trees.threshold[own])
        every: Float32 = np.unique(np.concatenate(found))
        return every[np.isfinite(every)]


def _probes(contract: InputContract) -> Float32:
    """Rows float32 [probes, F] of very different numbers, and of codes of categories, by which copies are known."""
    random = np.random.default_rng(0)
    columns = [
        random.integers(0, len(feature.vocabulary) + 1, _PROBES)
        if feature.kind == "category"
        else random.normal(size=_PROBES) * 10.0 ** random.integers(-6, 7, _PROBES)
        for feature in contract.features
    ]
    return np.column_stack(columns).astype(np.float32)


def _copies(matrix: npt.NDArray[Any], probes: Float32, sources: npt.NDArray[np.int32]) -> Indices:
    """int [C]: the feature that each column is equal to on all probes; -1 for the others."""
    known = (sources >= 0) & (sources < probes.shape[1])
    given = probes[:, np.where(known, sources, 0)]
    same = known & (matrix.astype(np.float32) == given).all(axis=0)
    return np.where(same, sources, -1).astype(np.intp)


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
