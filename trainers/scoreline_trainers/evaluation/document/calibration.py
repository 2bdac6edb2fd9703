"""How far scores are from what was observed. Values only."""

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.intervals import Interval


class CalibrationBin(FrozenModel):
    """Rows with neighboring scores: their mean score beside the mean outcome (for labels: their rate of label 1)."""

    rows: int
    score: float
    observed: Interval


class Calibration(FrozenModel):
    """How far scores are from what was observed.

    Attributes:
        bins: of equally many rows by ascending score.
        intercept, slope: of the regression of the outcome on the score (of its log odds for labels); 0 and 1 where
            calibrated.
        error_by_chance: of the calibration error over ``bins`` where the scores were true: its mean and 95 % range. An
            error above it is no chance. None for amounts.
        reliability, resolution, uncertainty, within_bins: the parts of the Brier score over ``bins``:
            Brier = reliability - resolution + uncertainty + within_bins. None for amounts.
    """

    bins: tuple[CalibrationBin, ...] = ()
    intercept: Interval | None = None
    slope: Interval | None = None
    error_by_chance: Interval | None = None
    reliability: float | None = None
    resolution: float | None = None
    uncertainty: float | None = None
    within_bins: float | None = None
