"""CUPED: arms compared after what a covariate explains is taken away (Deng, Xu, Kohavi and Walker, WSDM 2013).

The covariate must be known before the unit was assigned, such as a feature of the scored row, so that no arm can have
changed it. One coefficient is estimated over both arms; the adjusted moments are compared like any others.
"""

from dataclasses import dataclass, replace

import numpy as np

from scoreline_registry.statistics.contrasts.contrast import INDEPENDENT, Contrast
from scoreline_registry.statistics.contrasts.differences import FEW, MEANS, RELATIVE, WELCH, contrast
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments, Vector
from scoreline_registry.statistics.moments import Moments

WORTHWHILE = 0.01
"""A variance that falls by less than this share is no gain: an interval 0.5 % narrower."""

ADJUSTED = "adjusted by CUPED"
ASSUMES = f"{INDEPENDENT} The covariate was known before the assignment."


@dataclass(frozen=True, slots=True, eq=False)
class Adjusted:
    """Two arms after the adjustment.

    Attributes:
        control, treated: moments of the adjusted metric; their means are moved by theta times the arm's distance from
            the covariate's overall mean, so that each is an estimate of its arm's mean.
        theta: the coefficient; 0 where the covariate does not vary.
        variance_reduction: by what share the variance of the difference falls; 0 where there is nothing to take away.
        relative: the difference relative to control's unadjusted mean.
    """

    control: Moments
    treated: Moments
    theta: float
    variance_reduction: float
    relative: Contrast | TooFew

    @property
    def gain(self) -> bool:
        """Whether the adjustment is worth reporting: the variance falls by at least WORTHWHILE."""
        return self.variance_reduction >= WORTHWHILE

    @property
    def absolute(self) -> Contrast | TooFew:
        """The adjusted difference."""
        found = contrast(self.control, self.treated)
        name = f"{MEANS} {ADJUSTED}"
        if isinstance(found, TooFew):
            return replace(found, method=name)
        return replace(found, name=name, assumptions=ASSUMES)

    def difference(self, *, alpha: float = 0.05, relative: bool = False) -> Figure:
        """The adjusted difference with its fixed-horizon interval."""
        found = self.relative if relative else self.absolute
        return found if isinstance(found, TooFew) else found.fixed(alpha)


@dataclass(frozen=True, slots=True, eq=False)
class _Metric:
    """A metric and a covariate as functions of the means of one arm's columns, with their gradients there."""

    value: float
    gradient: Vector
    covariate: float
    covariate_gradient: Vector

    def adjusted(self, theta: float) -> tuple[float, Vector]:
        return self.value - theta * self.covariate, self.gradient - theta * self.covariate_gradient


def adjust(control: JointMoments, treated: JointMoments, *, rates: bool = False) -> Adjusted:
    """Adjusts a mean or rate by a covariate, from the columns (metric, covariate) of each arm.

    theta is the covariance over the variance of the pooled rows of both arms. With ``rates``, columns of zeros and ones
    have the variance p (1 - p), as in ``proportions.rate``.
    """
    pooled = (control + treated).products
    theta = float(pooled[0, 1] / pooled[1, 1]) if pooled[1, 1] > 0 else 0.0
    arms = (_as_rates(control), _as_rates(treated)) if rates else (control, treated)
    metrics = _mean_metric(control), _mean_metric(treated)
    base = metrics[0].value
    return _adjusted(arms, metrics, theta, lift=(metrics[1].value - base) / base if base else 0.0)


