"""Moves the new values of a way back towards the present ones, as far as the target is still met."""

import numpy as np

from scoreline_registry.recourse.arrays import Float32
from scoreline_registry.recourse.scoring import Trials

_ROUNDS = 6
_POINTS = 16
# Graphs may round the score of one row otherwise than that of many.
_SLACK = 1e-6


def refined(trials: Trials, values: Float32) -> Float32:
    """New values float32 [levers], NaN where a lever stays, each as near to the present one as was found.

    The search between a value that meets the target and one that does not is as if there were one crossing between
    them: where there are several, one of them is found.
    """
    problem = trials.problem
    smooth = [place for place, lever in enumerate(problem.levers) if lever.is_smooth and not np.isnan(values[place])]
    for place in sorted(smooth, key=lambda place: -abs(float(values[place]) * problem.levers[place].unit_cost)):
        values = _nearer(trials, values, place)
    return values


def _nearer(trials: Trials, values: Float32, place: int) -> Float32:
    bad, good = trials.problem.levers[place].nearest, float(values[place])
    for _ in range(_ROUNDS):
        points = np.unique(np.linspace(bad, good, _POINTS, endpoint=False).astype(np.float32))
        points = points if bad < good else points[::-1]
        tries = np.repeat(values[None], len(points), axis=0)
        tries[:, place] = points
        there = np.flatnonzero(trials.value_gaps(tries) <= -_SLACK)
        if not len(there):
            bad = float(points[-1])
        elif there[0] == 0:
            good = float(points[0])
            break
        else:
            bad, good = float(points[there[0] - 1]), float(points[there[0]])
    moved = values.copy()
    moved[place] = good
    return moved
