"""Metrics of a score against labels of 0 and 1, each with a 95 % interval."""

import numpy as np

from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.scores import calibration, ranking
from scoreline_registry.statistics.scores.calibration import expected_calibration_error
from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation import metrics
from scoreline_trainers.evaluation.binary.ranked import Ranked, RankedDraws
from scoreline_trainers.evaluation.document import Interval
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import around, interval_of, mean_interval, rate_interval
from scoreline_trainers.evaluation.uncertainty.resampling import DRAWS, standard_errors

BOOTSTRAP = "bootstrap"

_RANGES = {"gini": (-1.0, 1.0)}


def binary_metrics(
    label: Label,
    score: Float64,
    *,
    units: Int64 | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    probability: bool = True,
) -> dict[str, Interval]:
    """Every metric that these rows have; those that need both labels are left out where there is one.

    Where each row is a unit of its own, intervals are DeLong's (AUC, Gini), the logit interval (average precision) and
    Student's (Brier score, log loss). All others, and all where units repeat, are value plus or minus 1.96 standard
    errors of ``draws`` bootstrap draws; without draws they are the value alone.

    Args:
        label: int8 [N], N at least 1.
        score: float64 [N].
        units: int64 [N] where units have several rows, which are then drawn together.
        draws: of the bootstrap, 0 for none.
        seed: of the draws.
        probability: whether the score is one; otherwise calibration and losses mean nothing and are left out.
    """
    losses = losses_of(label, score) if probability else {}
    found: dict[str, Interval | None] = {"rate": rate_interval(np.asarray(label, bool), units)}
    if 0 < int(label.sum()) < len(label):
        found |= _ranking(label, score, independent=units is None)
    if probability:
        found |= {name: mean_interval(values, units) for name, values in losses.items()}
        found |= _calibration(label, score)
    statistic = RankedDraws(label, score, losses)
    ordered = None if units is None else units[statistic.order]
    errors = standard_errors(statistic, len(label), units=ordered, draws=draws, seed=seed)
    return {
        name: _with_interval(name, figure, errors, clustered=units is not None)
        for name, figure in found.items()
        if figure is not None
    }


def losses_of(label: Label, score: Float64) -> dict[str, Float64]:
    """float64 [N] of each row, whose mean is the metric of that name."""
    return {"brier": np.square(score - label), "log_loss": calibration.log_losses(label, score)}


def _ranking(label: Label, score: Float64, *, independent: bool) -> dict[str, Interval | None]:
    """Those that need both labels; intervals where rows are independent."""
    ranked = Ranked.of(label, score)
    found: dict[str, Interval | None] = {
        "ks": Interval(value=metrics.ks(label, score)),
        "best_f1": Interval(value=float(ranked.f1[ranked.best_f1])),
    }
    area, precision = ranking.auc(label, score), ranking.average_precision(label, score)
    if isinstance(area, TooFew) or isinstance(precision, TooFew) or not independent:
        mean_precision = metrics.average_precision(label, score)
        found |= _areas(Interval(value=metrics.auc(label, score)))
        return found | {"average_precision": Interval(value=mean_precision)}
    found |= _areas(interval_of(area, "DeLong") or Interval(value=area.value))
    return found | {"average_precision": interval_of(precision, "logit")}


def _areas(area: Interval) -> dict[str, Interval | None]:
    """The AUC, and the Gini coefficient 2 AUC - 1."""
    value, low, high = (None if end is None else 2 * end - 1 for end in (area.value, area.low, area.high))
    return {"auc": area, "gini": Interval(value=value or 0.0, low=low, high=high, method=area.method)}


def _calibration(label: Label, score: Float64) -> dict[str, Interval | None]:
    base = float(np.mean(label, dtype=np.float64))
    brier = metrics.brier(label, score)
    skill = {"brier_skill": Interval(value=1 - brier / (base * (1 - base)))} if 0 < base < 1 else {}
    return {
        **{
            f"ece_{bins}_equal_mass": Interval(value=expected_calibration_error(label, score, bins=bins))
            for bins in (10, 20)
        },
        **skill,
        "mean_score": Interval(value=float(score.mean())),
    }


def _with_interval(name: str, figure: Interval, errors: dict[str, float], *, clustered: bool) -> Interval:
    """The interval of the method where it has one, otherwise that of the bootstrap."""
    if name not in errors or (figure.low is not None and not clustered):
        return figure
    within = (0.0, float("inf")) if name == "log_loss" else _RANGES.get(name, (0.0, 1.0))
    return around(figure.value, errors[name], f"{BOOTSTRAP} of units" if clustered else BOOTSTRAP, within=within)
