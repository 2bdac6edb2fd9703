"""The evaluation of class probabilities: one class against the rest, averages over classes, and confusion."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation import metrics
from scoreline_trainers.evaluation.binary.figures import binary_metrics
from scoreline_trainers.evaluation.classes.metrics import auc_macro, class_log_losses
from scoreline_trainers.evaluation.document import ClassFigures, Interval
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import mean_interval, rate_interval


def class_figures(
    label: Label, probabilities: Float64, names: Sequence[str], *, units: Int64 | None = None, draws: int = 0
) -> tuple[ClassFigures, ...]:
    """Each class against the rest, by its own probability; ``label`` [N] is the place of the class."""
    return tuple(
        ClassFigures(
            name=name,
            rows=int(np.count_nonzero(label == place)),
            metrics={
                **binary_metrics((label == place).astype(np.int8), probabilities[:, place], units=units, draws=draws),
                **_decision(label == place, probabilities.argmax(axis=1) == place, units),
            },
        )
        for place, name in enumerate(names)
    )


def multiclass_metrics(label: Label, probabilities: Float64, *, units: Int64 | None = None) -> dict[str, Interval]:
    """Accuracy, log loss, and precision, recall, F1, AUC and average precision averaged over classes.

    "macro" is the mean over the classes that occur; "micro" counts every pair of a row and a class as one decision, so
    that micro precision, recall and F1 all equal the accuracy and are not repeated.
    """
    decided = probabilities.argmax(axis=1)
    found = {
        "accuracy": rate_interval(decided == label, units),
        "log_loss": mean_interval(class_log_losses(label, probabilities), units, within=(0, np.inf)),
    }
    found |= {name: Interval(value=value) for name, value in _averages(label, probabilities, decided).items()}
    return {name: figure for name, figure in found.items() if figure is not None}


def confusion_matrix(label: Label, probabilities: Float64) -> tuple[tuple[int, ...], ...]:
    """Rows by true class, columns by the most probable one; equal probabilities go to the first."""
    classes = probabilities.shape[1]
    cells = np.bincount(label.astype(np.int64) * classes + probabilities.argmax(axis=1), minlength=classes * classes)
    return tuple(tuple(row) for row in cells.reshape(classes, classes).tolist())


def _averages(label: Label, probabilities: Float64, decided: npt.NDArray[np.intp]) -> dict[str, float]:
    classes = range(probabilities.shape[1])
    member = label[:, None] == np.arange(len(classes))
    present = [at for at in classes if 0 < np.count_nonzero(member[:, at]) < len(label)]
    if not present:
        return {}
    binary = member.astype(np.int8)
    chosen = decided[:, None] == np.arange(len(classes))
    hits = (member & chosen).sum(axis=0)
    precision = hits / np.maximum(chosen.sum(axis=0), 1)
    recall = hits / np.maximum(member.sum(axis=0), 1)
    f1 = 2 * hits / np.maximum(chosen.sum(axis=0) + member.sum(axis=0), 1)
    flat, scores = binary.ravel(), probabilities.ravel()
    return {
        "auc_macro": auc_macro(label, probabilities),
        "auc_micro": metrics.auc(flat, scores),
        "average_precision_macro": float(
            np.mean([metrics.average_precision(binary[:, at], probabilities[:, at]) for at in present])
        ),
        "average_precision_micro": metrics.average_precision(flat, scores),
        "precision_macro": float(precision[present].mean()),
        "recall_macro": float(recall[present].mean()),
        "f1_macro": float(f1[present].mean()),
    }


def _decision(event: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_], units: Int64 | None) -> dict[str, Interval]:
    """Precision and recall where the most probable class is the decision."""
    found = {}
    for name, hits, among in (("precision", event, chosen), ("recall", chosen, event)):
        figure = rate_interval(hits[among], None if units is None else units[among])
        if figure is not None:
            found[name] = figure
    return found
