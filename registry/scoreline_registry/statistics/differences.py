"""Differences of two arms in means, rates and ratios, from moments that merge block by block.

Every metric becomes ``Moments``: a mean and a rate directly, a ratio by the delta method (``ratio``), one adjusted by
a covariate in ``cuped``. A ``Contrast`` is the comparison of two of them before a level is chosen; it gives the
fixed-horizon interval here, and as an ``effects.Effect`` the always-valid one in ``sequential``.
"""

import math
from dataclasses import dataclass

import numpy as np

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments

FEW = 2
"""A variance needs two observations in each arm."""

FEW_EVENTS = 5
"""Below so many successes or failures in an arm the normal approximation of a rate is poor (Cochran 1954)."""

INDEPENDENT = "Units are independent of each other and assigned at random; the means are nearly normal (large counts)."


@dataclass(frozen=True, slots=True)
class Contrast:
    """An estimated difference and its variance, before a level is chosen.

    Attributes:
        value: treated minus control; divided by control's where it is relative.
        variance: of ``value``.
        count: observations of both arms.
        degrees: of freedom of the variance; infinite for a normal interval.
        method: the name of the comparison.
        assumptions: what must hold for it.
    """

    value: float
    variance: float
    count: int
    degrees: float
    method: str
    assumptions: str = INDEPENDENT

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.variance)

    def fixed(self, alpha: float = 0.05) -> Estimate:
        """The interval and two-sided p for one look that was fixed before the data were seen.

        Without any variance the interval is the value alone, and p is 0 or 1.
        """
        from scipy.stats import t  # noqa: PLC0415 - serving needs no SciPy

        reach = float(t.ppf(1 - alpha / 2, self.degrees)) * self.error
        p = 2 * float(t.sf(abs(self.value) / self.error, self.degrees)) if self.error else float(self.value == 0)
        return Estimate(
            value=self.value,
            low=self.value - reach,
            high=self.value + reach,
            p=p,
            level=1 - alpha,
            method=self.method,
            assumptions=self.assumptions,
            count=self.count,
        )


def contrast(control: Moments, treated: Moments, *, relative: bool = False) -> Contrast | TooFew:
    """The difference of two means, absolute or relative to control's.

    The variance of the absolute difference is Welch's (Biometrika 34, 1947); that of the relative one is the delta
    method's for a ratio of independent means, v_t / m_c^2 + v_c m_t^2 / m_c^4. Degrees of freedom are Satterthwaite's.
    Given moments with an adjusted variance (``ratio``, ``cuped.adjust``), the same formulas hold.
    """
    method = "Welch's t, relative (delta method)" if relative else "Welch's t"
    few = min(control.count, treated.count)
    if few < FEW or (relative and control.mean == 0):
        return TooFew(few, FEW, method)
    left, right = control.variance_of_mean, treated.variance_of_mean
    degrees = _satterthwaite((left, control.count), (right, treated.count))
    count = control.count + treated.count
    difference = treated.mean - control.mean
    if not relative:
        return Contrast(difference, left + right, count, degrees, method)
    variance = right / control.mean**2 + left * treated.mean**2 / control.mean**4
    assumptions = f"{INDEPENDENT} Control's mean is many standard errors from 0."
    return Contrast(difference / control.mean, variance, count, degrees, method, assumptions)


def difference(control: Moments, treated: Moments, *, alpha: float = 0.05, relative: bool = False) -> Figure:
    """Treated minus control with the fixed-horizon Welch interval; relative to control's mean where asked for."""
    found = contrast(control, treated, relative=relative)
    return found if isinstance(found, TooFew) else found.fixed(alpha)


def mean(sample: Moments, *, alpha: float = 0.05, of: str = "mean") -> Figure:
    """The mean of one sample with Student's t interval, and p of "the mean is 0"."""
    method = f"one-sample t of the {of}"
    if sample.count < FEW:
        return TooFew(sample.count, FEW, method)
    assumptions = "Observations are independent; the mean is nearly normal (large counts)."
    one = Contrast(sample.mean, sample.variance_of_mean, sample.count, sample.count - 1, method, assumptions)
    return one.fixed(alpha)


def ratio(joint: JointMoments) -> Moments:
    """The moments of a ratio of means, from the columns numerator and denominator of each unit.

    With gradient (1 / d, -m / d^2) at the means (m, d) (Deng, Knoblich and Lu, KDD 2018). A mean denominator of 0 gives
    moments of no observations: there is no ratio.
    """
    top, bottom = (float(mean_of) for mean_of in joint.means[:2])
    if not joint.count or bottom == 0:
        return Moments()
    gradient = np.zeros(len(joint.means))
    gradient[:2] = 1 / bottom, -top / bottom**2
    return joint.combined(top / bottom, gradient)


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


def _satterthwaite(*parts: tuple[float, int]) -> float:
    """The degrees of freedom of a sum of variances of means, each with its count; infinite where all are 0."""
    below = sum(variance**2 / (count - 1) for variance, count in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below else math.inf
