"""Shares of the arms from their outcomes: Thompson sampling with a floor.

The chance of being best is integrated on a grid, so that equal outcomes give equal shares on every host. NumPy only.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments

Weights = tuple[float, ...]
Float64 = npt.NDArray[np.float64]

PRIOR = (1.0, 1.0)
"""The uniform prior of a rate: one success and one failure."""

POINTS = 4001
"""Grid points per arm, over twelve standard deviations either way."""


def best_of_rates(arms: Sequence[tuple[int, int]], *, prior: tuple[float, float] = PRIOR) -> Weights:
    """The posterior chance of each arm to have the highest rate, from its (successes, count), with a Beta prior.

    These are the shares that Thompson sampling gives on average (Thompson, Biometrika 25, 1933). The prior's
    parameters are at least 1.
    """
    shapes = [(prior[0] + successes, prior[1] + count - successes) for successes, count in arms]
    centres = [a / (a + b) for a, b in shapes]
    spreads = [math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))) for a, b in shapes]
    grid = np.clip(_grid(centres, spreads), 0, 1)
    return _chances([_beta(a, b) for a, b in shapes], np.unique(grid))


def best_of_means(arms: Sequence[Moments]) -> Weights | TooFew:
    """The posterior chance of each arm to have the highest mean, by the normal approximation under a flat prior."""
    few = min(arm.count for arm in arms)
    if few < 2 or max(arm.variance for arm in arms) <= 0:
        return TooFew(few, 2, "chance to be best, normal")
    spreads = [math.sqrt(arm.variance_of_mean) for arm in arms]
    least = max(spreads) * 1e-6
    laws = [(arm.mean, max(spread, least)) for arm, spread in zip(arms, spreads, strict=True)]
    return _chances([_normal(*law) for law in laws], _grid(*zip(*laws, strict=True)))


def with_floor(weights: Sequence[float], floor: float) -> Weights:
    """Shares of at least ``floor`` each: floor + (1 - n floor) weight; equal shares where n floors are above 1."""
    count = len(weights)
    if count * floor > 1:
        return (1 / count,) * count
    return tuple(floor + (1 - count * floor) * weight for weight in weights)


Law = Callable[[Float64], Float64]


def _beta(a: float, b: float) -> Law:
    def log_density(points: Float64) -> Float64:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(a == 1, 0.0, (a - 1) * np.log(points)) + np.where(b == 1, 0.0, (b - 1) * np.log1p(-points))

    return log_density


def _normal(mean: float, spread: float) -> Law:
    return lambda points: -0.5 * np.square((points - mean) / spread)


def _grid(centres: Sequence[float], spreads: Sequence[float]) -> Float64:
    """Ascending points that are close wherever an arm's density lives."""
    parts = [
        np.linspace(centre - 12 * spread, centre + 12 * spread, POINTS)
        for centre, spread in zip(centres, spreads, strict=True)
    ]
    return np.unique(np.concatenate(parts))


def _chances(laws: Sequence[Law], grid: Float64) -> Weights:
    """For each law the chance that its draw is the largest: the integral of its density times the others' CDFs."""
    steps = []
    for law in laws:
        logs = law(grid)
        density = np.exp(logs - logs[np.isfinite(logs)].max())
        mass = (density[1:] + density[:-1]) / 2 * np.diff(grid)
        steps.append(mass / mass.sum())
    # Half of a cell's own mass lies below a point in it.
    below = [np.cumsum(mass) - mass / 2 for mass in steps]
    chances = np.array(
        [
            np.sum(
                mass * np.prod([other for at, other in enumerate(below) if at != arm] or [np.ones_like(mass)], axis=0)
            )
            for arm, mass in enumerate(steps)
        ]
    )
    return tuple((chances / chances.sum()).tolist())
