"""Tries all choices in the order of their cost, which proves the cheapest, or that there is none."""

import math

import numpy as np

from scoreline_registry.recourse.arrays import Choices
from scoreline_registry.recourse.problem import Problem, covers, lever_set
from scoreline_registry.recourse.scoring import Trials, met

MOST_LISTED = 400_000
"""Choices that are listed at all."""

_AT_ONCE = 1024


def count_choices(problem: Problem) -> int:
    """How many choices there are, without regard to how many levers may change together."""
    return math.prod(len(lever.values) + 1 for lever in problem.levers)


def all_choices(problem: Problem, *, below: float = math.inf) -> Choices:
    """Every choice that changes something and costs less than ``below``, cheapest first, then of fewest changes."""
    choices = np.full((1, 0), -1, np.int32)
    costs = np.zeros(1)
    for lever in problem.levers:
        options = np.arange(-1, len(lever.values), dtype=np.int32)
        count = len(choices)
        costs = (costs[:, None] + np.append(0.0, lever.costs)).ravel()
        choices = np.column_stack([np.repeat(choices, len(options), axis=0), np.tile(options, count)])
        kept = costs < below
        choices, costs = choices[kept], costs[kept]
    changes = (choices >= 0).sum(axis=1)
    kept = (changes > 0) & (changes <= problem.most_changes)
    found: Choices = choices[kept][np.lexsort((changes[kept], costs[kept]))]
    return found


def cheapest(trials: Trials, choices: Choices, *, ways: int) -> list[Choices]:
    """The first of ascending choices that meet the target, none of which changes all that an earlier one changes."""
    found: list[Choices] = []
    sets: list[frozenset[int]] = []
    for start in range(0, len(choices), _AT_ONCE):
        part = choices[start : start + _AT_ONCE]
        part = part[~covers(part, sets)]
        for choice in part[met(trials.gaps(part))]:
            if not covers(choice[None], sets)[0]:
                found.append(choice)
                sets.append(lever_set(choice))
            if len(found) == ways:
                return found
    return found
