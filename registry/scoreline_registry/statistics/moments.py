"""Counts, means and variances: what most tests need of a sample, and what can be merged block by block."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments of a sample. ``squares`` is the sum of squared deviations from the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: Values) -> "Moments":
        """The moments of an array [N], computed in float64."""
        if not len(values):
            return cls()
        wide = np.asarray(values, np.float64)
        mean = float(wide.mean())
        return cls(len(wide), mean, float(np.square(wide - mean).sum()))

    @classmethod
    def of_sums(cls, count: int, total: float, total_of_squares: float) -> "Moments":
        """The moments of ``count`` values with this sum and this sum of squares."""
        mean = total / count if count else 0.0
        return cls(count, mean, max(0.0, total_of_squares - count * mean * mean))

    @classmethod
    def of_rate(cls, successes: int, count: int) -> "Moments":
        """The moments of ``count`` zeros and ones; the variance is p (1 - p) n / (n - 1)."""
        return cls.of_sums(count, successes, successes)

    @property
    def variance(self) -> float:
        """The sample variance, with n - 1; NaN below two values."""
        return self.squares / (self.count - 1) if self.count > 1 else float("nan")

    @property
    def variance_of_mean(self) -> float:
        """The squared standard error of the mean; NaN below two values."""
        return self.variance / self.count if self.count > 1 else float("nan")

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both samples together (Chan, Golub and LeVeque 1983)."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * other.count / count,
            self.squares + other.squares + delta * delta * self.count * other.count / count,
        )
