"""An attacker who is after an offer: who sends invented numbers in place of those of the profile."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scoreline_trainers.data.batch import Float64

EPSILON = 0.5
"""How far each number is moved, in standard deviations over all subscribers."""
TRIES = 10
"""Combinations of directions that are scored for each subscriber; the one with the highest score is sent."""

Rows = Sequence[Mapping[str, float]]


def attacked(known: Rows, scores_of: Callable[[Rows], Float64], *, seed: int) -> list[dict[str, float]]:
    """The numbers that the attacker sends in place of ``known`` ones, which keep their gaps.

    ``scores_of`` gives the score of each row, float64 [N]: all that the attacker sees of the model.
    """
    names = sorted({name for row in known for name in row})
    table = np.array([[row.get(name, np.nan) for name in names] for row in known], np.float64).reshape(
        len(known), len(names)
    )
    draw = np.random.default_rng(seed)
    step = EPSILON * np.nan_to_num(np.nanstd(table, axis=0)) if len(table) else np.zeros(len(names))
    best, height = table.copy(), np.full(len(table), -np.inf)
    for _ in range(TRIES):
        moved = table + step * draw.choice((-1.0, 1.0), table.shape)
        score = scores_of(_rows(names, moved))
        better = score > height
        best[better], height = moved[better], np.where(better, score, height)
    return _rows(names, best)


def _rows(names: Sequence[str], table: Float64) -> list[dict[str, float]]:
    known = ~np.isnan(table)
    return [
        {name: float(value) for name, value, is_known in zip(names, row, there, strict=True) if is_known}
        for row, there in zip(table, known, strict=True)
    ]
