"""Column transformers: the entries of a recipe's ``engineered`` list, what they are fitted on and what they return.

A ``Transformer`` is an entry as written; ``fit`` fits it to training rows (``FitContext``) and returns a
``FittedStep``, whose ``nodes`` add its part of a graph and read their inputs from ``GraphColumns``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Float32, Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.errors import DataError
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor, concat


@dataclass(frozen=True, slots=True, eq=False)
class FitContext:
    """The training rows that an entry is fitted on: features, steps and the columns that earlier entries add.

    Attributes:
        inputs: ``features`` describe every column.
        values: column -> its float32 [M] values in the training rows.
    """

    inputs: InputContract
    values: Callable[[str], Float32]

    def feature(self, name: str) -> Feature:
        """The description of one column. Raises DataError where there is no such column."""
        for feature in self.inputs.features:
            if feature.name == name:
                return feature
        raise DataError(name, "is neither a feature nor made by an earlier entry of 'engineered'")

    def category(self, name: str) -> Feature:
        """One category's facts. Raises DataError where there is no such column, or it is a number."""
        return self._of_kind(name, "category")

    def check_numbers(self, names: Sequence[str]) -> None:
        """Raises DataError for a category or a column that is not there."""
        for name in names:
            self._of_kind(name, "number")

    def numbers(self, names: Sequence[str]) -> Float64:
        """The training values of number columns, float64 [M, len(names)], NaN where missing. Raises DataError."""
        self.check_numbers(names)
        return np.stack([self.values(name) for name in names], axis=1).astype(np.float64)

    def steps(self, names: Sequence[str]) -> tuple[str, ...]:
        """The step features of these names, all where none is named. Raises DataError."""
        if self.inputs.sequence is None:
            raise DataError("", "'engineered' computes from steps, and the recipe has no sequence")
        there = self.inputs.sequence.features
        for name in names:
            if name not in there:
                raise DataError(name, f"is no step feature; there are {', '.join(there)}")
            if name in self.inputs.sequence.vocabularies:
                raise DataError(name, "is a category of steps where 'engineered' needs a number")
        return tuple(names) or tuple(name for name in there if name not in self.inputs.sequence.vocabularies)

    def _of_kind(self, name: str, kind: str) -> Feature:
        feature = self.feature(name)
        if feature.kind != kind:
            raise DataError(name, f"is a {feature.kind} where 'engineered' needs a {kind}")
        return feature


@dataclass(slots=True, eq=False)
class GraphColumns:
    """A graph under construction, and which of its tensors holds each column that an entry may read.

    Attributes:
        graph: under construction.
        steps: step feature -> its index in ``sequence``.
        places: column -> float32 tensor [N, k] and the column in it.
    """

    graph: GraphBuilder
    steps: Mapping[str, int]
    places: dict[str, tuple[Tensor, int]] = field(default_factory=dict)

    def numbers(self, names: Sequence[str]) -> Tensor:
        """The tensor of these columns, double [N, len(names)], NaN where missing."""
        return concat([tensor.columns(indices) for tensor, indices in self._runs(names)]).cast()

    def add(self, tensor: Tensor, columns: Sequence[Feature]) -> None:
        """Makes float32 [N, len(columns)] readable by name."""
        self.places.update({column.name: (tensor, index) for index, column in enumerate(columns)})

    def _runs(self, names: Sequence[str]) -> list[tuple[Tensor, list[int]]]:
        """Each tensor with the columns that are read from it one after another, in the order of ``names``."""
        runs: list[tuple[Tensor, list[int]]] = []
        for tensor, index in (self.places[name] for name in names):
            if not runs or runs[-1][0] is not tensor:
                runs.append((tensor, []))
            runs[-1][1].append(index)
        return runs


@dataclass(frozen=True, slots=True, eq=False)
class FittedStep:
    """An entry fitted to the training rows.

    Attributes:
        columns: those that it adds, as features of the model behind.
        nodes: adds the nodes that compute them to the graph; returns their tensor, double [N, len(columns)].
    """

    columns: tuple[Feature, ...]
    nodes: Callable[[GraphColumns], Tensor]


class Transformer(Spec, ABC):
    """An entry as written. Docstrings of subclasses define the columns, also for missing and degenerate values."""

    over_steps: ClassVar[bool] = False
    """Whether it reads the sequence."""

    kind: str

    @abstractmethod
    def fit(self, context: FitContext) -> FittedStep:
        """Fits the entry to the training rows. Raises DataError where a column does not exist or is of another kind."""


def numbers(names: Sequence[str]) -> tuple[Feature, ...]:
    """Features of these names that are numbers, for ``FittedStep.columns``."""
    return tuple(Feature(name=name) for name in names)


def quantiles(values: Float64, shares: Sequence[float] | Float64) -> Float64:
    """float64 [len(shares)]: linear quantiles of [M] values without NaN; zeros where all are NaN.

    Definition 7 of Hyndman and Fan, Sample Quantiles in Statistical Packages (The American Statistician 50, 1996).
    """
    known = values[~np.isnan(values)]
    return np.quantile(known, shares) if len(known) else np.zeros(len(shares))
