"""Two versions' scores of the same rows: differences of their metrics."""

import numpy as np

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores import ranking
from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation import metrics
from scoreline_trainers.evaluation.binary.figures import losses_of
from scoreline_trainers.evaluation.binary.ranked import RankedDraws
from scoreline_trainers.evaluation.document import Interval, VersionComparison
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import around, mean_interval, repeated_units
from scoreline_trainers.evaluation.uncertainty.resampling import DRAWS, Statistic, standard_errors


def compare_scores(
    label: Label,
    champion: Float64,
    challenger: Float64,
    *,
    units: Int64 | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> VersionComparison:
    """Challenger minus champion on the same rows, N at least 1.

    The AUC's difference is that of paired placements (DeLong 1988); where units repeat, and for average precision, its
    standard error is the bootstrap's of both scores in the same draws. Differences of losses are paired means.

    Args:
        label: int8 [N].
        champion: float64 [N], its scores.
        challenger: float64 [N], of the same rows.
        units: int64 [N], a number for the unit of each row.
        draws: of the bootstrap.
        seed: of the draws.
    """
    clusters = repeated_units(units)
    found = VersionComparison(
        rows=len(label),
        positives=int(label.sum()),
        champion=metrics.evaluate(label, champion),
        challenger=metrics.evaluate(label, challenger),
        brier_difference=_loss_gap(label, champion, challenger, "brier", clusters),
        log_loss_difference=_loss_gap(label, champion, challenger, "log_loss", clusters),
    )
    if not 0 < int(label.sum()) < len(label):
        return found
    errors = standard_errors(_paired(label, champion, challenger), len(label), units=clusters, draws=draws, seed=seed)
    area, p = _area_gap(label, champion, challenger, errors, clusters)
    precision = metrics.average_precision(label, challenger) - metrics.average_precision(label, champion)
    return found.model_copy(
        update={
            "auc_difference": area,
            "p": p,
            "average_precision_difference": around(
                precision, errors.get("average_precision", np.nan), "bootstrap, paired", within=(-1, 1)
            ),
        }
    )


def _area_gap(
    label: Label, champion: Float64, challenger: Float64, errors: dict[str, float], clusters: Int64 | None
) -> tuple[Interval, float | None]:
    """The difference of areas, and DeLong's p of "no difference" where rows are independent."""
    figure = ranking.paired_auc_difference(label, champion, challenger)
    value = metrics.auc(label, challenger) - metrics.auc(label, champion)
    if clusters is not None or not isinstance(figure, Estimate):
        return around(value, errors.get("auc", np.nan), "bootstrap of units, paired", within=(-1, 1)), None
    return Interval(value=value, low=figure.low, high=figure.high, method="DeLong, paired"), figure.p


def _loss_gap(
    label: Label, champion: Float64, challenger: Float64, name: str, clusters: Int64 | None
) -> Interval | None:
    before, after = (losses_of(label, score)[name] for score in (champion, challenger))
    return mean_interval(after - before, clusters)


def _paired(label: Label, champion: Float64, challenger: Float64) -> Statistic:
    """Differences of AUC and average precision in draws of the same rows for both."""
    sides = [RankedDraws(label, score, {}) for score in (champion, challenger)]

    def figures(counts: Float64) -> dict[str, Float64]:
        before, after = (side(counts[:, side.order]) for side in sides)
        return {name: after[name] - before[name] for name in ("auc", "average_precision")}

    return figures
