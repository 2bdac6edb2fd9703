"""Shares of the arms from their outcomes: Thompson sampling with a floor, and estimates that stay honest under it.

The chance of being best is integrated on a grid, so that equal outcomes give equal shares on every host. NumPy only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.differences import Contrast
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


def top_two(best: Sequence[float], *, leader: float = 0.5) -> Weights:
    """The shares of top-two Thompson sampling (Russo, Operations Research 68, 2020).

    With probability ``leader`` a draw takes the best arm, else the best of a draw in which another one wins.
    """
    chances = np.asarray(best, np.float64)
    rest = np.where(chances < 1, 1 - chances, 1.0)
    challenger = [
        sum(chances[j] * chances[i] / rest[j] for j in range(len(chances)) if j != i) for i in range(len(best))
    ]
    mixed = leader * chances + (1 - leader) * np.asarray(challenger)
    return tuple((mixed / mixed.sum()).tolist())


def with_floor(weights: Sequence[float], floor: float) -> Weights:
    """Shares of at least ``floor`` each: floor + (1 - n floor) weight; equal shares where n floors are above 1."""
    count = len(weights)
    if count * floor > 1:
        return (1 / count,) * count
    return tuple(floor + (1 - count * floor) * weight for weight in weights)


@dataclass(frozen=True, slots=True)
class Period:
    """Outcomes of a time in which shares stood still.

    Attributes:
        count: rows that were assigned, to any arm.
        control, treated: the outcomes of the two arms.
        control_share, treated_share: the probabilities of the assignment, above 0 where the arm has rows.
    """

    count: int
    control: Moments
    treated: Moments
    control_share: float
    treated_share: float


def inverse_propensity(periods: Sequence[Period]) -> Contrast | TooFew:
    """Treated's mean minus control's over all periods' rows, each outcome weighed by 1 / the share in force.

    Shares that follow outcomes make plain means of the arms biased (Nie et al., AISTATS 2018). Each row gives the
    pseudo outcome y 1[treated] / p_t - y 1[control] / p_c, whose mean is unbiased whatever the shares depended on
    before the row (Horvitz and Thompson, JASA 47, 1952), and whose running sum is a martingale: an always-valid
    interval of it holds (Waudby-Smith et al., arXiv:2210.10768). Outcomes are taken from the mean outcome of all rows,
    which changes the estimate little and makes its variance smaller.
    """
    method = "inverse propensity (Horvitz-Thompson)"
    count, few = sum(period.count for period in periods), _fewest(periods)
    if few < 2:
        return TooFew(few, 2, method)
    centre = _centre(periods)
    pseudo = Moments()
    for period in periods:
        pseudo += _pseudo(period, centre)
    return Contrast(
        pseudo.mean,
        pseudo.variance_of_mean,
        count,
        count - 1,
        method,
        "Shares depend only on what was known before a row; each period's shares are those it was assigned by.",
    )


def _fewest(periods: Sequence[Period]) -> int:
    """Rows of the smaller arm, over all periods."""
    return min(sum(period.control.count for period in periods), sum(period.treated.count for period in periods))


def _centre(periods: Sequence[Period]) -> float:
    total = sum((period.control + period.treated for period in periods), start=Moments())
    return total.mean


def _pseudo(period: Period, centre: float) -> Moments:
    """The moments of the pseudo outcomes of one period's rows; those of other arms are 0."""
    total = squares = 0.0
    for arm, share in ((period.treated, period.treated_share), (period.control, -period.control_share)):
        if arm.count:
            mean = (arm.mean - centre) / share
            total += arm.count * mean
            squares += arm.squares / share**2 + arm.count * mean**2
    return Moments.of_sums(period.count, total, squares)


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
