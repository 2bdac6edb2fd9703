"""Figures of folds, one by one, and their spread."""

from collections.abc import Sequence

import numpy as np

from scoreline_trainers.evaluation.document import FoldFigures, Spread
from scoreline_trainers.evaluation.groups.figures import scored_metrics
from scoreline_trainers.evaluation.scored import Scored


def fold_figures(fold: int, scored: Scored, *, training_rows: int) -> FoldFigures:
    """The metrics of the rows that one fold's model was not trained on."""
    return FoldFigures(
        fold=fold,
        training_rows=training_rows,
        rows=len(scored),
        positives=scored.positives,
        metrics={name: figure.value for name, figure in scored_metrics(scored).items()},
    )


def spread_of(folds: Sequence[FoldFigures]) -> dict[str, Spread]:
    """Mean and sample standard deviation of each metric that at least two folds have."""
    names = dict.fromkeys(name for fold in folds for name in fold.metrics)
    found = {}
    for name in names:
        values = np.array([fold.metrics[name] for fold in folds if name in fold.metrics])
        if len(values) > 1:
            found[name] = Spread(
                mean=float(values.mean()),
                deviation=float(values.std(ddof=1)),
                low=float(values.min()),
                high=float(values.max()),
            )
    return found
