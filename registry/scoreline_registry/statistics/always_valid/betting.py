"""Tests of the mean of values in [0, 1] by betting against it, valid at every look and exact at every count.

Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (arXiv:2010.09686). The wealth of a
gambler who bets a share L on "above the mean m" is the product of 1 + L (x - m): where the mean of each value, given
those before it, is at most m, the wealth exceeds 1/alpha with a probability of at most alpha, however often one looks
(Ville's inequality). Here the stakes are fixed before: the average over a grid of alternatives, so that the order of
the values does not matter and counts are sufficient. For zeros and ones it is the mixture of likelihood ratios.
"""

from dataclasses import dataclass, field
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.moments import Values

Counts = npt.NDArray[np.int64]

_CELLS = 1000
_LEAST = 1e-6
_STEPS = 40
# The alternatives, as distances from the tested mean in log odds: 0.1 is 10 % more odds, 8 is nearly certain.
_DISTANCES = np.geomspace(0.1, 8.0, 24)
_GRID = np.arange(_CELLS + 1) / _CELLS


def _no_counts() -> Counts:
    return np.zeros(_CELLS + 1, np.int64)


@dataclass(frozen=True)
class BoundedSample:
    """How often values in [0, 1] occurred, in thousandths.

    Values between two thousandths count as the lower one in ``down`` and as the upper one in ``up``, so that both
    directions of a test err on the side of "no difference".
    """

    down: Counts = field(default_factory=_no_counts)
    up: Counts = field(default_factory=_no_counts)

    @classmethod
    def of(cls, values: Values) -> "BoundedSample":
        """The sample of an array [N]. Raises ValueError for values outside [0, 1]."""
        scaled = np.asarray(values, np.float64) * _CELLS
        if len(scaled) and not (scaled.min() >= 0 and scaled.max() <= _CELLS):
            raise ValueError("a bounded sample has values from 0 to 1")
        # A third times three is not quite one: what is a thousandth but for rounding is that thousandth.
        near = np.round(scaled)
        whole = np.abs(scaled - near) < 1e-9 * _CELLS
        down = np.where(whole, near, np.floor(scaled)).astype(np.int64)
        up = np.where(whole, near, np.ceil(scaled)).astype(np.int64)
        return cls(np.bincount(down, minlength=_CELLS + 1), np.bincount(up, minlength=_CELLS + 1))

    @classmethod
    def of_rate(cls, successes: int, count: int) -> "BoundedSample":
        """The sample of ``count`` zeros and ones."""
        counts = _no_counts()
        counts[0], counts[-1] = count - successes, successes
        return cls(counts, counts)

    def __add__(self, other: "BoundedSample") -> "BoundedSample":
        """Both samples together."""
        return BoundedSample(self.down + other.down, self.up + other.up)

    @property
    def count(self) -> int:
        """The number of values."""
        return int(self.down.sum())

    @property
    def mean(self) -> float:
        """The mean, to half a thousandth for values that are no thousandths; NaN without values."""
        return float((self.down + self.up) @ _GRID / (2 * self.count)) if self.count else float("nan")


def log_evidence_above(sample: BoundedSample, mean: float) -> float:
    """The logarithm of the evidence (e-value) that the mean is above ``mean``; log(1/alpha) or more rejects."""
    return _log_wealth(sample.down, mean)


def log_evidence_below(sample: BoundedSample, mean: float) -> float:
    """The logarithm of the evidence (e-value) that the mean is below ``mean``."""
    return _log_wealth(sample.up[::-1], 1.0 - mean)


def lower_bound(sample: BoundedSample, alpha: float) -> float:
    """The lower always-valid confidence bound of the mean, one-sided at ``alpha``; 0 where there is none."""
    return _bound(sample.down, alpha)


def upper_bound(sample: BoundedSample, alpha: float) -> float:
    """The upper always-valid confidence bound of the mean, one-sided at ``alpha``; 1 where there is none."""
    return 1.0 - _bound(sample.up[::-1], alpha)


def log_rate_evidence(successes: Counts, count: int, rate: float) -> npt.NDArray[np.float64]:
    """The logarithm of the evidence that a rate is above ``rate``, for each number of successes [K] in ``count``."""
    m, stakes = _stakes(rate)
    gains = successes[:, None] * np.log1p(stakes * (1 - m)) + (count - successes)[:, None] * np.log1p(-stakes * m)
    return _log_mean_exp(gains)


def _log_wealth(counts: Counts, mean: float) -> float:
    held = np.flatnonzero(counts)
    m, stakes = _stakes(mean)
    return float(_log_mean_exp(counts[held] @ np.log1p(np.outer(_GRID[held] - m, stakes))))


def _stakes(mean: float) -> tuple[float, npt.NDArray[np.float64]]:
    """The tested mean, kept from 0 and 1, and the bets against it."""
    m = min(max(mean, _LEAST), 1 - _LEAST)
    odds = m / (1 - m) * np.exp(_DISTANCES)
    return m, (odds / (1 + odds) - m) / (m * (1 - m))


def _log_mean_exp(gains: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """log(mean(exp)) over the last axis."""
    most = gains.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(gains - most).mean(axis=-1)) + most[..., 0])


def _bound(counts: Counts, alpha: float) -> float:
    """The largest mean that the counts reject, by bisection: evidence against a mean falls as the mean rises."""
    needed, low, high = log(1 / alpha), 0.0, 1.0
    if _log_wealth(counts, low) < needed:
        return 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_wealth(counts, middle) >= needed else (low, middle)
    return low
