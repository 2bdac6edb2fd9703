"""Recourse by the scores of a model alone: all choices where they are few, else a beam search.

Needs nothing of the model but its scores, so it serves every family.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scoreline_registry.recourse.arrays import Choices, Float32, Score
from scoreline_registry.recourse.beam import cheapest_found
from scoreline_registry.recourse.exhaustive import MOST_LISTED, all_choices, cheapest, count_choices
from scoreline_registry.recourse.problem import Problem, lever_set
from scoreline_registry.recourse.refinement import refined
from scoreline_registry.recourse.scoring import Trials

DEFAULT_ROWS = 20_000
SEARCH = "search"
"""The name of the engine that needs scores alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One row that meets the target.

    Attributes:
        row: float32 [F], as the model takes it.
        score: its score when it was scored by itself.
    """

    row: Float32
    cost: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The result of a search.

    Attributes:
        ways: the cheapest first; none changes all inputs that an earlier one changes.
        is_exact: whether it is proven that there is no cheaper way than the first, or no way at all.
        rows_scored: how many rows were scored.
        engine: the one that gave the proof, or else the ways.
    """

    ways: tuple[Way, ...]
    is_exact: bool
    rows_scored: int
    engine: str = SEARCH


class Engine(Protocol):
    """Searches for ways."""

    def __call__(self, problem: Problem, score: Score, *, ways: int, most_rows: int) -> Found:
        """The cheapest ways that were found, ``ways`` at most; about ``most_rows`` rows are scored."""


def search(problem: Problem, score: Score, *, ways: int = 1, most_rows: int = DEFAULT_ROWS) -> Found:
    """Searches by scores alone. Is an ``Engine``."""
    trials = Trials(problem, score, most_rows=most_rows)
    if not problem.levers:
        return Found((), is_exact=True, rows_scored=0)
    total = count_choices(problem)
    if total <= min(trials.left, MOST_LISTED):
        choices, is_complete = cheapest(trials, all_choices(problem), ways=ways), True
    else:
        choices = _searched(trials, ways)
        choices, is_complete = _proven(trials, choices, total)
    found = [_way(trials, choice) for choice in choices]
    proven = tuple(sorted((way for way in found if way is not None), key=lambda way: way.cost))
    is_exact = is_complete and problem.is_whole and len(proven) == len(found)
    return Found(proven, is_exact, trials.scored)


def _searched(trials: Trials, ways: int) -> list[Choices]:
    found: list[Choices] = []
    for nth in range(ways):
        share = trials.left // (ways - nth + 1)
        choice = cheapest_found(trials, avoided=[lever_set(each) for each in found], most_rows=share)
        if choice is None:
            break
        found.append(choice)
    return sorted(found, key=lambda choice: float(trials.problem.costs(choice[None])[0]))


def _proven(trials: Trials, choices: list[Choices], total: int) -> tuple[list[Choices], bool]:
    """The choices with the cheapest of all in front, and True, where all that cost less could be tried."""
    if not choices or total > MOST_LISTED:
        return choices, False
    problem = trials.problem
    cheaper = all_choices(problem, below=float(problem.costs(choices[0][None])[0]))
    if len(cheaper) > trials.left:
        return choices, False
    better = cheapest(trials, cheaper, ways=1)
    return ([*better, *choices[len(better) :]] if better else choices), True


def _way(trials: Trials, choice: Choices) -> Way | None:
    """The way of a choice, refined; None where it does not meet the target when it is scored by itself."""
    levers = trials.problem.levers
    values = np.array(
        [lever.values[at] if at >= 0 else np.nan for lever, at in zip(levers, choice.tolist(), strict=True)], np.float32
    )
    for each in (refined(trials, values), values):
        row, score = trials.score(each)
        if trials.problem.target.met(np.array([score]))[0]:
            return Way(row, float(trials.problem.costs_of(each[None])[0]), score)
    return None
