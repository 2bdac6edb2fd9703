"""Isotonic regression of a label on a score: pool adjacent violators."""

from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """Neighbouring scores that share one rate, ascending in both.

    Attributes:
        start: float64 [K], the lowest score of each pool.
        centre: float64 [K], the mean score.
        rate: float64 [K], the share of label 1, strictly ascending.
        rows: float64 [K], how many rows.
    """

    start: Float64
    centre: Float64
    rate: Float64
    rows: Float64


def pooled(label: Label, score: Float64) -> Pools:
    """The non-decreasing function of ``score`` [M] that is nearest to ``label`` [M] in least squares.

    Ayer et al., An Empirical Distribution Function for Sampling with Incomplete Information (Annals of Mathematical
    Statistics 26, 1955).
    """
    starts, place = np.unique(score, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    positives = np.bincount(place, weights=label)
    # Each pool is [lowest score, sum of scores, positives, rows].
    pools: list[list[float]] = []
    for pool in zip(starts.tolist(), (starts * rows).tolist(), positives.tolist(), rows.tolist(), strict=True):
        pools.append(list(pool))
        while len(pools) > 1 and pools[-2][2] * pools[-1][3] >= pools[-1][2] * pools[-2][3]:
            last = pools.pop()
            pools[-1][1:] = [sum(pair) for pair in zip(pools[-1][1:], last[1:], strict=True)]
    start, total, positive, count = np.array(pools).T
    return Pools(start, total / count, positive / count, count)
