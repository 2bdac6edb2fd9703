"""Metrics of several classes by name: class index [N] and probability of each class [N, K]."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label, auc

ClassMetric = Callable[[Label, Float64], float]

# A class that is called impossible and is there costs a finite amount, as scikit-learn has it.
_LEAST = float(np.finfo(np.float64).eps)


def accuracy(label: Label, probability: Float64) -> float:
    """Share of the rows whose most probable class is theirs."""
    return float((probability.argmax(axis=1) == label).mean())


def class_log_losses(label: Label, probability: Float64) -> Float64:
    """float64 [N]: -ln of the probability of each row's class."""
    own = probability[np.arange(len(label)), label]
    losses: Float64 = -np.log(np.clip(own, _LEAST, 1 - _LEAST))
    return losses


def class_log_loss(label: Label, probability: Float64) -> float:
    """Mean of the rows' log losses."""
    return float(class_log_losses(label, probability).mean())


def auc_macro(label: Label, probability: Float64) -> float:
    """Mean over the classes of the AUC of each class against all others, of those that some rows are of; else NaN."""
    sides = ((label == place, score) for place, score in enumerate(probability.T))
    areas = [auc(own.astype(np.int8), score) for own, score in sides if own.any() and not own.all()]
    return float(np.mean(areas)) if areas else float("nan")


CLASS_METRICS: Mapping[str, ClassMetric] = {
    "accuracy": accuracy,
    "log_loss": class_log_loss,
    "auc_macro": auc_macro,
}


def evaluate_classes(
    label: Label, probability: Float64, names: Sequence[str] = tuple(CLASS_METRICS)
) -> dict[str, float]:
    """The named metrics; those that these rows have none of are left out."""
    found = {name: CLASS_METRICS[name](label, probability) for name in names}
    return {name: value for name, value in found.items() if not np.isnan(value)}
