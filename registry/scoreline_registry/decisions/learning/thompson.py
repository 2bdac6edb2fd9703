"""Thompson sampling: each action is drawn with the chance that it is the best one, by what is believed of its effect.

The chances are integrated, not sampled, and the action is drawn from them (probability matching: Thompson, Biometrika
25, 1933). So the propensity that is journaled is exactly the probability that the action was drawn with, whatever the
error of the integration is, and equal outcomes give equal propensities on every host. NumPy only.

    beliefs = [Belief(posterior, scale=benefit * score, shift=-cost) for each action]
    propensities = shares(beliefs, floor=0.05)
    chosen = drawn(propensities, bucket(salt, decision))
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.experiments.allocation import Weights, with_floor
from scoreline_registry.statistics.special import log_beta_ratio

POINTS = 128
"""The quantiles that a posterior is integrated over: the chance of one of two actions errs by at most 1 / 256."""

MOST_COUNTS = 1e12
"""The most successes, or failures, of a posterior."""

_STEPS = 400
_EDGE = 1e-12

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """The posterior of a rate or a share from 0 to 1: a prior's and the observed successes and failures, above 0."""

    successes: float
    failures: float

    def __post_init__(self) -> None:
        if not (0 < self.successes <= MOST_COUNTS and 0 < self.failures <= MOST_COUNTS):
            numbers = f"{self.successes} and {self.failures}"
            raise ValueError(f"a beta posterior has two numbers above 0, at most {MOST_COUNTS:g}, not {numbers}")

    @property
    def mean(self) -> float:
        """The posterior mean."""
        return self.successes / (self.successes + self.failures)

    @property
    def spread(self) -> float:
        """The posterior standard deviation."""
        total = self.successes + self.failures
        return math.sqrt(self.successes * self.failures / (total + 1)) / total

    def quantiles(self) -> Float64:
        """The POINTS quantiles at (i + 1/2) / POINTS, ascending."""
        return _beta_quantiles(self.successes, self.failures)


@dataclass(frozen=True, slots=True)
class NormalPosterior:
    """The posterior of a value of any size. ``spread`` is its standard deviation, 0 for a value that is known."""

    mean: float
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 <= self.spread < math.inf):
            raise ValueError(f"a normal posterior has a finite mean and spread, not {self.mean}, {self.spread}")

    def quantiles(self) -> Float64:
        """The POINTS quantiles at (i + 1/2) / POINTS, ascending."""
        return self.mean + self.spread * _standard_quantiles()


Posterior: TypeAlias = BetaPosterior | NormalPosterior


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of an action's value in one decision: ``scale`` times the effect, plus ``shift``.

    The scale is the benefit times what the effect multiplies, such as the score; the shift is minus the cost. An action
    of a known value, such as "none" at 0, has a scale of 0.
    """

    posterior: Posterior
    scale: float = 1.0
    shift: float = 0.0

    @property
    def mean(self) -> float:
        """The expected value."""
        return self.scale * self.posterior.mean + self.shift

    @property
    def spread(self) -> float:
        """The standard deviation of the value."""
        return abs(self.scale) * self.posterior.spread

    def quantiles(self) -> Float64:
        """The quantiles of the value, ascending."""
        ordered = self.posterior.quantiles() if self.scale >= 0 else self.posterior.quantiles()[::-1]
        return self.scale * ordered + self.shift


KNOWN_ZERO = Belief(NormalPosterior(0.0))
"""The value of doing nothing."""


def shares(beliefs: Sequence[Belief], *, floor: float = 0.0) -> Weights:
    """The propensity of each action: its chance to have the highest value, mixed so that each has the floor.

    The floor is a share from 0 to 1; where that many floors are above 1 all propensities are equal. Raises ValueError
    without an action, and for a value that is not finite.
    """
    if not beliefs:
        raise ValueError("there is no action to choose among")
    if not all(math.isfinite(belief.mean) and math.isfinite(belief.spread) for belief in beliefs):
        raise ValueError("the value of an action is not finite")
    return with_floor(_chances(beliefs), floor)


def explored(best: int, count: int, share: float) -> Weights:
    """The propensities where a share of decisions, 0 to 1, is drawn uniformly and all others take the best action."""
    return tuple(share / count + (1 - share) * (place == best) for place in range(count))


def drawn(propensities: Sequence[float], point: float) -> int:
    """The action that a point of [0, 1) falls on, as an index; one with a propensity of 0 is never drawn."""
    total = math.fsum(propensities)
    for place, edge in enumerate(accumulate(propensities)):
        if point * total < edge:
            return place
    return max(place for place, propensity in enumerate(propensities) if propensity > 0)


def _chances(beliefs: Sequence[Belief]) -> Weights:
    """The chance of each to be the highest."""
    if len(beliefs) == 1:
        return (1.0,)
    if len(beliefs) == 2 and all(_is_normal(belief) for belief in beliefs):
        return _of_two(*beliefs)
    tables = [belief.quantiles() for belief in beliefs]
    chances = [_highest(table, [*tables[:place], *tables[place + 1 :]]) for place, table in enumerate(tables)]
    total = math.fsum(chances)
    return tuple(chance / total for chance in chances)


def _is_normal(belief: Belief) -> bool:
    return belief.scale == 0 or isinstance(belief.posterior, NormalPosterior)


def _of_two(first: Belief, second: Belief) -> Weights:
    """The closed form of two normal values: Phi of their distance in standard deviations of the difference."""
    distance, spread = first.mean - second.mean, math.hypot(first.spread, second.spread)
    if not spread:
        chance = 0.5 * ((distance > 0) + (distance >= 0))
    else:
        chance = 0.5 * math.erfc(-distance / spread / math.sqrt(2))
    return chance, 1 - chance


def _highest(table: Float64, others: Sequence[Float64]) -> float:
    """The mean over a table's points of the chance that all others are below; a tie counts half."""
    below = np.ones(POINTS)
    for other in others:
        below *= (np.searchsorted(other, table, "left") + np.searchsorted(other, table, "right")) / (2 * POINTS)
    return float(below.mean())


def _levels() -> Float64:
    return np.asarray((np.arange(POINTS) + 0.5) / POINTS, np.float64)


@lru_cache(maxsize=1)
def _standard_quantiles() -> Float64:
    normal = NormalDist()
    table = np.array([normal.inv_cdf(level) for level in _levels().tolist()])
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1024)
def _beta_quantiles(successes: float, failures: float) -> Float64:
    """The quantiles by interpolation of the distribution function, which is exact at the points of a grid."""
    total = successes + failures
    centre, spread = successes / total, math.sqrt(successes * failures / (total + 1)) / total
    near = np.linspace(max(_EDGE, centre - 8 * spread), min(1 - _EDGE, centre + 8 * spread), _STEPS)
    edges = np.geomspace(_EDGE, 0.5, _STEPS // 4)
    grid = np.unique(np.concatenate([edges, near, 1 - edges]))
    below = np.array([math.exp(log_beta_ratio(successes, failures, point)) for point in grid.tolist()])
    table: Float64 = np.interp(_levels(), np.append(below, 1.0), np.append(grid, 1.0), left=_EDGE)
    table.flags.writeable = False
    return table
