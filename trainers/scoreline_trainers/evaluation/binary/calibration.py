"""Calibration of a probability: bins, recalibration and the parts of the Brier score."""

from itertools import pairwise

import numpy as np

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores.calibration import BINS, calibration_table, recalibration
from scoreline_trainers.data.batch import Bools, Float64, RowIndices
from scoreline_trainers.evaluation.document import Calibration, CalibrationBin, Interval
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import WILSON, interval_of
from scoreline_trainers.evaluation.uncertainty.resampling import affordable

TABLE_BINS = 2 * BINS

CHANCE_DRAWS = 200

_CELLS = 1_000_000
"""Labels that are drawn at a time."""


def calibration_of(
    label: Label, score: Float64, *, bins: int = TABLE_BINS, probability: bool = True, seed: int = 0
) -> Calibration:
    """Bins of equally many rows; for a probability also slope, intercept and the parts of the Brier score."""
    table = calibration_table(label, score, bins=bins)
    shown = tuple(
        CalibrationBin(rows=each.rows, score=each.score, observed=observed)
        for each in table
        if (observed := interval_of(each.rate, WILSON)) is not None
    )
    if not probability:
        return Calibration(bins=shown)
    found = recalibration(label, score)
    reliability, resolution, uncertainty, within = brier_parts(label, score, bins=bins)
    return Calibration(
        bins=shown,
        intercept=interval_of(found.intercept, "Wald"),
        slope=interval_of(found.slope, "Wald"),
        error_by_chance=error_by_chance(score, bins=bins, seed=seed),
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within_bins=within,
    )


def error_by_chance(score: Float64, *, bins: int = TABLE_BINS, draws: int = CHANCE_DRAWS, seed: int = 0) -> Interval:
    """The calibration error of these scores where they are true: the mean and the 95 % range over drawn labels.

    Labels are drawn by their own scores (consistency resampling: Broecker and Smith, Weather and Forecasting 22, 2007).
    """
    ascending, draw, draws = np.sort(score), np.random.default_rng(seed), affordable(draws, len(score))
    ends = np.cumsum([0, *map(len, np.array_split(ascending, bins))])
    block = max(1, _CELLS // len(score))
    errors = np.concatenate(
        [
            _errors(draw.random((min(block, draws - start), len(score))) < ascending, ascending, ends)
            for start in range(0, draws, block)
        ]
    )
    low, high = np.quantile(errors, [0.025, 0.975])
    return Interval(value=float(errors.mean()), low=float(low), high=float(high), method="labels drawn by the scores")


def _errors(labels: Bools, score: Float64, ends: RowIndices) -> Float64:
    """The calibration error [B] of labels [B, N] over the bins between ``ends``."""
    gaps = [
        np.abs(np.count_nonzero(labels[:, start:end], axis=1) - score[start:end].sum()) for start, end in pairwise(ends)
    ]
    total: Float64 = np.sum(gaps, axis=0, dtype=np.float64)
    return total / len(score)


def brier_parts(label: Label, score: Float64, *, bins: int = TABLE_BINS) -> tuple[float, float, float, float]:
    """Reliability, resolution, uncertainty and what is left within bins: Brier = first - second + third + fourth.

    Murphy (Journal of Applied Meteorology 12, 1973) has the first three for scores that are equal within a bin; the
    fourth is what scores that differ within a bin add (Stephenson, Coelho and Jolliffe, Weather and Forecasting 23,
    2008): their variance within bins less twice their covariance with the label.
    """
    table = calibration_table(label, score, bins=bins)
    rows = np.array([each.rows for each in table], np.float64)
    scores = np.array([each.score for each in table])
    rates = np.array([each.rate.value if isinstance(each.rate, Estimate) else 0.0 for each in table])
    base, shares = float(np.mean(label, dtype=np.float64)), rows / rows.sum()
    reliability = float(shares @ np.square(scores - rates))
    resolution = float(shares @ np.square(rates - base))
    uncertainty = base * (1 - base)
    brier = float(np.mean(np.square(score - label)))
    return reliability, resolution, uncertainty, brier - (reliability - resolution + uncertainty)
