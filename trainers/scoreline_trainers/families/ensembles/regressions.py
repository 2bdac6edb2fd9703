"""Regressions over the scores of members, natively and as graph nodes: over log odds, or linear over amounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

from scoreline_trainers.calibration import Method
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


@dataclass(frozen=True, slots=True, eq=False)
class Meta:
    """The regression: ``weights`` float64 [M] of the log odds, and ``bias``."""

    weights: Float64
    bias: float

    @classmethod
    def fit(cls, scores: Float64, label: Label, *, C: float, weight: Float64 | None = None) -> "Meta":
        """Fits on scores [R, M] of rows that the members had not learned from, and what each row counts."""
        model = LogisticRegression(C=C, max_iter=1000)
        model.fit(log_odds(scores, EXTREME), label, sample_weight=weight)
        return cls(model.coef_[0], float(model.intercept_[0]))

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
        """Fits on amounts [R, M] that members predicted for rows that they had not learned from."""
        scale = float(np.abs(amount).max()) or 1.0
        model = Ridge(alpha=1 / C, positive=True).fit(scores / scale, amount / scale, sample_weight=weight)
        return cls(np.asarray(model.coef_, np.float64), float(model.intercept_) * scale)

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
    calibration: Method | None,
    weight: Float64 | None = None,
) -> Stack:
    """The regression over scores [N, M], and a calibrator that is cross-fitted over the same folds [N]."""
    meta = Meta.fit(scores, label, C=C, weight=weight)
    if calibration is None:
        return Stack(meta, None)
    score = np.empty(len(label))
    for each in np.unique(fold):
        others = fold != each
        one = Meta.fit(scores[others], label[others], C=C, weight=None if weight is None else weight[others])
        score[fold == each] = one.apply(scores[fold == each])
    if calibration == "sigmoid":
        return Stack(meta, Sigmoid.fit(label, score))
    # Where members agree, their rounding is stretched by the weights first, then by the line.
    steepest = np.clip(STEEPEST / np.abs(meta.weights).sum(), _STEEP_ENOUGH, STEEPEST)
    return Stack(meta, Isotonic.fit(label, score, steepest=float(steepest)))
