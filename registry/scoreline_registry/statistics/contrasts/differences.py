"""Differences of two arms in means, rates and ratios, from moments that merge block by block.

Every metric becomes ``Moments``: a mean and a rate directly, a ratio by the delta method (``ratio``), one adjusted by
a covariate in ``cuped``. Two of them make a ``Contrast``.
"""

import math

import numpy as np

from scoreline_registry.statistics.contrasts.contrast import INDEPENDENT, Contrast
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments

FEW = 2
"""A variance needs two observations in each arm."""

MEANS, RELATIVE = "difference of means", "relative difference of means"
WELCH = "Welch's t"


def contrast(control: Moments, treated: Moments, *, relative: bool = False, amounts: bool = False) -> Contrast | TooFew:
    """The difference of two means, absolute or relative to control's.

    The variance of the absolute difference is Welch's (Biometrika 34, 1947); that of the relative one is the delta
    method's for a ratio of independent means. Degrees of freedom are Satterthwaite's. Given moments with an adjusted
    variance (``ratio``, ``cuped.adjust``), the same formulas hold. ``amounts`` as in ``events``.
    """
    few, name = min(control.count, treated.count), RELATIVE if relative else MEANS
    if few < FEW:
        return TooFew(few, FEW, name)
    arms = (control.mean, control.variance_of_mean), (treated.mean, treated.variance_of_mean)
    found = difference_of(*arms, relative=relative)
    if found is None:
        return TooFew(0, 1, f"{name}: a mean of control that is not 0")
    count = control.count + treated.count
    return Contrast(
        value=found[0],
        variance=found[1],
        count=count,
        smallest=few,
        rows=count,
        events=min(events(sample, amounts=amounts) for sample in (control, treated)),
        degrees=_satterthwaite((arms[0][1], control.count), (arms[1][1], treated.count)),
        name=name,
        test=f"{WELCH} (delta method)" if relative else WELCH,
        assumptions=f"{INDEPENDENT} Control's mean is many standard errors from 0." if relative else INDEPENDENT,
    )


def difference_of(
    control: tuple[float, float], treated: tuple[float, float], *, relative: bool
) -> tuple[float, float] | None:
    """The difference of two means, each with its variance, and its variance; None relative to 0.

    Relative: b / a - 1 with variance var_b / a^2 + var_a b^2 / a^4 (delta method; Deng, Knoblich and Lu 2018).
    """
    (a, var_a), (b, var_b) = control, treated
    if not relative:
        return b - a, var_a + var_b
    return ((b - a) / a, var_b / a**2 + var_a * b**2 / a**4) if a else None


def difference(control: Moments, treated: Moments, *, alpha: float = 0.05, relative: bool = False) -> Figure:
    """Treated minus control with Welch's interval for one look."""
    found = contrast(control, treated, relative=relative)
    return found if isinstance(found, TooFew) else found.fixed(alpha)


def one_sample(sample: Moments, *, of: str = "mean") -> Contrast | TooFew:
    """The mean of one sample against 0, such as of paired differences: the scores of two models for the same rows."""
    if sample.count < FEW:
        return TooFew(sample.count, FEW, of)
    return Contrast(
        value=sample.mean,
        variance=sample.variance_of_mean,
        count=sample.count,
        smallest=sample.count,
        rows=sample.count,
        degrees=sample.count - 1,
        name=of,
        test="one-sample t",
        assumptions="Observations are independent; the mean is nearly normal (large counts).",
    )


def mean(sample: Moments, *, alpha: float = 0.05, of: str = "mean") -> Figure:
    """The mean of one sample with Student's t interval, and p of "the mean is 0"."""
    found = one_sample(sample, of=of)
    return found if isinstance(found, TooFew) else found.fixed(alpha)


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


def events(sample: Moments, *, amounts: bool = False) -> float:
    """The number of rows that decide a sample's mean: a normal mean needs some tens of them, not of rows.

    Of zeros and ones, which are recognised by their variance, the fewer of both. Of ``amounts``, values that are not
    negative and 0 in most rows, such as spend: (sum x)^2 / sum x^2, which counts equal amounts fully and the small ones
    beside a large one hardly (Kish's effective sample size). Infinite for other values.
    """
    mean, count = sample.mean, sample.count
    if 0 <= mean <= 1 and math.isclose(sample.squares, count * mean * (1 - mean), rel_tol=1e-6, abs_tol=1e-9):
        return round(count * min(mean, 1 - mean), 6)
    if not amounts:
        return math.inf
    return count * mean**2 / (mean**2 + sample.squares / count)


def _satterthwaite(*parts: tuple[float, int]) -> float:
    """The degrees of freedom of a sum of variances of means, each with its count; infinite where all are 0."""
    below = sum(variance**2 / (count - 1) for variance, count in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below else math.inf
