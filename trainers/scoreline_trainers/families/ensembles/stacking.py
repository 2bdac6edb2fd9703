"""Stacking: a calibrated logistic regression over the log odds of the members; of amounts, a linear one over them.

Wolpert, Stacked Generalization (Neural Networks 5, 1992): the regression learns from scores of rows that the members
had not learned from, those of the fold that each was left out of. Log odds, because where the label is rare all scores
are near 0, and a regression over the scores themselves sees little there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

from scoreline_trainers.calibration import Method
from scoreline_trainers.calibration.calibrated import Calibrator
from scoreline_trainers.calibration.isotonic import STEEPEST, Isotonic
from scoreline_trainers.calibration.odds import log_odds, log_odds_nodes
from scoreline_trainers.calibration.sigmoid import Sigmoid
from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.ensembles.ensemble import (
    Combination,
    Ensemble,
    EnsembleConfig,
    chosen_facts,
    fit_members,
    side_by_side,
)
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold, folds_of, out_of_fold
from scoreline_trainers.graph.tensor import Tensor
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Range, Space

# Beyond such odds the rounding of a member's float32 would be stretched to more than the gate allows, where its score
# was made by no sigmoid.
_EXTREME = 1e-4
# What a regression that is nearly right must still allow, however large its weights.
_STEEP_ENOUGH = 4.0


class StackingConfig(EnsembleConfig):
    """Options of the family.

    Attributes:
        folds: number of folds; every member is trained once without each fold, then on all rows. Rows of one unit share
            a fold.
        C: inverse strength of the regression's ridge penalty.
        calibration: method, fitted on out-of-fold scores of the regression; null leaves the scores as they are. Amounts
            are never calibrated.
    """

    folds: int = Field(default=5, ge=2)
    C: float = Field(default=1.0, gt=0)
    calibration: Method | None = "isotonic"

    space: ClassVar[Space] = {"C": Range(low=0.01, high=100.0, log=True)}


@dataclass(frozen=True, slots=True, eq=False)
class Meta:
    """The regression: ``weights`` float64 [M] of the log odds, and ``bias``."""

    weights: Float64
    bias: float

    @classmethod
    def fit(cls, scores: Float64, label: Label, *, C: float, weight: Float64 | None = None) -> "Meta":
        """Fits on scores [R, M] of rows that the members had not learned from, and what each row counts."""
        model = LogisticRegression(C=C, max_iter=1000)
        model.fit(log_odds(scores, _EXTREME), label, sample_weight=weight)
        return cls(model.coef_[0], float(model.intercept_[0]))

    def apply(self, scores: Float64) -> Float64:
        """float64 [N, M] -> [N]."""
        score: Float64 = expit(log_odds(scores, _EXTREME) @ self.weights + self.bias)
        return score

    def nodes(self, scores: Sequence[Tensor]) -> Tensor:
        """Graph nodes of ``apply``: M times double [N] -> [N]."""
        odds = side_by_side([log_odds_nodes(score, _EXTREME) for score in scores])
        margin = odds @ self.weights[:, None] + self.bias
        return margin.squeeze(1).apply("Sigmoid")


@dataclass(frozen=True, slots=True, eq=False)
class AmountMeta:
    """The linear regression over amounts: ``weights`` float64 [M], none below 0, and ``bias``."""

    weights: Float64
    bias: float

    @classmethod
    def fit(cls, scores: Float64, amount: Float64, *, C: float, weight: Float64 | None = None) -> "AmountMeta":
        """Fits on amounts [R, M] that members foretold for rows that they had not learned from."""
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


class Stacking(BuiltIn):
    """The model family ``stacking``."""

    name = "stacking"
    config_type = StackingConfig
    libraries = ("scikit-learn",)

    def fit(self, data: Dataset, config: StackingConfig, *, seed: int, progress: Progress) -> Ensemble:
        """Fits the regression on out-of-fold scores of the members, then trains the members on all rows."""
        fold = folds_of(data, folds=config.folds, seed=seed)
        if any(data.take(np.flatnonzero(fold != each)).is_constant for each in range(config.folds)):
            raise FitError(self.name, f"has too few rows of each label for {config.folds} folds: lower 'folds'")
        measured = out_of_fold(config.members, data, fold, ensemble=self.name, seed=seed, progress=progress)
        places = measured.places(config.choose, ensemble=self.name)
        combination = _combination(measured.only(places), fold, config)
        members = fit_members(config, places, data, ensemble=self.name, seed=seed, progress=progress)
        return Ensemble(data.inputs, members, combination, chosen_facts(measured, places))


def _combination(measured: OutOfFold, fold: Int64, config: StackingConfig) -> Combination:
    if measured.amount is not None:
        return AmountMeta.fit(measured.scores, measured.amount, C=config.C, weight=measured.weight)
    return stacked(
        measured.scores, measured.label, fold, C=config.C, calibration=config.calibration, weight=measured.weight
    )


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
