"""Always-valid intervals of quantiles and of distributions: for scores and latencies, whatever their shape.

Howard and Ramdas (2022, arXiv:1906.09712). The number of values below a quantile is binomial, so the beta-binomial
mixture bounds the ranks between which the quantile lies. Values are passed sorted, in ascending order.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.mixtures import BetaBinomialMixture, distribution_bound, lowest, root
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew

Sorted = npt.NDArray[np.floating[Any]]
CANDIDATES = 2000
"""The number of values at which the evidence against equal quantiles is evaluated, at most."""


@dataclass(frozen=True, slots=True)
class QuantileSequence:
    """A confidence sequence of one quantile, such as 0.99.

    ``alpha`` is the probability that the interval misses the truth at any look, at most; the interval is narrowest near
    ``tuning_rows`` rows.
    """

    quantile: float
    alpha: float = 0.05
    tuning_rows: float = 5000

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ValueError(f"a quantile must be above 0 and below 1, not {self.quantile}")

    def log_evidence(self, share: float, count: int) -> float:
        """The logarithm of the evidence that the quantile is not at a value above a ``share`` of ``count`` values."""
        q = self.quantile
        mixture = BetaBinomialMixture.tuned(q * (1 - q) * self.tuning_rows, q, 1 - q, self.alpha)
        return mixture.log_evidence((share - q) * count, q * (1 - q) * count)

    def ranks(self, count: int) -> tuple[int, int]:
        """The ranks, from 1, of the values between which the quantile lies; 0 or count + 1 where none bounds it."""
        threshold = math.log(1 / self.alpha)

        def excluded(share: float) -> float:
            return self.log_evidence(share, count) - threshold

        low = root(lambda share: -excluded(share), 0.0, self.quantile) if excluded(0.0) > 0 else 0.0
        high = root(excluded, self.quantile, 1.0) if excluded(1.0) > 0 else 1.0
        return math.ceil(low * count), math.floor(high * count) + 1

    def of(self, values: Sorted) -> Figure:
        """The quantile with its interval; a side is infinite while there are too few values to bound it."""
        method = f"quantile {self.quantile:g}, beta-binomial confidence sequence"
        count = len(values)
        if not count:
            return TooFew(0, 1, method)
        low, high = self.ranks(count)
        return Estimate(
            value=float(values[min(math.floor(count * self.quantile), count - 1)]),
            low=float(values[low - 1]) if low else -math.inf,
            high=float(values[high - 1]) if high <= count else math.inf,
            p=None,
            level=1 - self.alpha,
            method=method,
            assumptions="independent rows of one distribution; any number of looks",
            count=count,
            always_valid=True,
        )

    def p_value(self, first: Sorted, second: Sorted) -> float:
        """The always-valid p-value of "both samples have the same quantile"; take the smallest over all looks.

        Section 5 of the paper: for each possible common value the evidence of both samples is multiplied, and the least
        evidence counts. With more than ``CANDIDATES`` values between the two quantiles it is bounded from below by
        those of an even selection, and p is slightly too large.
        """
        if not len(first) or not len(second):
            return 1.0
        samples = sorted((_Sample.of(self, values) for values in (first, second)), key=lambda sample: sample.high)
        (left, right), places = samples, _between(*samples)
        rising, falling = ([sample.evidence(x) for x in places] for sample in (left, right))
        if len(places) > CANDIDATES:
            rising, falling = rising[:-1], falling[1:]
        return math.exp(-max(0.0, min(a + b for a, b in zip(rising, falling, strict=True))))


@dataclass(frozen=True, slots=True)
class _Sample:
    """Sorted values, and the share of them below the quantile for which there is least evidence."""

    sequence: QuantileSequence
    values: Sorted
    share: float

    @classmethod
    def of(cls, sequence: QuantileSequence, values: Sorted) -> "_Sample":
        return cls(sequence, values, lowest(lambda share: sequence.log_evidence(share, len(values)), 0.0, 1.0))

    @property
    def low(self) -> float:
        """The least value at which the evidence is least."""
        return float(self.values[max(math.ceil(self.share * len(self.values)) - 1, 0)])

    @property
    def high(self) -> float:
        """The greatest value at which the evidence is least."""
        return float(self.values[min(int(self.share * len(self.values)), len(self.values) - 1)])

    def evidence(self, x: float) -> float:
        """The least evidence that ``x`` is not the quantile, over the shares below it and up to it."""
        below, up_to = (np.searchsorted(self.values, x, side) / len(self.values) for side in ("left", "right"))
        return self.sequence.log_evidence(float(min(max(self.share, below), up_to)), len(self.values))


def _between(left: _Sample, right: _Sample) -> list[float]:
    """The values of both samples between their quantiles: all, or a selection of one more than ``CANDIDATES``."""
    low, high = min(left.high, right.low), max(left.high, right.low)
    parts = [
        sample.values[np.searchsorted(sample.values, low) : np.searchsorted(sample.values, high, "right")]
        for sample in (left, right)
    ]
    places = np.unique(np.concatenate(parts))
    if len(places) > CANDIDATES:
        places = places[np.linspace(0, len(places) - 1, CANDIDATES + 1).astype(np.int64)]
    return [float(x) for x in places]


def distribution_difference(first: Sorted, second: Sorted, *, alpha: float = 0.05, burn_in: int = 100) -> Figure:
    """The greatest difference of two distribution functions (the Kolmogorov-Smirnov statistic), always valid.

    Each empirical distribution function keeps its bound at alpha / 2, at every count from the burn-in, so their
    distance keeps the sum. Wider than the test for one look, and without any assumption on the distributions.
    """
    method = "Kolmogorov-Smirnov distance, iterated-logarithm confidence sequence"
    smallest = min(len(first), len(second))
    if smallest < burn_in:
        return TooFew(smallest, burn_in, method)
    places = np.concatenate([first, second])
    shares = [np.searchsorted(values, places, "right") / len(values) for values in (first, second)]
    value = float(np.abs(shares[0] - shares[1]).max())
    half = sum(distribution_bound(len(values), alpha / 2, burn_in=burn_in) for values in (first, second))
    return Estimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        p=None,
        level=1 - alpha,
        method=method,
        assumptions="independent rows of one distribution in each sample; any number of looks",
        count=len(first) + len(second),
        always_valid=True,
    )
