"""Latencies as a histogram, with always-valid bounds of a quantile.

A quantile q is above t where the share of values above t is above 1 - q, so each bound is a test of a rate: exact at
every count and valid at every look. The buckets are of 2 % each, and so is the resolution of the bounds.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.betting import log_rate_evidence
from scoreline_registry.statistics.moments import Values

_LEAST_MS, _MOST_MS, _RATIO = 1e-3, 1e6, 1.02
_EDGES = np.concatenate([[0.0], np.geomspace(_LEAST_MS, _MOST_MS, math.ceil(math.log(_MOST_MS / _LEAST_MS, _RATIO)))])


def _no_counts() -> npt.NDArray[np.int64]:
    return np.zeros(len(_EDGES), np.int64)


@dataclass(frozen=True)
class Latencies:
    """A histogram of latencies in ms; ``counts[i]`` are those from edge i on, below edge i + 1."""

    counts: npt.NDArray[np.int64] = field(default_factory=_no_counts)

    @classmethod
    def of(cls, milliseconds: Values) -> "Latencies":
        """The histogram of an array [N]."""
        places = np.searchsorted(_EDGES, np.maximum(milliseconds, 0.0), side="right") - 1
        return cls(np.bincount(places, minlength=len(_EDGES)))

    def __add__(self, other: "Latencies") -> "Latencies":
        """Both together."""
        return Latencies(self.counts + other.counts)

    @property
    def count(self) -> int:
        """The number of latencies."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """The upper edge of the bucket that holds the quantile; NaN without latencies."""
        if not self.count:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.counts), q * self.count))
        return float(_EDGES[min(place + 1, len(_EDGES) - 1)])

    def bounds(self, q: float, alpha: float) -> tuple[float, float]:
        """The always-valid lower and upper bound of a quantile, each one-sided at ``alpha``; infinite where open."""
        at_least = self.count - np.cumsum(self.counts) + self.counts
        needed = math.log(1 / alpha)
        above = log_rate_evidence(at_least, self.count, 1 - q) >= needed
        below = log_rate_evidence(self.count - at_least, self.count, q) >= needed
        low = float(_EDGES[np.flatnonzero(above)[-1]]) if above.any() else -math.inf
        high = float(_EDGES[np.flatnonzero(below)[0]]) if below.any() else math.inf
        return low, high
