"""Metrics of a score by name: discrimination and calibration of label [N] (0 or 1) and score [N].

The figures are those of ``scoreline_registry.statistics``, which comparisons of served versions show too.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores import calibration, ranking
from scoreline_registry.statistics.scores.calibration import expected_calibration_error
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.binary.ranked import Ranked

Label = npt.NDArray[np.int8]
Metric = Callable[[Label, Float64], Mapping[str, float]]


def auc(label: Label, score: Float64) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    return ranking.placements(label, score).auc


def auc_interval(label: Label, score: Float64, *, confidence: float = 0.95) -> tuple[float, float]:
    """DeLong's confidence interval of the AUC, cut to [0, 1], which it is for fewer than two rows of a label."""
    found = ranking.auc(label, score, alpha=1 - confidence)
    return (found.low, found.high) if isinstance(found, Estimate) else (0.0, 1.0)


def average_precision(label: Label, score: Float64) -> float:
    """Mean precision over the positives, sum of (R_n - R_(n-1)) P_n over distinct scores, without interpolation."""
    return ranking.mean_precision(label, score)


def brier(label: Label, score: Float64) -> float:
    """Mean squared difference of score and label (Brier, Monthly Weather Review 78, 1950)."""
    return calibration.squared_errors(label, score).mean


def log_loss(label: Label, score: Float64) -> float:
    """Mean of minus the log of the probability that each row's label had."""
    return float(calibration.log_losses(label, score).mean())


def ks(label: Label, score: Float64) -> float:
    """Kolmogorov-Smirnov: the largest gap between the score distributions of positives and negatives."""
    found = ranking.ks(label, score)
    return found.value if isinstance(found, Estimate) else float("nan")


def _auc_facts(label: Label, score: Float64) -> Mapping[str, float]:
    low, high = auc_interval(label, score)
    return {"auc": auc(label, score), "auc_low_95": low, "auc_high_95": high}


def _best_f1_facts(label: Label, score: Float64) -> Mapping[str, float]:
    """F1 at the cut where it is highest in these very rows, with the precision and recall there."""
    ranked = Ranked.of(label, score)
    at = ranked.best_f1
    hits = float(ranked.positives[at])
    return {
        "best_f1": float(ranked.f1[at]),
        "precision_at_best_f1": hits / float(ranked.positives[at] + ranked.negatives[at]),
        "recall_at_best_f1": hits / ranked.totals[0],
    }


METRICS: Mapping[str, Metric] = {
    "auc": _auc_facts,
    "gini": lambda label, score: {"gini": 2 * auc(label, score) - 1},
    "average_precision": lambda label, score: {"average_precision": average_precision(label, score)},
    "brier": lambda label, score: {"brier": brier(label, score)},
    "log_loss": lambda label, score: {"log_loss": log_loss(label, score)},
    "ks": lambda label, score: {"ks": ks(label, score)},
    "best_f1": _best_f1_facts,
    "ece_10_equal_mass": lambda label, score: {"ece_10_equal_mass": expected_calibration_error(label, score)},
    "ece_20_equal_mass": lambda label, score: {"ece_20_equal_mass": expected_calibration_error(label, score, bins=20)},
}

FOR_ONE_LABEL = frozenset({"brier", "log_loss", "ece_10_equal_mass", "ece_20_equal_mass"})
"""Metrics of rows that have one label only."""


def evaluate(label: Label, score: Float64, names: Sequence[str] = tuple(METRICS)) -> dict[str, float]:
    """The named metrics; those that need both labels are left out where there is only one."""
    both = 0 < int(label.sum()) < len(label)
    usable = [name for name in names if both or name in FOR_ONE_LABEL]
    return {key: value for name in usable for key, value in METRICS[name](label, score).items()}
