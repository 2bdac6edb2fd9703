"""Regressions over the scores of members, natively and as graph nodes: over log odds, or linear over amounts.

No weight is below 0 (Breiman, Stacked Regressions, Machine Learning 24, 1996; van der Laan, Polley and Hubbard, Super
Learner, Statistical Applications in Genetics and Molecular Biology 6, 2007), and a ridge penalty draws the weights to
each other, not to 0 (Diebold and Pauly, The Use of Prior Information in Forecast Combination, International Journal of
Forecasting 6, 1990): members are much alike, so that few rows say little of their differences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import expit

from scoreline_trainers.calibration import MethodChoice, method_for
from scoreline_trainers.calibration.calibrated import Calibrator
from scoreline_trainers.calibration.isotonic import STEEPEST, Isotonic
from scoreline_trainers.calibration.odds import log_odds, log_odds_nodes
from scoreline_trainers.calibration.sigmoid import Sigmoid
from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.families.ensembles.ensemble import side_by_side
from scoreline_trainers.graph.tensor import Tensor

# Beyond such odds the rounding of a member's float32 would be stretched to more than the gate allows, where its score
# was made by no sigmoid.
EXTREME = 1e-4
# What a regression that is nearly right must still allow, however large its weights.
_STEEP_ENOUGH = 4.0
_PRECISE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Meta:
    """The regression: ``weights`` float64 [M] of the log odds, none below 0, and ``bias``."""

    weights: Float64
    bias: float

    @classmethod
    def fit(cls, scores: Float64, label: Label, *, C: float, weight: Float64 | None = None) -> "Meta":
        """Fits on scores of rows that the members had not learned from, by the least penalised log loss.

        Args:
            scores: float64 [R, M].
            label: [R], both values.
            C: variance of the weights around their mean, before rows are seen. Their total is near 1 with variance 1,
                so that it is finite where the members separate the labels.
            weight: float64 [R], what each row counts.
        """
        odds, members = log_odds(scores, EXTREME), scores.shape[1]
        counts = np.ones(len(label)) if weight is None else weight

        def loss(found: Float64) -> tuple[float, Float64]:
            weights, bias = found[:-1], found[-1]
            margin = odds @ weights + bias
            missed = counts * (expit(margin) - label)
            apart, over = weights - weights.mean(), weights.sum() - 1
            penalty = (apart @ apart / C + over**2) / 2
            slope = np.append(odds.T @ missed + apart / C + over, missed.sum())
            return (counts @ (np.logaddexp(0, margin) - label * margin) + penalty) / counts.sum(), slope / counts.sum()

        start = np.append(np.full(members, 1 / members), 0.0)
        bounds = [*[(0, None)] * members, (None, None)]
        found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=_PRECISE).x
        return cls(found[:-1], float(found[-1]))

    def apply(self, scores: Float64) -> Float64:
        """float64 [N, M] -> [N]."""
        score: Float64 = expit(log_odds(scores, EXTREME) @ self.weights + self.bias)
        return score

    def nodes(self, scores: Sequence[Tensor]) -> Tensor:
        """Graph nodes of ``apply``: M times double [N] -> [N]."""
        odds = side_by_side([log_odds_nodes(score, EXTREME) for score in scores])
        margin = odds @ self.weights[:, None] + self.bias
        return margin.squeeze(1).apply("Sigmoid")


@dataclass(frozen=True, slots=True, eq=False)
class AmountMeta:
    """The linear regression over amounts: ``weights`` float64 [M], none below 0, and ``bias``."""

    weights: Float64
    bias: float

    @classmethod
    def fit(cls, scores: Float64, amount: Float64, *, C: float, weight: Float64 | None = None) -> "AmountMeta":
        """Fits on amounts [R, M] that members predicted for rows that they had not learned from, by least squares.

        ``C`` is the variance of the weights around their mean, before rows are seen, whose errors are taken to be those
        of the members' mean.
        """
        members = scores.shape[1]
        counts = np.ones(len(amount)) if weight is None else weight
        centre, mean = np.average(scores, axis=0, weights=counts), np.average(amount, weights=counts)
        left, right = scores - centre, amount - mean
        error = np.average((right - left.mean(axis=1)) ** 2, weights=counts)
        apart = np.sqrt(error / C) * (np.eye(members) - 1 / members)
        root = np.sqrt(counts)
        weights, _ = nnls(np.concatenate([left * root[:, None], apart]), np.append(right * root, np.zeros(members)))
        return cls(weights, float(mean - centre @ weights))

    def apply(self, scores: Float64) -> Float64:
        """float64 [N, M] -> [N]."""
        amount: Float64 = scores @ self.weights + self.bias
        return amount

    def nodes(self, scores: Sequence[Tensor]) -> Tensor:
        """Graph nodes of ``apply``: M times double [N] -> [N]."""
        return (side_by_side(scores) @ self.weights[:, None] + self.bias).squeeze(1)

    def describe(self, names: Sequence[str]) -> Mapping[str, str | int | float]:
        """The weights."""
        weights = [f"{name} {weight:.3f}" for name, weight in zip(names, self.weights, strict=True)]
        return {"weights": ", ".join([*weights, f"bias {self.bias:.6g}"])}


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The regression with a calibrator behind it, where there is one."""

    meta: Meta
    calibrator: Calibrator | None

    def apply(self, scores: Float64) -> Float64:
        """float64 [N, M] -> [N]."""
        score = self.meta.apply(scores)
        return score if self.calibrator is None else self.calibrator.apply(score)

    def nodes(self, scores: Sequence[Tensor]) -> Tensor:
        """``apply`` as graph nodes."""
        score = self.meta.nodes(scores)
        return score if self.calibrator is None else self.calibrator.nodes(score)

    def describe(self, names: Sequence[str]) -> Mapping[str, str | int | float]:
        """The weights, and how the score is calibrated."""
        weights = [f"{name} {weight:.3f}" for name, weight in zip(names, self.meta.weights, strict=True)]
        calibration = "none" if self.calibrator is None else self.calibrator.describe()
        return {"weights": ", ".join([*weights, f"bias {self.meta.bias:.3f}"]), "calibration": calibration}


def stacked(
    scores: Float64,
    label: Label,
    fold: Int64,
    *,
    C: float,
    calibration: MethodChoice | None,
    weight: Float64 | None = None,
    population_weight: Float64 | None = None,
) -> Stack:
    """The regression over scores [N, M], and a calibrator that is cross-fitted over the same folds [N].

    ``weight`` [N] is what each row counts for the regression, ``population_weight`` [N] for the calibrator.
    """
    meta = Meta.fit(scores, label, C=C, weight=weight)
    if calibration is None:
        return Stack(meta, None)
    score = np.empty(len(label))
    for each in np.unique(fold):
        others = fold != each
        one = Meta.fit(scores[others], label[others], C=C, weight=None if weight is None else weight[others])
        score[fold == each] = one.apply(scores[fold == each])
    if method_for(calibration, label) == "sigmoid":
        return Stack(meta, Sigmoid.fit(label, score, population_weight))
    # Where members agree, their rounding is stretched by the weights first, then by the line.
    steepest = np.clip(STEEPEST / max(meta.weights.sum(), 1.0), _STEEP_ENOUGH, STEEPEST)
    return Stack(meta, Isotonic.fit(label, score, population_weight, steepest=float(steepest)))
