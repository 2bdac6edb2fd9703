"""Agreement of two scores of the same rows, such as a shadow's and the primary's.

Each row has both scores, so differences are one sample: ``differences.mean`` of ``differences_of`` gives their mean
with an interval far narrower than a comparison of two arms could. All arrays are [N], in the same row order.
"""

import math

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments, Values

FEW = 10
"""Rows that a correlation needs."""

KENDALL_ROWS = 200_000
"""Kendall's tau of more rows is computed from so many, drawn at random with a fixed seed."""

PAIRED = "Rows are independent of each other; each has both scores."


def differences_of(primary: Values, shadow: Values) -> Moments:
    """The moments of shadow minus primary; moments of blocks add up."""
    return Moments.of(np.asarray(shadow, np.float64) - primary)


def quantiles(values: Values, at: tuple[float, ...], *, alpha: float = 0.05) -> tuple[Figure, ...]:
    """The quantiles of a sample, such as of differences, with distribution-free intervals.

    An interval's ends are order statistics whose ranks are binomial quantiles (Conover, Practical Nonparametric
    Statistics, section 3.2); an end beyond the sample is infinite. The estimate is the inverse of the distribution
    function.
    """
    from scipy.stats import binom  # noqa: PLC0415 - serving needs no SciPy

    ascending, count = np.sort(values), len(values)
    method = "sample quantile, binomial order statistics"
    if not count:
        return tuple(TooFew(0, 1, method) for _ in at)
    found = []
    for share in at:
        rank = max(1, math.ceil(share * count - 1e-9))
        low, high = int(binom.ppf(alpha / 2, count, share)), int(binom.isf(alpha / 2, count, share)) + 1
        found.append(
            Estimate(
                value=float(ascending[rank - 1]),
                low=float(ascending[low - 1]) if low >= 1 else -math.inf,
                high=float(ascending[high - 1]) if high <= count else math.inf,
                p=None,
                level=1 - alpha,
                method=method,
                assumptions=PAIRED,
                count=count,
            )
        )
    return tuple(found)


def pearson(joint: JointMoments, *, alpha: float = 0.05) -> Figure:
    """Pearson's correlation from the columns (primary, shadow), with Fisher's z interval (Biometrika 10, 1915)."""
    spread = math.sqrt(max(0.0, float(joint.products[0, 0] * joint.products[1, 1])))
    if joint.count < FEW or spread == 0:
        return TooFew(joint.count, FEW, "Pearson's r")
    value = float(np.clip(joint.products[0, 1] / spread, -1, 1))
    return _correlation(value, joint.count, 1 / (joint.count - 3), "Pearson's r, Fisher's z", alpha)


def spearman(primary: Values, shadow: Values, *, alpha: float = 0.05) -> Figure:
    """Spearman's rank correlation; interval with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright (2000)."""
    count = len(primary)
    if count < FEW or np.ptp(primary) == 0 or np.ptp(shadow) == 0:
        return TooFew(count, FEW, "Spearman's rho")
    ranks = JointMoments.of(_ranks(primary), _ranks(shadow))
    value = float(np.clip(ranks.products[0, 1] / math.sqrt(ranks.products[0, 0] * ranks.products[1, 1]), -1, 1))
    return _correlation(value, count, (1 + value**2 / 2) / (count - 3), "Spearman's rho, Bonett-Wright", alpha)


def kendall(primary: Values, shadow: Values, *, alpha: float = 0.05, rows: int = KENDALL_ROWS, seed: int = 0) -> Figure:
    """Kendall's tau-b; interval with the variance 0.437 / (n - 4) of Fieller, Hartley and Pearson (1957).

    More than ``rows`` rows are sampled without replacement by ``seed``; the method says so, and count is the sample's.
    """
    from scipy.stats import kendalltau  # noqa: PLC0415 - serving needs no SciPy

    method, count = "Kendall's tau-b, Fieller-Hartley-Pearson", len(primary)
    if count < FEW or np.ptp(primary) == 0 or np.ptp(shadow) == 0:
        return TooFew(count, FEW, "Kendall's tau-b")
    if count > rows:
        chosen: npt.NDArray[np.int64] = np.random.default_rng(seed).choice(count, rows, replace=False, shuffle=False)
        primary, shadow, method = primary[chosen], shadow[chosen], f"{method}, of {rows:,} of {count:,} rows"
        count = rows
    value = float(kendalltau(primary, shadow).statistic)
    return _correlation(value, count, 0.437 / (count - 4), method, alpha)


def _ranks(values: Values) -> Values:
    """Ranks of values [N], equal ones sharing their mean rank, less (N + 1) / 2.

    Halves up to 4 million are exact in float32, and half as large.
    """
    order = np.argsort(values)
    ascending = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    sizes = np.diff(starts, append=len(values))
    ranks: Values = np.empty(len(values), np.float32 if len(values) < 1 << 23 else np.float64)
    ranks[order] = np.repeat(starts + (sizes - len(values)) / 2, sizes)
    return ranks


def _correlation(value: float, count: int, variance: float, method: str, alpha: float) -> Estimate:
    """On Fisher's scale, artanh, with this variance; p tests a correlation of 0."""
    from scipy.stats import norm  # noqa: PLC0415 - serving needs no SciPy

    if abs(value) >= 1:
        return Estimate(value, value, value, 0.0, 1 - alpha, method, PAIRED, count)
    centre, error = math.atanh(value), math.sqrt(variance)
    reach = float(norm.ppf(1 - alpha / 2)) * error
    return Estimate(
        value=value,
        low=math.tanh(centre - reach),
        high=math.tanh(centre + reach),
        p=2 * float(norm.sf(abs(centre) / error)),
        level=1 - alpha,
        method=method,
        assumptions=PAIRED,
        count=count,
    )
