"""Two versions side by side. Values only."""

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.intervals import Interval


class VersionComparison(FrozenModel):
    """Two versions' scores of the same rows; differences are challenger minus champion.

    Attributes:
        champion, challenger: their metrics by name.
        p: DeLong's two-sided p of "no difference in AUC"; None where units have several rows.
    """

    rows: int
    positives: int
    champion: dict[str, float]
    challenger: dict[str, float]
    auc_difference: Interval | None = None
    p: float | None = None
    average_precision_difference: Interval | None = None
    brier_difference: Interval | None = None
    log_loss_difference: Interval | None = None
