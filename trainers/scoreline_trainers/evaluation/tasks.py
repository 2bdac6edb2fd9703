"""The metrics of each task, and the figures of a model's outputs by them."""

from collections.abc import Mapping, Sequence

from scoreline_registry.documents.signature import CLASS_PROBABILITIES, HORIZON_SCORES, SCORE
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.amounts.metrics import AMOUNT_METRICS, evaluate_amounts
from scoreline_trainers.evaluation.classes.metrics import CLASS_METRICS, evaluate_classes
from scoreline_trainers.evaluation.metrics import METRICS, auc, evaluate

TASK_METRICS: Mapping[Task, Sequence[str]] = {
    "binary": tuple(METRICS),
    "regression": tuple(AMOUNT_METRICS),
    "multiclass": tuple(dict.fromkeys((*CLASS_METRICS, *METRICS))),
}
"""What a recipe may name; of several classes, the metrics of a probability are those of the last one's."""


def evaluate_task(data: Dataset, outputs: Mapping[str, Float64], names: Sequence[str]) -> dict[str, float]:
    """The named metrics of labelled rows.

    Args:
        data: the rows.
        outputs: the model's by name: the score, and where there are several classes or horizons, theirs.
        names: of the task's metrics; each horizon has its AUC, ``auc_<horizon>``, where that is among them.
    """
    score = outputs[SCORE]
    if data.amount is not None:
        return evaluate_amounts(data.amount, score, names)
    found: dict[str, float] = {}
    if data.classes:
        several = [name for name in names if name in CLASS_METRICS]
        found = evaluate_classes(data.label, outputs[CLASS_PROBABILITIES], several)
    found |= evaluate(data.outcome, score, [name for name in names if name in METRICS and name not in found])
    if "auc" in names:
        found |= _horizon_areas(data, outputs)
    return found


def _horizon_areas(data: Dataset, outputs: Mapping[str, Float64]) -> dict[str, float]:
    if data.horizon_labels is None:
        return {}
    each = zip(data.horizons, data.horizon_labels.T, outputs[HORIZON_SCORES].T, strict=True)
    return {f"auc_{name}": auc(label, score) for name, label, score in each if 0 < label.sum() < len(label)}
