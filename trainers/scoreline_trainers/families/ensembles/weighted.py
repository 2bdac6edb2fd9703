"""A weighted mean of members of different kinds, such as 0.7 of a network over histories and 0.3 of boosted trees.

Weights are given, or are those with the least log loss, of amounts the least squared error, on rows that the members
had not learned from.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator
from scipy.optimize import nnls

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.families.ensembles.means import MeanConfig, MeanFamily
from scoreline_trainers.families.ensembles.members import MemberSpec
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold
from scoreline_trainers.families.ensembles.recency import Recency

# A member that calls a row impossible which is there may still have some weight.
_LEAST = 1e-9
_ITERATIONS = 2000
_ENOUGH = 1e-8
_TOTAL = 1e3


class WeightedMemberSpec(MemberSpec):
    """A member with its weight, where weights are given; only their ratios matter."""

    weight: float | None = Field(default=None, gt=0)


class WeightedConfig(MeanConfig):
    """Options of the family.

    Attributes:
        members: all with a weight, or all without; weights that are not given minimise the log loss on the measuring
            rows.
        measuring_fraction: share of the training rows on which members are measured; the members are then trained on
            all rows. It may be 0 if weights are given: that saves a training, and the card has no facts about members.
        recency: gives newer training rows more weight.
    """

    members: tuple[WeightedMemberSpec, ...]
    recency: Recency | None = None

    @model_validator(mode="after")
    def _weighable(self) -> Self:
        if 0 < np.isnan(self.given_weights).sum() < len(self.members):
            raise ValueError("give every member a weight, or none")
        if not self.measuring_fraction and (not self.gives_weights or self.choose is not None):
            raise ValueError("fitted weights and 'choose' need a measuring_fraction above 0")
        return self

    @property
    def draws_by(self) -> Recency | None:
        """By ``recency``."""
        return self.recency

    @property
    def given_weights(self) -> Float64:
        """float64 [members], NaN where there is none."""
        return np.array([np.nan if member.weight is None else member.weight for member in self.members])

    @property
    def gives_weights(self) -> bool:
        """False where weights are to be fitted."""
        return not np.isnan(self.given_weights).any()


class Weighted(MeanFamily[WeightedConfig]):
    """The model family ``weighted``."""

    name = "weighted"
    config_type = WeightedConfig

    def weights(
        self, measured: OutOfFold | None, places: Sequence[int], data: Dataset, config: WeightedConfig
    ) -> Float64:
        """Those given, or those that minimise the log loss, or squared error, on the measuring rows."""
        if config.gives_weights or measured is None:
            return config.given_weights[list(places)]
        counts = measured.counts
        if config.recency is not None:
            counts = counts * config.recency.weights(data.take(measured.rows), ensemble=self.name)
        if measured.amount is not None:
            return amount_weights(measured.scores, measured.amount, counts=counts)
        return fitted_weights(measured.scores, measured.label, counts=counts)


def amount_weights(scores: Float64, amount: Float64, *, counts: Float64) -> Float64:
    """The weights [M] whose mean score has the least squared error: none below 0, total 1.

    Args:
        scores: float64 [R, M], amounts, of rows that no member has learned from.
        amount: float64 [R].
        counts: float64 [R], what each row counts.
    """
    root = np.sqrt(counts)
    scale = float(np.abs(scores).max()) or 1.0
    # Weights that do not total 1 miss this row by more than all others together.
    total = np.full((1, scores.shape[1]), _TOTAL * len(amount))
    left = np.concatenate([scores * root[:, None] / scale, total])
    weights, _ = nnls(left, np.concatenate([amount * root / scale, total[0, :1]]))
    found: Float64 = weights / weights.sum()
    return found


def fitted_weights(scores: Float64, label: Label, *, counts: Float64) -> Float64:
    """The weights [M] whose mean score has the least log loss: none below 0, total 1.

    That is the likelihood of a mixture with known parts, which expectation maximisation raises in every step to its one
    maximum: Smyth and Wolpert, Linearly Combining Density Estimators via Stacking (Machine Learning 36, 1999).

    Args:
        scores: float64 [R, M], probabilities, of rows that no member has learned from.
        label: [R].
        counts: float64 [R], what each row counts.
    """
    likelihood = np.maximum(np.where(label[:, None] == 1, scores, 1 - scores), _LEAST)
    weights = np.full(scores.shape[1], 1 / scores.shape[1])
    for _ in range(_ITERATIONS):
        part = likelihood * weights
        better = np.average(part / part.sum(axis=1, keepdims=True), axis=0, weights=counts)
        moved = np.abs(better - weights).max()
        weights = better
        if moved < _ENOUGH:
            break
    total: Float64 = weights / weights.sum()
    return total
