"""The scale of the amounts that a network learns: it learns them with mean 0 and deviation 1."""

from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.graph.tensor import Tensor


@dataclass(frozen=True, slots=True)
class AmountScale:
    """Mean and standard deviation of the amounts in the training rows."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, amount: Float64, weight: Float64 | None = None) -> "AmountScale":
        """Fits on float64 [N] and the weights of its rows."""
        mean = float(np.average(amount, weights=weight))
        deviation = float(np.sqrt(np.average((amount - mean) ** 2, weights=weight)))
        return cls(mean, deviation or 1.0)

    def standardised(self, amount: Float64) -> Float64:
        """[N] -> [N], what the network learns."""
        return (amount - self.mean) / self.deviation

    def amounts(self, margin: Float64) -> Float64:
        """[N] -> [N], in the unit of the label."""
        return margin * self.deviation + self.mean

    def emit(self, margin: Tensor) -> Tensor:
        """Graph nodes of ``amounts``: computes in double and rounds the score alone."""
        return (margin.cast(np.float64) * self.deviation + self.mean).cast(np.float32)
