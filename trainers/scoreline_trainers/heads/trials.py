"""Selects an adaptation rule by simulation.

Each known segment is held out in turn, adapted on a few rows (support) and evaluated on the others (query).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float64, RowIndices
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.heads.heads import log_loss
from scoreline_trainers.heads.rules import Rule

# Strengths of a pull to choose among; the last leaves nearly everything as it is.
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

_DRAWS = 5
_MOST_QUERIES = 500


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A known segment as if it were new: states and labels of both sets of its rows, and all heads but its own."""

    support: tuple[Float64, Label]
    query: tuple[Float64, Label]
    heads: Float64

    def loss(self, rule: Rule) -> float:
        """The mean log loss of the query rows by the head that the rule makes of the support rows."""
        return log_loss(*self.query, rule.head(*self.support, self.heads))


def trials_of(
    states: Float64, label: Label, members: Mapping[int, RowIndices], heads: Float64, *, shots: int, seed: int
) -> list[Trial]:
    """Some trials of every segment that has at least twice ``shots`` rows.

    Args:
        states: float64 [N, H].
        label: int8 [N].
        members: segment's place in ``heads`` -> its rows.
        heads: float64 [S + 1, H + 1], the last is the fallback head.
        shots: how many rows are support.
        seed: of the rows drawn.
    """
    draw, found = np.random.default_rng(seed), []
    for place, rows in members.items():
        for _ in range(_DRAWS if len(rows) >= 2 * shots else 0):
            support, query = np.split(draw.permutation(rows)[: shots + _MOST_QUERIES], [shots])
            others = np.delete(heads, place, axis=0)
            found.append(Trial((states[support], label[support]), (states[query], label[query]), others))
    return found


def best_rule(rules: Sequence[Rule], trials: Sequence[Trial]) -> Rule:
    """The rule with the smallest mean loss, the last of ``rules`` where there are no trials."""
    if not trials:
        return rules[-1]
    return min(rules, key=lambda rule: sum(trial.loss(rule) for trial in trials))
