"""Figures of ``scoreline_registry.statistics`` as intervals of the evaluation's document.

Rows of one unit (a customer with a row per month) are not independent: where units repeat, a mean is a ratio of sums
over units, with the variance of the delta method. ``units`` is int64 [N], from 0, or None where each row is a unit of
its own.
"""

import math

import numpy as np

from scoreline_registry.statistics.contrasts import differences
from scoreline_registry.statistics.contrasts.proportions import rate, wilson
from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments
from scoreline_trainers.data.batch import Bools, Float64, Int64
from scoreline_trainers.evaluation.document import Interval

STUDENT, WILSON, UNITS = "Student", "Wilson", "linearised over units"


def interval_of(figure: Figure, method: str, *, within: tuple[float, float] = (-math.inf, math.inf)) -> Interval | None:
    """The figure with its interval, cut to the range ``within``; None where there is no figure."""
    if not isinstance(figure, Estimate) or not math.isfinite(figure.value):
        return None
    if not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return Interval(value=figure.value)
    least, most = within
    return Interval(value=figure.value, low=max(least, figure.low), high=min(most, figure.high), method=method)


def around(value: float, error: float, method: str, *, within: tuple[float, float]) -> Interval:
    """``value`` plus or minus 1.96 standard errors, cut to the range; without a finite error no interval."""
    if not math.isfinite(error):
        return Interval(value=value)
    reach, (least, most) = 1.959963984540054 * error, within
    return Interval(value=value, low=max(least, value - reach), high=min(most, value + reach), method=method)


def mean_moments(values: Float64, units: Int64 | None) -> Moments:
    """The moments of the mean of ``values`` [N]; over units their count is that of units."""
    if units is None or not len(values):
        return Moments.of(values)
    numbers = np.unique(units, return_inverse=True)[1]
    sums = np.bincount(numbers, weights=values).astype(np.float64)
    return differences.ratio(JointMoments.of(sums, np.bincount(numbers).astype(np.float64)))


def rate_moments(hits: Bools, units: Int64 | None) -> Moments:
    """The moments of the share of ``hits`` [N]."""
    if units is None:
        return rate(int(np.count_nonzero(hits)), len(hits))
    return mean_moments(hits.astype(np.float64), units)


def mean_interval(
    values: Float64, units: Int64 | None, *, within: tuple[float, float] = (-math.inf, math.inf)
) -> Interval | None:
    """The mean of ``values`` [N] with Student's interval; None without values."""
    if not len(values):
        return None
    moments = mean_moments(values, units)
    found = interval_of(differences.mean(moments), STUDENT if units is None else UNITS, within=within)
    return found or Interval(value=moments.mean)


def rate_interval(hits: Bools, units: Int64 | None) -> Interval | None:
    """The share of ``hits`` [N] with Wilson's interval; over units the linearised one. None without rows."""
    if units is None:
        return interval_of(wilson(int(np.count_nonzero(hits)), len(hits)), WILSON)
    return mean_interval(hits.astype(np.float64), units, within=(0, 1))


def repeated_units(units: Int64 | None) -> Int64 | None:
    """``units``, or None where none of them has two rows."""
    if units is None or len(np.unique(units)) == len(units):
        return None
    return units
