"""Contributions of rows to their scores: exact by tables, or sampled through the served graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.exact_values import ExactValues
from scoreline_registry.attributions.margins import margins_of, resolution
from scoreline_registry.attributions.mixing import aligned, mixed, players_of
from scoreline_registry.attributions.permutations import Walks
from scoreline_registry.attributions.reason_file import Link
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.reasons.players import Inputs

Float64 = npt.NDArray[np.float64]

EVALUATIONS = 2048
"""Rows that the graph scores for one row whose contributions are sampled, at most, but for models of many inputs.

As many as let each row of a cohort of 32 be compared with, for models of up to 33 inputs.
"""

RAGGED_EVALUATIONS = 512
"""The same for models of histories and neighbors, whose rows cost far more."""

FEWEST_PAIRS = 2
"""Pairs of walks without which there is no standard error."""

Run = Callable[[Inputs], npt.NDArray[Any]]
"""The scores of rows by the served graph."""

Matrices = Callable[[Inputs], Inputs]
"""The matrices that the terms of a margin are over."""


class Found(NamedTuple):
    """The contributions of N rows.

    Attributes:
        base: the mean margin of the cohort.
        margins: float64 [N], base and contributions together.
        values: float64 [N, players].
        errors: float64 [N, players], standard errors; 0 where exact.
    """

    base: Float64
    margins: Float64
    values: Float64
    errors: Float64


class Contributions(Protocol):
    """Computes the contributions of rows of one version. Safe for threads."""

    @property
    def nbytes(self) -> int:
        """The memory of its tables."""

    @property
    def evaluations(self) -> int:
        """How many rows the graph scores for one row."""

    def of_rows(self, inputs: Inputs, scores: npt.NDArray[Any]) -> Found:
        """The contributions of rows whose scores float32 [N] are known."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledContributions:
    """By antithetic permutations through the served graph, the same for every row.

    Attributes:
        run: scores rows.
        link: what the margin is.
        cohort: inputs of the rows that are compared with.
        margins: float64 [B], theirs.
        walks: drawn once.
    """

    run: Run
    link: Link
    cohort: Inputs
    margins: Float64
    walks: Walks

    @classmethod
    def of(cls, run: Run, link: Link, cohort: Inputs) -> "SampledContributions":
        """Scores the cohort and draws the walks."""
        margins = margins_of(run(cohort), link)
        players = players_of(cohort)
        most = EVALUATIONS if cohort.keys() == {"features"} else RAGGED_EVALUATIONS
        walks = Walks.drawn(players, len(margins), pairs=pairs_of(players, len(margins), most))
        return cls(run, link, cohort, margins, walks)

    @property
    def nbytes(self) -> int:
        """The memory of the cohort."""
        return sum(array.nbytes for array in self.cohort.values())

    @property
    def evaluations(self) -> int:
        """Those of its walks."""
        return self.walks.evaluations

    def of_rows(self, inputs: Inputs, scores: npt.NDArray[Any]) -> Found:
        """Sampled contributions with their standard errors."""
        rows, cohort = aligned(inputs, self.cohort)

        def mixture(row: Indices, other: Indices, chosen: npt.NDArray[np.bool_]) -> Float64:
            return margins_of(self.run(mixed(_take(rows, row), _take(cohort, other), chosen)), self.link)

        margins = margins_of(scores, self.link)
        found = self.walks.values(mixture, margins, self.margins)
        return Found(np.full(len(margins), self.margins.mean()), margins, found.values, found.errors)


@dataclass(frozen=True, slots=True, eq=False)
class ExactContributions:
    """By the terms of the margin; rows whose score is not their sum are sampled.

    A graph may cut the log odds of rows far beyond any that it learned from.

    Attributes:
        exact: the compiled terms.
        base: the mean margin of the cohort.
        matrices: makes what the terms are over.
        sampled: for other rows.
    """

    exact: ExactValues
    base: float
    matrices: Matrices
    sampled: SampledContributions

    @property
    def nbytes(self) -> int:
        """The memory of the tables."""
        return self.exact.nbytes + self.sampled.nbytes

    @property
    def evaluations(self) -> int:
        """None, but for rows that are sampled."""
        return 0

    def of_rows(self, inputs: Inputs, scores: npt.NDArray[Any]) -> Found:
        """Exact contributions, whose margins are those of the sum."""
        values = self.exact.of_rows(self.matrices(inputs))
        margins, link = self.base + values.sum(axis=1), self.sampled.link
        found = Found(np.full(len(margins), self.base), margins, values, np.zeros(values.shape))
        # Written so that NaN differs too.
        differs = ~(np.abs(margins - margins_of(scores, link)) <= resolution(scores, link))
        if differs.any():
            rows = np.flatnonzero(differs)
            for whole, part in zip(found, self.sampled.of_rows(_take(inputs, rows), scores[rows]), strict=True):
                whole[rows] = part
        return found


def pairs_of(players: int, rows: int, evaluations: int) -> int:
    """How many pairs of walks a row takes: each with another row of the cohort, within the evaluations of a row."""
    return max(min(evaluations // max(2 * (players - 1), 1), rows), FEWEST_PAIRS)


def _take(inputs: Inputs, rows: Indices) -> Inputs:
    return {name: array[rows] for name, array in inputs.items()}
