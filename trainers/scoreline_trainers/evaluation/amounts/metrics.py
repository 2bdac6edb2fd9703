"""Metrics of a regression by name: amount [N] and score [N], both in the unit of the label."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from scoreline_trainers.data.batch import Float64

AmountMetric = Callable[[Float64, Float64], float]


def mean_absolute_error(amount: Float64, score: Float64) -> float:
    """Mean of the absolute errors, in the unit of the amount."""
    return float(np.abs(amount - score).mean())


def root_mean_squared_error(amount: Float64, score: Float64) -> float:
    """Square root of the mean squared error, in the unit of the amount."""
    return float(np.sqrt(np.square(amount - score).mean()))


def median_absolute_error(amount: Float64, score: Float64) -> float:
    """Median of the absolute errors, which a few large ones do not move."""
    return float(np.median(np.abs(amount - score)))


def r2(amount: Float64, score: Float64) -> float:
    """1 - the squared errors over those of the mean amount; NaN where all amounts are equal."""
    total = float(np.square(amount - amount.mean()).sum())
    return 1 - float(np.square(amount - score).sum()) / total if total else float("nan")


def spearman(amount: Float64, score: Float64) -> float:
    """Correlation of the ranks, ties in the middle; NaN where all amounts or all scores are equal."""
    ranks = rankdata(amount), rankdata(score)
    if not all(np.ptp(each) for each in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


AMOUNT_METRICS: Mapping[str, AmountMetric] = {
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "median_error": median_absolute_error,
    "r2": r2,
    "spearman": spearman,
}


def evaluate_amounts(amount: Float64, score: Float64, names: Sequence[str] = tuple(AMOUNT_METRICS)) -> dict[str, float]:
    """The named metrics; those that these rows have none of are left out."""
    found = {name: AMOUNT_METRICS[name](amount, score) for name in names}
    return {name: value for name, value in found.items() if not np.isnan(value)}
