"""The metrics of one group of rows."""

import numpy as np

from scoreline_trainers.evaluation.amounts.figures import regression_metrics
from scoreline_trainers.evaluation.binary.figures import binary_metrics
from scoreline_trainers.evaluation.classes.figures import multiclass_metrics
from scoreline_trainers.evaluation.document import GroupFigures, Interval
from scoreline_trainers.evaluation.scored import Scored
from scoreline_trainers.evaluation.uncertainty.intervals import mean_interval, rate_interval

FEW_ROWS = 50
"""Fewer rows than this say little about a group."""

FEW_EACH = 10
"""Fewer rows of a label than this say little about a group's ranking."""

_SHOWN = ("auc", "average_precision", "brier", "log_loss", "ks", "ece_10_equal_mass")


def scored_metrics(scored: Scored, *, draws: int = 0, seed: int = 0) -> dict[str, Interval]:
    """The metrics of the rows' task."""
    if scored.amount is not None:
        return regression_metrics(scored.amount, scored.score, units=scored.clusters, draws=draws, seed=seed)
    if scored.probabilities is not None:
        return multiclass_metrics(scored.label, scored.probabilities, units=scored.clusters)
    return binary_metrics(
        scored.label,
        scored.score,
        units=scored.clusters,
        draws=draws,
        seed=seed,
        probability=scored.probability,
    )


def group_figures(name: str, scored: Scored) -> GroupFigures:
    """The figures of a group of at least one row, with a note where it is small."""
    found = scored_metrics(scored)
    shown = {key: found[key] for key in _SHOWN if key in found} if scored.task == "binary" else found
    return GroupFigures(
        name=name,
        rows=len(scored),
        positives=scored.positives,
        rate=_rate(scored),
        mean_score=float(scored.score.mean()),
        metrics=shown,
        note=size_note(scored),
    )


def size_note(scored: Scored) -> str:
    """What limits the figures of so few rows; empty where nothing does."""
    if len(scored) < FEW_ROWS:
        return f"few rows: {len(scored)}"
    positives = scored.positives
    if positives is None:
        return ""
    rarer = min(positives, len(scored) - positives)
    label = 1 if positives == rarer else 0
    return f"few rows with label {label}: {rarer}" if rarer < FEW_EACH else ""


def _rate(scored: Scored) -> Interval | None:
    if scored.amount is not None:
        return mean_interval(scored.amount, scored.clusters)
    return rate_interval(np.asarray(scored.outcome, bool), scored.clusters)
