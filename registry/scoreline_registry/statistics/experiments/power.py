"""Sample sizes: how many rows an effect needs, for one look at the end and for an experiment that is watched.

The chance that a normal statistic crosses its boundary at any of several looks is computed by the recursion of
Armitage, McPherson and Rowe (1969): the density of the sum of what was seen, restricted to the paths that have not
crossed yet, is carried from look to look by Gauss-Legendre quadrature. NumPy only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence

Array = npt.NDArray[np.float64]
NODES = 256
FAR = 9.0
"""Standard deviations beyond which a path is not followed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison of two arms that is to find an effect.

    Attributes:
        effect: the difference of means (or rates, or ratios) to be found, treated minus control; not 0.
        control_variance, treated_variance: the variance of one row of each arm.
        share: the share of the rows that the treated arm gets.
        alpha: the two-sided level of the test.
        event_rate: the share of rows with the rarer of a rate's two outcomes, in the arm that has fewer; 1 for values
            that have no events.
    """

    effect: float
    control_variance: float
    treated_variance: float
    share: float = 0.5
    alpha: float = 0.05
    event_rate: float = 1.0

    def __post_init__(self) -> None:
        if not self.effect or not math.isfinite(self.effect):
            raise ValueError("a plan needs an effect other than 0")
        if not 0 < self.share < 1 or not 0 < self.alpha < 0.5:
            raise ValueError("share must be between 0 and 1, and alpha between 0 and 0.5")
        if not self.control_variance > 0 or not self.treated_variance > 0:
            raise ValueError("a plan needs positive variances")

    @classmethod
    def of_rates(cls, base: float, effect: float, *, share: float = 0.5, alpha: float = 0.05) -> "Plan":
        """The plan for a rate that is ``base`` in the control arm and ``base + effect`` in the treated one."""
        if not (0 < base < 1 and 0 < base + effect < 1):
            raise ValueError(f"rates must be between 0 and 1, not {base} and {base + effect}")
        treated = base + effect
        return cls(
            effect,
            base * (1 - base),
            treated * (1 - treated),
            share,
            alpha,
            event_rate=min(
                rate * part / min(share, 1 - share)
                for arm, part in ((base, 1 - share), (treated, share))
                for rate in (arm, 1 - arm)
            ),
        )

    @classmethod
    def of_means(cls, standard_deviation: float, effect: float, *, share: float = 0.5, alpha: float = 0.05) -> "Plan":
        """The plan for a mean of values that have the same standard deviation in both arms."""
        return cls(effect, standard_deviation**2, standard_deviation**2, share, alpha)

    @property
    def unit_variance(self) -> float:
        """The variance of the estimated difference, times the rows of both arms."""
        return self.control_variance / (1 - self.share) + self.treated_variance / self.share

    def drift(self, rows: float) -> float:
        """The effect in standard errors at so many rows of both arms."""
        return abs(self.effect) * math.sqrt(rows / self.unit_variance)

    def rows(self, power: float = 0.8) -> int:
        """The rows of both arms that a fixed-horizon normal test needs: (z_alpha/2 + z_power)^2 V / effect^2."""
        normal = NormalDist()
        total = normal.inv_cdf(1 - self.alpha / 2) + normal.inv_cdf(power)
        return math.ceil(total**2 * self.unit_variance / self.effect**2)

    def power(self, rows: float) -> float:
        """The chance that a fixed-horizon normal test at so many rows of both arms finds the effect."""
        normal, drift = NormalDist(), self.drift(rows)
        threshold = normal.inv_cdf(1 - self.alpha / 2)
        return normal.cdf(drift - threshold) + normal.cdf(-drift - threshold)

    def smallest_effect(self, rows: float, power: float = 0.8) -> float:
        """The effect, with the variances of this plan, that a fixed-horizon test at so many rows finds."""
        normal = NormalDist()
        total = normal.inv_cdf(1 - self.alpha / 2) + normal.inv_cdf(power)
        return math.copysign(total * math.sqrt(self.unit_variance / rows), self.effect)

    def watched(self, rows: float, sequence: ConfidenceSequence, *, looks: int = 30) -> Array:
        """The chance to have stopped for the effect at each of ``looks`` even looks up to ``rows`` of both arms.

        The last is the power by then. ``sequence`` is two-sided; its clock is that of strata, the rows that an equal
        split would need. Looks before its burn-in and its least events do not decide.
        """
        counts = rows * np.arange(1, looks + 1) / looks
        bounds = sequence.half_width(np.ones(looks), 4 * self.share * (1 - self.share) * counts)
        smallest = counts * min(self.share, 1 - self.share)
        few = (smallest < sequence.burn_in) | (smallest * self.event_rate < sequence.least_events)
        bounds[few] = math.inf
        return crossed(bounds, counts / rows, drift=self.drift(rows))

    def watched_rows(self, sequence: ConfidenceSequence, *, power: float = 0.8, looks: int = 30) -> int:
        """The rows of both arms by which a watched experiment has stopped for the effect with this chance."""
        low = self.rows(power) / 2
        high = 2 * low
        while self.watched(high, sequence, looks=looks)[-1] < power:
            low, high = high, 2 * high
        while high - low > 0.001 * high:
            middle = (low + high) / 2
            reached = self.watched(middle, sequence, looks=looks)[-1] >= power
            low, high = (low, middle) if reached else (middle, high)
        return math.ceil(high)

    def median_stop(self, rows: float, sequence: ConfidenceSequence, *, looks: int = 30) -> int | None:
        """The rows at the look by which half of such experiments have stopped; None where fewer than half do."""
        stopped = self.watched(rows, sequence, looks=looks)
        if stopped[-1] < 0.5:
            return None
        return math.ceil(rows * (int(np.argmax(stopped >= 0.5)) + 1) / looks)


def ratio_variance(numerator: tuple[float, float], denominator: tuple[float, float], covariance: float) -> float:
    """The variance of one row of a ratio of means, of (mean, variance) each, by the delta method."""
    (top, top_variance), (bottom, bottom_variance) = numerator, denominator
    ratio = top / bottom
    return (top_variance - 2 * ratio * covariance + ratio**2 * bottom_variance) / bottom**2


def days(rows: int, rows_per_day: float, *, exposed: float = 1.0) -> int:
    """The whole days until so many rows of both arms, where a share of the day's rows is in the experiment."""
    if rows_per_day <= 0 or not 0 < exposed <= 1:
        raise ValueError("rows_per_day must be positive, and exposed above 0 and at most 1")
    return math.ceil(rows / (rows_per_day * exposed))


