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


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """1 / (1 + exp(-(slope * ln(p / (1 - p)) + shift))) of a score p cut to [EXTREME, 1 - EXTREME].

    Platt, Probabilistic Outputs for Support Vector Machines, 1999, on log odds instead of margins.
    """

    slope: float
    shift: float

    @classmethod
    def fit(cls, label: Label, score: Float64, weight: Float64 | None = None) -> "Sigmoid":
        """Fits on label [M] and score [M], of rows that the model was not trained on, and what each counts [M].

        Logistic regression on Platt's smoothed targets, which keep it finite where the labels are separated: Lin, Lin
        and Weng, A Note on Platt's Probabilistic Outputs (Machine Learning 68, 2007).
        """
        from sklearn.linear_model import LogisticRegression

        counts = np.ones(len(label)) if weight is None else weight * (len(label) / weight.sum())
        positives = counts @ label
        target = np.where(label == 1, (positives + 1) / (positives + 2), 1 / (len(label) - positives + 2))
        odds = np.tile(log_odds(score, EXTREME), 2)[:, None]
        # A target between 0 and 1 is a row of each label, weighted by its share.
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        model.fit(
            odds, np.repeat([1, 0], len(label)), sample_weight=np.concatenate([target * counts, (1 - target) * counts])
        )
        return cls(float(model.coef_[0, 0]), float(model.intercept_[0]))

    def apply(self, score: Float64) -> Float64:
        """float64 [N]."""
        calibrated: Float64 = expit(self.slope * log_odds(score, EXTREME) + self.shift)
        return calibrated

    def nodes(self, score: Tensor) -> Tensor:
        """Graph nodes of ``apply``: double [N] -> [N]."""
        return (log_odds_nodes(score, EXTREME) * self.slope + self.shift).apply("Sigmoid")

    def describe(self) -> str:
        """A short description."""
        return f"sigmoid, {self.slope:.3g} * log odds {self.shift:+.3g}"
