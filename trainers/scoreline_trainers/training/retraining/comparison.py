"""Champion and challenger on the same rows: paired differences with intervals, and whether the challenger is worse."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation.document import Interval
from scoreline_trainers.evaluation.uncertainty.intervals import mean_interval, repeated_units
from scoreline_trainers.evaluation.versions import compare_scores
from scoreline_trainers.reporting.document import ChampionComparison, PairedFigures
from scoreline_trainers.training.retraining.rule import RetrainRule

_COMPARED = ("auc", "average_precision", "brier", "log_loss")


def compare_labels(
    name: str,
    label: npt.NDArray[np.int8],
    champion: Float64,
    challenger: Float64,
    *,
    rule: RetrainRule,
    units: Int64 | None = None,
) -> ChampionComparison:
    """Compares two probabilities of the same rows, see ``evaluation.versions``; ``units`` number the rows' units.

    The challenger is worse where the whole interval of the difference in AUC is below 0, or where its AUC is lower by
    more than the rule's ``auc_drop``.
    """
    figures = tuple(_label_figures(label, champion, challenger, units))
    area = next((each.difference for each in figures if each.metric == "auc"), None)
    worse = area is not None and _lower(area, rule.auc_drop)
    positives = int(label.sum())
    return ChampionComparison(champion=name, rows=len(label), positives=positives, figures=figures, worse=worse)


def compare_amounts(
    name: str,
    amount: Float64,
    champion: Float64,
    challenger: Float64,
    *,
    rule: RetrainRule,
    units: Int64 | None = None,
) -> ChampionComparison:
    """Compares two predictions of an amount by their absolute and squared errors, row by row.

    The challenger is worse where the whole interval of the difference in absolute error is above 0, or where the error
    is higher by more than the rule's ``error_rise``.
    """
    errors = [np.abs(amount - score) for score in (champion, challenger)]
    absolute = _paired("mae", *errors, units=units)
    squared = _paired("squared_error", *(error**2 for error in errors), units=units)
    allowed = None if rule.error_rise is None else rule.error_rise * absolute.champion
    worse = _lower(_negative(absolute.difference), allowed)
    return ChampionComparison(champion=name, rows=len(amount), figures=(absolute, squared), worse=worse)


def _label_figures(
    label: npt.NDArray[np.int8], champion: Float64, challenger: Float64, units: Int64 | None
) -> Iterator[PairedFigures]:
    found = compare_scores(label, champion, challenger, units=units)
    for metric in _COMPARED:
        difference: Interval | None = getattr(found, f"{metric}_difference")
        if difference is not None:
            yield PairedFigures(
                metric=metric,
                champion=found.champion[metric],
                challenger=found.challenger[metric],
                difference=difference,
            )


def _paired(metric: str, champion: Float64, challenger: Float64, *, units: Int64 | None) -> PairedFigures:
    """The means of two losses of the same rows, and the interval of their difference."""
    difference = mean_interval(challenger - champion, repeated_units(units))
    return PairedFigures(
        metric=metric,
        champion=float(champion.mean()),
        challenger=float(challenger.mean()),
        difference=difference or Interval(value=0.0),
    )


def _negative(found: Interval) -> Interval:
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return found.model_copy(update={"value": -found.value, "low": low, "high": high})


def _lower(difference: Interval, allowed: float | None) -> bool:
    """Whether a difference is below 0 with its whole interval, or lower than what is allowed."""
    return (difference.high is not None and difference.high < 0) or (
        allowed is not None and difference.value < -allowed
    )
