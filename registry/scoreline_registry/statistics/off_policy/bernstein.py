"""An interval of a mean of bounded values that holds at every count: the empirical Bernstein bound."""

import math

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.off_policy.estimators import IPS
from scoreline_registry.statistics.off_policy.logged import Float64, LoggedDecisions

METHOD = "empirical Bernstein"
ASSUMPTIONS = "Independent values within the stated bounds; any count, no normal mean."


def empirical_bernstein(values: Float64, bounds: tuple[float, float], *, alpha: float = 0.05, name: str) -> Figure:
    """The mean with the interval of Maurer and Pontil (COLT 2009, theorem 4), both sides at alpha / 2.

    With the variance v and the range R: mean +- sqrt(2 v ln(4 / alpha) / n) + 7 R ln(4 / alpha) / (3 (n - 1)), kept
    within ``bounds``. Raises ValueError for a value outside them.
    """
    low, high = bounds
    if len(values) < 2:
        return TooFew(len(values), 2, f"{name}, {METHOD}")
    if not low <= values.min() <= values.max() <= high:
        raise ValueError(f"values are within {low:g} and {high:g}")
    sample, logarithm = Moments.of(values), math.log(4 / alpha)
    reach = math.sqrt(2 * sample.variance * logarithm / sample.count)
    reach += 7 * (high - low) * logarithm / (3 * (sample.count - 1))
    return Estimate(
        value=sample.mean,
        low=max(low, sample.mean - reach),
        high=min(high, sample.mean + reach),
        p=None,
        level=1 - alpha,
        method=f"{name}, {METHOD}",
        assumptions=ASSUMPTIONS,
        count=sample.count,
    )


def bounded_inverse_propensity(
    log: LoggedDecisions, rewards: tuple[float, float], *, largest_weight: float, alpha: float = 0.05
) -> Figure:
    """The inverse propensity estimate of independent decisions with an interval that holds at every count.

    ``rewards`` are their known bounds and ``largest_weight`` the known bound of the weights, such as one over the floor
    of exploration: neither may be read from the data. Raises NoSupportError, and ValueError for a value outside the
    bounds or decisions with units.
    """
    if log.units is not None:
        raise ValueError("the empirical Bernstein interval is of independent decisions: give none of one unit twice")
    log.check_support()
    bounds = min(0.0, rewards[0] * largest_weight), max(0.0, rewards[1] * largest_weight)
    return empirical_bernstein(log.weights * log.rewards, bounds, alpha=alpha, name=IPS)
