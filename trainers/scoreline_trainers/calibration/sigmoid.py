"""Sigmoid calibration: a logistic function of the score's log odds, natively and as graph nodes."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from scoreline_trainers.calibration.odds import log_odds, log_odds_nodes
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.graph.tensor import Tensor

# Where a score has no log odds of its own, its float32 tells no finer odds apart than these.
EXTREME = 1e-6

_ITERATIONS = 100
_ENOUGH = 1e-10


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """1 / (1 + exp(-(slope * ln(p / (1 - p)) + shift))) of a score p cut to [EXTREME, 1 - EXTREME].

    Platt, Probabilistic Outputs for Support Vector Machines, 1999, on log odds instead of margins.
    """

    slope: float
    shift: float

    @classmethod
    def learn(cls, label: Label, score: Float64) -> "Sigmoid":
        """Learns from label [M] and score [M], of rows that the model has not seen.

        Newton's method on Platt's smoothed targets, which keep it finite where the labels are separated: Lin, Lin and
        Weng, A Note on Platt's Probabilistic Outputs (Machine Learning 68, 2007).
        """
        positives = int(label.sum())
        target = np.where(label == 1, (positives + 1) / (positives + 2), 1 / (len(label) - positives + 2))
        design = np.stack([log_odds(score, EXTREME), np.ones(len(score))], axis=1)
        weights = np.array([1.0, 0.0])
        for _ in range(_ITERATIONS):
            step = _newton_step(design, target, weights)
            weights -= step
            if np.abs(step).max() < _ENOUGH:
                break
        return cls(float(weights[0]), float(weights[1]))

    def apply(self, score: Float64) -> Float64:
        """float64 [N]."""
        calibrated: Float64 = expit(self.slope * log_odds(score, EXTREME) + self.shift)
        return calibrated

    def nodes(self, score: Tensor) -> Tensor:
        """The nodes of ``apply``: double [N] -> [N]."""
        return (log_odds_nodes(score, EXTREME) * self.slope + self.shift).apply("Sigmoid")

    def describe(self) -> str:
        """For people."""
        return f"sigmoid, {self.slope:.3g} * log odds {self.shift:+.3g}"


def _newton_step(design: Float64, target: Float64, weights: Float64) -> Float64:
    """Halved until the loss no longer rises, as in Lin, Lin and Weng."""
    chance = expit(design @ weights)
    gradient = design.T @ (chance - target)
    # The small ridge keeps a score that is the same for every row from dividing by zero.
    curvature = (design.T * (chance * (1 - chance))) @ design + 1e-12 * np.eye(2)
    step: Float64 = np.linalg.solve(curvature, gradient)
    before = _loss(design, target, weights)
    while _loss(design, target, weights - step) > before + 1e-12 and np.abs(step).max() > _ENOUGH:
        step = step / 2
    return step


def _loss(design: Float64, target: Float64, weights: Float64) -> float:
    margin = design @ weights
    return float(np.sum(np.logaddexp(0, margin) - target * margin))
