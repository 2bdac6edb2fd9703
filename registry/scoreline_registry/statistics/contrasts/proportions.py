"""Proportions at one look: Wilson's interval of one, and the difference of two, also of few events."""

import math

from scoreline_registry.statistics.contrasts.differences import difference
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments

FEW_EVENTS = 5
"""Below so many successes or failures in an arm the normal approximation of a rate is poor (Cochran 1954)."""


def rate(successes: int, count: int) -> Moments:
    """The moments of a proportion with the variance p (1 - p) of the maximum likelihood, as Wald's interval has it.

    ``Moments.of_rate`` has the unbiased n / (n - 1) times that.
    """
    if not count:
        return Moments()
    share = successes / count
    return Moments(count, share, share * (1 - share) * (count - 1))


def rate_difference(
    control: tuple[int, int], treated: tuple[int, int], *, alpha: float = 0.05, relative: bool = False
) -> Figure:
    """The difference of two proportions, each as (successes, count).

    With FEW_EVENTS successes and failures in each arm, Welch's; below that the absolute difference has Newcombe's
    score interval and Fisher's exact p, and there is no relative one.
    """
    few = min(min(successes, count - successes) for successes, count in (control, treated))
    if few >= FEW_EVENTS:
        return difference(rate(*control), rate(*treated), alpha=alpha, relative=relative)
    if relative:
        return TooFew(few, FEW_EVENTS, "relative difference of rates")
    if not control[1] or not treated[1]:
        return TooFew(0, 1, "Newcombe's score interval")
    return _newcombe(control, treated, alpha)


def wilson(successes: int, count: int, *, alpha: float = 0.05) -> Figure:
    """A proportion with Wilson's score interval (JASA 22, 1927): good at any count, also for 0 successes."""
    method = "Wilson's score interval"
    if not count:
        return TooFew(0, 1, method)
    low, high = _wilson(successes, count, alpha)
    return Estimate(
        successes / count, low, high, None, 1 - alpha, method, "Observations are independent of each other.", count
    )


def _newcombe(control: tuple[int, int], treated: tuple[int, int], alpha: float) -> Estimate:
    """Method 10 of Newcombe (Statistics in Medicine 17, 1998): two Wilson intervals squared and added."""
    from scipy.stats import fisher_exact  # noqa: PLC0415 - serving needs no SciPy

    left, right = (successes / count for successes, count in (control, treated))
    (left_low, left_high), (right_low, right_high) = _wilson(*control, alpha), _wilson(*treated, alpha)
    value = right - left
    below = math.hypot(right - right_low, left_high - left)
    above = math.hypot(right_high - right, left - left_low)
    table = [[successes, count - successes] for successes, count in (control, treated)]
    return Estimate(
        value=value,
        low=value - below,
        high=value + above,
        p=float(fisher_exact(table).pvalue),
        level=1 - alpha,
        method="Newcombe's score interval, Fisher's exact p",
        assumptions="Units are independent of each other and assigned at random.",
        count=control[1] + treated[1],
    )


def _wilson(successes: int, count: int, alpha: float) -> tuple[float, float]:
    from scipy.stats import norm  # noqa: PLC0415 - serving needs no SciPy

    z, share = float(norm.ppf(1 - alpha / 2)), successes / count
    scale = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    low = 0.0 if successes == 0 else centre - reach
    return low, 1.0 if successes == count else centre + reach
