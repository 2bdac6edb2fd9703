"""Isotonic regression of a label on a score, as pools of neighboring scores that share one rate."""

from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """Neighboring scores that share one rate, ascending in both.

    Attributes:
        start: float64 [K], the lowest score of each pool.
        centre: float64 [K], the mean score.
        rate: float64 [K], the share of label 1, strictly ascending.
        rows: float64 [K], what the rows count together.
    """

    start: Float64
    centre: Float64
    rate: Float64
    rows: Float64


def pooled(label: Label, score: Float64, weight: Float64 | None = None) -> Pools:
    """The pools of the non-decreasing function of ``score`` [M] that is nearest to ``label`` [M] in least squares.

    ``weight`` [M] is what each row counts, 1 by default.
    """
    from scipy.optimize import isotonic_regression

    distinct, place = np.unique(score, return_inverse=True)
    counts = np.ones(len(label)) if weight is None else weight
    rows = np.bincount(place, weights=counts)
    positives = np.bincount(place, weights=label * counts)
    starts = isotonic_regression(positives / rows, weights=rows).blocks[:-1]
    total, positive, count = (np.add.reduceat(values, starts) for values in (distinct * rows, positives, rows))
    return Pools(distinct[starts], total / count, positive / count, count)
