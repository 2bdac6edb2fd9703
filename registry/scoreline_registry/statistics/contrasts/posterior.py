"""The relative effect of an arm as a posterior: chance to win and the risk of choosing wrong."""

import math
from dataclasses import dataclass

from scoreline_registry.statistics.contrasts.differences import contrast
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.moments import Moments


@dataclass(frozen=True, slots=True)
class Posterior:
    """The relative effect under a flat prior.

    Attributes:
        effect: the posterior mean with its credible interval.
        chance_to_win: the posterior probability that treated is higher than control.
        risk_of_control, risk_of_treated: the relative effect that is lost on average by choosing that arm.
    """

    effect: Estimate
    chance_to_win: float
    risk_of_control: float
    risk_of_treated: float


def relative_posterior(control: Moments, treated: Moments, *, alpha: float = 0.05) -> Posterior | TooFew:
    """The posterior of (treated - control) / control, normal with the delta method's variance, under a flat prior.

    The risk of an arm is the mean of what the other one is better by, where it is better (Stucchio, Bayesian A/B
    testing at VWO, 2015): with z = effect / error, error (phi(z) + z Phi(z)) for control.
    """
    from scipy.stats import norm  # noqa: PLC0415 - serving needs no SciPy

    found = contrast(control, treated, relative=True)
    if isinstance(found, TooFew) or found.variance == 0:
        return TooFew(min(control.count, treated.count), 2, "normal posterior")
    error, z = found.error, found.value / found.error
    reach = float(norm.ppf(1 - alpha / 2)) * error
    effect = Estimate(
        value=found.value,
        low=found.value - reach,
        high=found.value + reach,
        p=None,
        level=1 - alpha,
        method="normal posterior under a flat prior, relative (delta method)",
        assumptions=found.assumptions,
        count=found.count,
    )
    lost = error * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) + found.value * float(norm.cdf(z))
    return Posterior(effect, float(norm.cdf(z)), lost, lost - found.value)
