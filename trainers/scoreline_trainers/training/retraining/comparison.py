"""Champion and challenger on the same rows: paired differences with intervals, and whether the challenger is worse."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores import ranking
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.document import Interval
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.reporting.document import ChampionComparison, PairedFigures
from scoreline_trainers.training.retraining.rule import RetrainRule

_CLIPPED = 1e-7
_NORMAL_95 = 1.959963984540054


def compare_labels(
    name: str, label: npt.NDArray[np.int8], champion: Float64, challenger: Float64, *, rule: RetrainRule
) -> ChampionComparison:
    """Compares two probabilities of the same rows: AUC by paired DeLong, Brier score and log loss row by row.

    The challenger is worse where the whole interval of the difference in AUC is below 0, or where its AUC is lower by
    more than the rule's ``auc_drop``.
    """
    figures = tuple(_label_figures(label, champion, challenger))
    area = next((each.difference for each in figures if each.metric == "auc"), None)
    worse = area is not None and _lower(area, rule.auc_drop)
    positives = int(label.sum())
    return ChampionComparison(champion=name, rows=len(label), positives=positives, figures=figures, worse=worse)


def compare_amounts(
    name: str, amount: Float64, champion: Float64, challenger: Float64, *, rule: RetrainRule
) -> ChampionComparison:
    """Compares two predictions of an amount by their absolute and squared errors, row by row.

    The challenger is worse where the whole interval of the difference in absolute error is above 0, or where the error
    is higher by more than the rule's ``error_rise``.
    """
    errors = [np.abs(amount - score) for score in (champion, challenger)]
    absolute = _paired("mae", *errors)
    squared = _paired("squared_error", *(error**2 for error in errors))
    allowed = None if rule.error_rise is None else rule.error_rise * absolute.champion
    worse = _lower(_negative(absolute.difference), allowed)
    return ChampionComparison(champion=name, rows=len(amount), figures=(absolute, squared), worse=worse)


def _label_figures(label: npt.NDArray[np.int8], champion: Float64, challenger: Float64) -> Iterator[PairedFigures]:
    found = ranking.paired_auc_difference(label.astype(bool), champion, challenger)
    if isinstance(found, Estimate):
        difference = Interval(value=found.value, low=found.low, high=found.high, method="paired DeLong")
        areas = auc(label, champion), auc(label, challenger)
        yield PairedFigures(metric="auc", champion=areas[0], challenger=areas[1], difference=difference)
    yield _paired("brier", *((label - score) ** 2 for score in (champion, challenger)))
    yield _paired("log_loss", *(_log_losses(label, score) for score in (champion, challenger)))


def _paired(metric: str, champion: Float64, challenger: Float64) -> PairedFigures:
    """The means of two losses of the same rows, and the normal interval of their difference."""
    apart = challenger - champion
    mean = float(apart.mean())
    reach = _NORMAL_95 * float(apart.std(ddof=1)) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
    difference = Interval(value=mean, low=mean - reach, high=mean + reach, method="paired, normal")
    return PairedFigures(
        metric=metric, champion=float(champion.mean()), challenger=float(challenger.mean()), difference=difference
    )


def _log_losses(label: npt.NDArray[np.int8], score: Float64) -> Float64:
    clipped = np.clip(score, _CLIPPED, 1 - _CLIPPED)
    losses: Float64 = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
    return losses


def _negative(found: Interval) -> Interval:
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return found.model_copy(update={"value": -found.value, "low": low, "high": high})


def _lower(difference: Interval, allowed: float | None) -> bool:
    """Whether a difference is below 0 with its whole interval, or lower than what is allowed."""
    return (difference.high is not None and difference.high < 0) or (
        allowed is not None and difference.value < -allowed
    )