def adjust_ratio(control: JointMoments, treated: JointMoments) -> Adjusted | TooFew:
    """Adjusts a ratio by a covariate, from the columns (numerator, denominator, covariate) of each arm.

    With four columns the covariate is itself a ratio, (numerator, denominator, earlier numerator, earlier denominator).
    theta is the covariance over the variance of the linearised metric and covariate, arms weighing alike.
    """
    arms = control, treated
    if any(arm.count < FEW or arm.means[1] == 0 or (len(arm.means) == 4 and arm.means[3] == 0) for arm in arms):
        return TooFew(min(control.count, treated.count), FEW, f"{MEANS} {ADJUSTED}")
    metrics = _ratio_metric(control), _ratio_metric(treated)
    shared = variance = 0.0
    for arm, metric in zip(arms, metrics, strict=True):
        shared += float(metric.gradient @ arm.covariance @ metric.covariate_gradient)
        variance += float(metric.covariate_gradient @ arm.covariance @ metric.covariate_gradient)
    return _adjusted(arms, metrics, shared / variance if variance > 0 else 0.0)


def _adjusted(
    arms: tuple[JointMoments, JointMoments],
    metrics: tuple[_Metric, _Metric],
    theta: float,
    *,
    lift: float | None = None,
) -> Adjusted:
    total = sum(arm.count for arm in arms)
    shift = theta * sum(arm.count * metric.covariate for arm, metric in zip(arms, metrics, strict=True)) / max(total, 1)
    control, treated = (
        arm.combined(metric.adjusted(theta)[0] + shift, metric.adjusted(theta)[1])
        for arm, metric in zip(arms, metrics, strict=True)
    )
    plain = [arm.combined(metric.value, metric.gradient) for arm, metric in zip(arms, metrics, strict=True)]
    before = sum(arm.variance_of_mean for arm in plain)
    after = control.variance_of_mean + treated.variance_of_mean
    return Adjusted(
        control,
        treated,
        theta,
        max(0.0, 1 - after / before) if before > 0 else 0.0,
        _relative(arms, metrics, theta, contrast(control, treated), lift),
    )


def _relative(
    arms: tuple[JointMoments, JointMoments],
    metrics: tuple[_Metric, _Metric],
    theta: float,
    absolute: Contrast | TooFew,
    lift: float | None,
) -> Contrast | TooFew:
    """The adjusted difference D over control's unadjusted mean m, by the delta method.

    Its gradient is that of treated's adjusted metric over m, and for control -(adjusted + lift * unadjusted) over m.
    The lift there is D / m, or the unadjusted one where it is given; both have the same limit, since assignment at
    random gives both arms the same covariate. GrowthBook takes the latter for means and the former for ratios.
    """
    base = metrics[0].value
    if isinstance(absolute, TooFew) or base == 0:
        return TooFew(min(arm.count for arm in arms), FEW, f"{RELATIVE} {ADJUSTED}")
    value = absolute.value / base
    for_control = metrics[0].adjusted(theta)[1] + (value if lift is None else lift) * metrics[0].gradient
    for_treated = metrics[1].adjusted(theta)[1]
    variance = sum(
        float(gradient @ arm.covariance_of_means @ gradient) / base**2
        for arm, gradient in zip(arms, (for_control, for_treated), strict=True)
    )
    test = f"{WELCH} (delta method)"
    return replace(
        absolute, value=value, variance=variance, name=f"{RELATIVE} {ADJUSTED}", test=test, assumptions=ASSUMES
    )


def _as_rates(arm: JointMoments) -> JointMoments:
    return JointMoments(arm.count, arm.means, arm.products * ((arm.count - 1) / max(arm.count, 1)))


def _mean_metric(arm: JointMoments) -> _Metric:
    return _Metric(float(arm.means[0]), np.array([1.0, 0.0]), float(arm.means[1]), np.array([0.0, 1.0]))


def _ratio_metric(arm: JointMoments) -> _Metric:
    means = [float(value) for value in arm.means]
    gradient = np.zeros(len(means))
    gradient[:2] = 1 / means[1], -means[0] / means[1] ** 2
    for_covariate = np.zeros(len(means))
    if len(means) == 3:
        for_covariate[2] = 1.0
        return _Metric(means[0] / means[1], gradient, means[2], for_covariate)
    for_covariate[2:] = 1 / means[3], -means[2] / means[3] ** 2
    return _Metric(means[0] / means[1], gradient, means[2] / means[3], for_covariate)
