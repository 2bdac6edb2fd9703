"""The evaluation of a score against amounts: errors, explained variance, rank correlation and calibration."""

import numpy as np

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.scores.agreement import quantiles, spearman
from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation.amounts.metrics import median_absolute_error, r2, root_mean_squared_error
from scoreline_trainers.evaluation.document import Calibration, CalibrationBin, Interval
from scoreline_trainers.evaluation.uncertainty.intervals import around, interval_of, mean_interval, mean_moments
from scoreline_trainers.evaluation.uncertainty.resampling import DRAWS, Statistic, standard_errors

BINS = 10


def regression_metrics(
    amount: Float64, score: Float64, *, units: Int64 | None = None, draws: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """Errors of score [N] against amount [N], N at least 1.

    The mean absolute error (mae), the root mean squared error (rmse), the median absolute error (median_error), the
    mean of amount minus score (bias), R2 and Spearman's rank correlation. Intervals are Student's, those of binomial
    order statistics and the bootstrap's.
    """
    error = amount - score
    errors = standard_errors(_draws(amount, score), len(amount), units=units, draws=draws, seed=seed)
    found: dict[str, Interval | None] = {
        "mae": mean_interval(np.abs(error), units, within=(0, np.inf)),
        "rmse": around(
            root_mean_squared_error(amount, score), errors.get("rmse", np.nan), "bootstrap", within=(0, np.inf)
        ),
        "median_error": _median(amount, score, independent=units is None),
        "bias": mean_interval(error, units),
        "mean_score": mean_interval(score, units),
        "mean_outcome": mean_interval(amount, units),
    }
    explained = r2(amount, score)
    if np.isfinite(explained):
        found["r2"] = around(explained, errors.get("r2", np.nan), "bootstrap", within=(-np.inf, 1))
    ranks = spearman(amount, score)
    if isinstance(ranks, Estimate):
        found["spearman"] = interval_of(ranks, "Bonett-Wright") if units is None else Interval(value=ranks.value)
    return {name: figure for name, figure in found.items() if figure is not None}


def regression_calibration(
    amount: Float64, score: Float64, *, bins: int = BINS, units: Int64 | None = None
) -> Calibration:
    """Bins of equally many rows by ascending score, and the least-squares line of the amount on the score."""
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    table = tuple(
        CalibrationBin(rows=len(part), score=float(score[part].mean()), observed=observed)
        for part in parts
        if (observed := mean_interval(amount[part], None if units is None else units[part])) is not None
    )
    joint = JointMoments.of(score, amount)
    if joint.products[0, 0] <= 0:
        return Calibration(bins=table)
    slope = float(joint.products[0, 1] / joint.products[0, 0])
    intercept = float(joint.means[1] - slope * joint.means[0])
    # The residuals' spread over the score's (White, Econometrica 48, 1980): errors may grow with the amount.
    centred, residual = score - joint.means[0], amount - intercept - slope * score
    influence = centred * residual * len(score) / joint.products[0, 0]
    around_line = residual - joint.means[0] * influence
    deviations = [np.sqrt(mean_moments(values, units).variance_of_mean) for values in (around_line, influence)]
    unlimited = (-np.inf, np.inf)
    return Calibration(
        bins=table,
        intercept=around(intercept, float(deviations[0]), "White", within=unlimited),
        slope=around(slope, float(deviations[1]), "White", within=unlimited),
    )


def _draws(amount: Float64, score: Float64) -> Statistic:
    squares = np.square(amount - score)
    # Deviations from one mean keep the sum of squares exact for amounts far from 0.
    centred = amount - amount.mean()

    def figures(counts: Float64) -> dict[str, Float64]:
        rows = counts.sum(axis=1)
        total, shift = counts @ squares, counts @ centred
        spread = counts @ np.square(centred) - np.square(shift) / rows
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"rmse": np.sqrt(total / rows), "r2": 1 - total / spread}

    return figures


def _median(amount: Float64, score: Float64, *, independent: bool) -> Interval | None:
    """The sample's median; its interval is of order statistics."""
    value = median_absolute_error(amount, score)
    found = quantiles(np.abs(amount - score), (0.5,))[0]
    if not independent or not isinstance(found, Estimate) or not np.isfinite([found.low, found.high]).all():
        return Interval(value=value)
    return Interval(value=value, low=found.low, high=found.high, method="order statistics")
