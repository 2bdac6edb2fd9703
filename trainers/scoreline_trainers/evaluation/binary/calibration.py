"""Calibration of a probability: bins, recalibration and the parts of the Brier score."""

import numpy as np

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores.calibration import BINS, calibration_table, recalibration
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.document import Calibration, CalibrationBin
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import WILSON, interval_of

TABLE_BINS = 2 * BINS


def calibration_of(label: Label, score: Float64, *, bins: int = TABLE_BINS, probability: bool = True) -> Calibration:
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
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within_bins=within,
    )


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
