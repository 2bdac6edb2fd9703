"""Moments of several columns of the same rows, for ratios and covariates; they merge block by block."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.moments import Moments, Values

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

BLOCK = 1 << 20
"""Rows that are widened to float64 at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class JointMoments:
    """The moments of K columns over the same rows.

    Attributes:
        count: of rows.
        means: float64 [K].
        products: float64 [K, K], sums of products of deviations from the means.
    """

    count: int
    means: Vector
    products: Matrix

    @classmethod
    def of(cls, *columns: Values) -> "JointMoments":
        """The moments of K arrays [N] of the same rows, computed in float64 and block by block."""
        found = cls.empty(len(columns))
        for start in range(0, len(columns[0]), BLOCK):
            table = np.stack([np.asarray(column[start : start + BLOCK], np.float64) for column in columns])
            means = table.mean(axis=1)
            table -= means[:, None]
            found += cls(table.shape[1], means, table @ table.T)
        return found

    @classmethod
    def of_sums(
        cls, count: int, totals: Sequence[float], totals_of_products: Sequence[Sequence[float]]
    ) -> "JointMoments":
        """The moments of ``count`` rows with these sums [K] and these sums of products [K, K]."""
        sums, products = np.asarray(totals, np.float64), np.asarray(totals_of_products, np.float64)
        if not count:
            return cls.empty(len(sums))
        return cls(count, sums / count, products - np.outer(sums, sums) / count)

    @classmethod
    def of_moments(cls, moments: Moments) -> "JointMoments":
        """The moments of one column."""
        return cls(moments.count, np.array([moments.mean]), np.array([[moments.squares]]))

    @classmethod
    def empty(cls, columns: int) -> "JointMoments":
        """The moments of no rows of ``columns`` columns: adding them changes nothing."""
        return cls(0, np.zeros(columns), np.zeros((columns, columns)))

    @property
    def covariance(self) -> Matrix:
        """The sample covariance [K, K], with n - 1; NaN below two rows."""
        return self.products / (self.count - 1) if self.count > 1 else np.full_like(self.products, np.nan)

    @property
    def covariance_of_means(self) -> Matrix:
        """The covariance [K, K] of the means; NaN below two rows."""
        return self.covariance / max(self.count, 1)

    def column(self, at: int) -> Moments:
        """The moments of one column."""
        return Moments(self.count, float(self.means[at]), float(self.products[at, at]))

    def combined(self, value: float, gradient: Vector) -> Moments:
        """Moments whose mean is ``value``, a function of the means with this gradient [K] there.

        By the delta method the function behaves as the mean of ``gradient @ row``, which has the variance
        ``gradient @ covariance @ gradient`` (Deng, Knoblich and Lu, KDD 2018, section 2).
        """
        return Moments(self.count, value, max(0.0, float(gradient @ self.products @ gradient)))

    def __add__(self, other: "JointMoments") -> "JointMoments":
        """The moments of both sets of rows together (Chan, Golub and LeVeque 1983)."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.means - self.means
        return JointMoments(
            count,
            self.means + delta * (other.count / count),
            self.products + other.products + np.outer(delta, delta) * (self.count * other.count / count),
        )
