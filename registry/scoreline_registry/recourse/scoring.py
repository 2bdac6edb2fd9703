"""Scores what a search tries, up to a number of rows."""

import numpy as np

from scoreline_registry.recourse.arrays import Bools, Choices, Float32, Float64, Score
from scoreline_registry.recourse.problem import Problem

_AT_ONCE = 4096


class Trials:
    """The rows that a search scores, and how many it may still score."""

    def __init__(self, problem: Problem, score: Score, *, most_rows: int) -> None:
        self.problem = problem
        self._score, self._most = score, most_rows
        self.scored = 0

    @property
    def left(self) -> int:
        """How many more rows may be scored."""
        return max(self._most - self.scored, 0)

    def gaps(self, choices: Choices) -> Float64:
        """float64 [N]: how far the score of each choice is from the target; infinite for choices out of limits."""
        return self._gaps(*self.problem.rows(choices))

    def value_gaps(self, values: Float32) -> Float64:
        """The same for new values float32 [N, levers], NaN where a lever stays as it is."""
        return self._gaps(*self.problem.moved(values))

    def score(self, values: Float32) -> tuple[Float32, float]:
        """The row float32 [F] of new values float32 [levers] with its score, scored by itself."""
        rows, _ = self.problem.moved(values[None])
        self.scored += 1
        return rows[0], float(self._score(rows)[0])

    def _gaps(self, rows: Float32, fits: Bools) -> Float64:
        gaps = np.full(len(rows), np.inf)
        places = np.flatnonzero(fits)
        self.scored += len(places)
        for start in range(0, len(places), _AT_ONCE):
            here = places[start : start + _AT_ONCE]
            scores = self._score(rows[here])
            found = self.problem.target.gaps(scores)
            # At the edge itself only the comparison of scores decides, not a distance that is rounded.
            gaps[here] = np.where(self.problem.target.met(scores), np.minimum(found, 0.0), np.maximum(found, _TINY))
        return gaps


_TINY = 1e-300


def met(gaps: Float64) -> Bools:
    """bool [N]: whether the target is met."""
    return gaps <= 0
