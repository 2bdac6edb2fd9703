"""Always-valid t-tests of a coefficient of a linear model, such as of a treatment beside covariates.

Lindon, Ham, Tingley and Bojinov (2022, arXiv:2210.08589); the R package avlm has the same figures.
"""

import math
from dataclasses import dataclass

from scoreline_registry.statistics.always_valid.mixtures import lowest
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew


@dataclass(frozen=True, slots=True)
class LinearModelSequence:
    """The always-valid t-test of a coefficient: at every n for normal errors, asymptotically without them.

    Attributes:
        precision: the parameter g, fixed before the data: the interval is narrowest near the n it was chosen for.
        alpha: the probability of missing the truth at any look, at most.
    """

    precision: float
    alpha: float = 0.05

    @classmethod
    def narrowest_at(cls, rows: int, coefficients: int, *, alpha: float = 0.05) -> "LinearModelSequence":
        """The sequence with the g that makes the interval narrowest at ``rows`` rows."""

        def radius(log_precision: float) -> float:
            return cls(math.exp(log_precision), alpha).radius(rows, coefficients)

        return cls(math.exp(lowest(radius, math.log(1e-6 * rows), math.log(1e3 * rows))), alpha)

    def radius(self, rows: int, coefficients: int) -> float:
        """The half width in standard errors: sqrt(nu (1 - c) / (c - r)) with r = g / (g + n), nu = n - k and
        c = (r alpha^2)^(1 / (nu + 1)); infinite while there are too few rows for an interval.
        """
        nu, ratio = rows - coefficients, self.precision / (self.precision + rows)
        if nu < 1:
            return math.inf
        root = (ratio * self.alpha**2) ** (1 / (nu + 1))
        return math.sqrt(nu * (1 - root) / (root - ratio)) if root > ratio else math.inf

    def p_value(self, t: float, rows: int, coefficients: int) -> float:
        """The always-valid p-value of a t statistic: 1 / min(1, Bayes factor)."""
        nu, ratio = rows - coefficients, self.precision / (self.precision + rows)
        log_factor = 0.5 * math.log(ratio) + 0.5 * (nu + 1) * (math.log1p(t * t / nu) - math.log1p(ratio * t * t / nu))
        return math.exp(-max(0.0, log_factor))

    def of(self, value: float, standard_error: float, *, rows: int, coefficients: int) -> Figure:
        """The coefficient with its interval and p-value at this look."""
        method = "linear model, anytime-valid t-test"
        radius = self.radius(rows, coefficients)
        if math.isinf(radius) or not standard_error > 0:
            return TooFew(rows, coefficients + 2, method)
        return Estimate(
            value=value,
            low=value - radius * standard_error,
            high=value + radius * standard_error,
            p=self.p_value(value / standard_error, rows, coefficients),
            level=1 - self.alpha,
            method=method,
            assumptions="a linear model with independent errors of equal variance, normal or many; any number of looks",
            count=rows,
            always_valid=True,
        )