def crossed(bounds: Sequence[float] | Array, times: Sequence[float] | Array, *, drift: float = 0.0) -> Array:
    """The chance that |z| has exceeded its bound by each look.

    ``bounds`` are those of z, infinite where a look does not decide; ``times`` the rising information at each look, as
    a fraction; ``drift`` the mean of z at time 1. Under no drift the last value is the false alarm rate.
    """
    limits, information = np.asarray(bounds, np.float64), np.asarray(times, np.float64)
    nodes, weights = _quadrature()
    result = np.empty(len(limits))
    places, mass, before = np.zeros(1), np.ones(1), 0.0
    for look, (limit, now) in enumerate(zip(limits, information, strict=True)):
        center, reach = drift * now, FAR * math.sqrt(now)
        high, low = min(limit * math.sqrt(now), center + reach), max(-limit * math.sqrt(now), center - reach)
        if low >= high:
            result[look:] = 1.0
            break
        step = now - before
        grid = (high + low) / 2 + (high - low) / 2 * nodes
        kernel = np.exp(-np.square(grid[:, None] - places - drift * step) / (2 * step)) / math.sqrt(2 * math.pi * step)
        places, mass, before = grid, (high - low) / 2 * weights * (kernel @ mass), float(now)
        result[look] = 1 - mass.sum()
    return np.clip(result, 0.0, 1.0)


def constant_bound(shape: Callable[[float], float], looks: int, alpha: float = 0.05) -> float:
    """The factor c for which the bounds c shape(t) at even looks are crossed with a probability of ``alpha``.

    Shape 1 is Pocock's design, 1 / sqrt(t) that of O'Brien and Fleming: for a number of looks that is fixed before.
    """
    times = np.arange(1, looks + 1) / looks
    form = np.array([shape(float(time)) for time in times])
    low, high = 0.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if crossed(middle * form, times)[-1] > alpha else (low, middle)
    return (low + high) / 2


@cache
def _quadrature() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return np.asarray(nodes, np.float64), np.asarray(weights, np.float64)
