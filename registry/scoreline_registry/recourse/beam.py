"""Finds cheap choices where there are too many to try all: a beam search, and local improvement of what it finds."""

from collections.abc import Sequence

import numpy as np

from scoreline_registry.recourse.arrays import Choices, Float64, Indices
from scoreline_registry.recourse.problem import Problem, Sets, covers, lever_set, no_choice
from scoreline_registry.recourse.scoring import Trials, met

_WIDTH = 10
_SAME_SET = 3
_COMBINED = 12
_INERT = 4
_IMPROVED = 4
_MOVES = 2048
_STEPS_BACK = 8
_FARTHEST, _SMALLEST = 1e12, 1e-300


def cheapest_found(trials: Trials, *, avoided: Sets = (), most_rows: int) -> Choices | None:
    """The cheapest choice that was found, int32 [levers], or None.

    It changes not all levers of one of the sets ``avoided``. About ``most_rows`` are scored.
    """
    end = trials.scored + most_rows
    found = _beam(trials, avoided, end - most_rows // 3)
    costs = trials.problem.costs(found)
    improved = [_improved(trials, found[place], avoided, end) for place in _distinct(found, costs)]
    return _cheapest(trials.problem, np.array(improved)) if improved else None


def _distinct(choices: Choices, costs: Float64) -> list[int]:
    """The places of the cheapest choices that change different levers."""
    places: dict[frozenset[int], int] = {}
    for place in np.argsort(costs, kind="stable").tolist():
        places.setdefault(lever_set(choices[place]), place)
        if len(places) == _IMPROVED:
            break
    return list(places.values())


def _beam(trials: Trials, avoided: Sets, end: int) -> Choices:
    """Choices that meet the target, from nothing on with one more change after another."""
    problem = trials.problem
    singles = _children(problem, no_choice(problem), [np.arange(len(lever.values)) for lever in problem.levers])
    gaps, costs = trials.gaps(singles), problem.costs(singles)
    there = met(gaps) & ~covers(singles, avoided)
    found, bound = singles[there], float(np.min(costs, initial=np.inf, where=there))
    start = min(float(trials.gaps(no_choice(problem))[0]), _FARTHEST)
    rate = float(np.max((start - np.minimum(gaps, start)) / np.maximum(costs, _SMALLEST), initial=0.0))
    promising = _promising(problem, singles, gaps, start)
    states = _chosen(singles[~met(gaps)], costs[~met(gaps)], gaps[~met(gaps)], rate)
    for _ in range(problem.most_changes - 1):
        children = _children(problem, states, promising)
        costs = problem.costs(children)
        kept = (costs < bound) & ~covers(children, avoided)
        children, costs = children[kept], costs[kept]
        if not len(children) or trials.scored + len(children) > end:
            break
        gaps = trials.gaps(children)
        there = met(gaps)
        found = np.concatenate([found, children[there]])
        bound = min([bound, *costs[there].tolist()])
        states = _chosen(children[~there], costs[~there], gaps[~there], rate)
    return found


def _promising(problem: Problem, singles: Choices, gaps: Float64, start: float) -> list[Indices]:
    """The values of each lever to combine: by themselves they come nearer than all that cost less.

    A lever that does nothing by itself may do something together with others: it keeps a few of its values.
    """
    found = []
    for place, lever in enumerate(problem.levers):
        own = gaps[singles[:, place] >= 0]
        before = np.minimum.accumulate(np.append(start, own))[:-1]
        better = np.flatnonzero(own < before)
        some = better if len(better) else np.arange(len(lever.values))
        most = _COMBINED if len(better) else _INERT
        found.append(some[np.unique(np.linspace(0, len(some) - 1, most).round().astype(np.intp))])
    return found


def _children(problem: Problem, states: Choices, values: Sequence[Indices]) -> Choices:
    """Every state with one more lever changed to one of its ``values``, each once."""
    parts = [no_choice(problem, 0)]
    for place, its in enumerate(values):
        free = states[states[:, place] < 0]
        children = np.repeat(free, len(its), axis=0)
        children[:, place] = np.tile(its, len(free))
        parts.append(children)
    found = np.concatenate(parts)
    return found if len(states) == 1 else np.unique(found, axis=0)


def _chosen(choices: Choices, costs: Float64, gaps: Float64, rate: float) -> Choices:
    """The most promising choices: cost so far and, at the best rate that one change had, of the rest of the way.

    A few of each set of levers, and those that came nearest.
    """
    promise = costs + gaps / max(rate, 1e-12)
    order = [*np.argsort(gaps, kind="stable")[:2].tolist(), *np.argsort(promise, kind="stable").tolist()]
    chosen: list[int] = []
    per_set: dict[bytes, int] = {}
    for place in order:
        key = (choices[place] >= 0).tobytes()
        if np.isfinite(gaps[place]) and place not in chosen and per_set.get(key, 0) < _SAME_SET:
            per_set[key] = per_set.get(key, 0) + 1
            chosen.append(place)
        if len(chosen) == _WIDTH:
            break
    return choices[chosen]


def _improved(trials: Trials, choice: Choices, avoided: Sets, end: int) -> Choices:
    """The choice after the cheapest moves that keep to the target, until there is none."""
    while True:
        better = None
        for moves in (_less(choice), _exchanged(trials.problem, choice)):
            cheaper = _cheaper(trials.problem, moves, choice, avoided)
            if trials.scored + len(cheaper) <= end:
                there = cheaper[met(trials.gaps(cheaper))]
                better = _cheapest(trials.problem, there) if len(there) else None
            if better is not None:
                break
        if better is None:
            return choice
        choice = better


def _cheaper(problem: Problem, moves: Choices, choice: Choices, avoided: Sets) -> Choices:
    """The moves that are allowed and cost less than a choice; of very many some, evenly by their cost."""
    changes = (moves >= 0).sum(axis=1)
    moves = moves[(changes > 0) & (changes <= problem.most_changes) & ~covers(moves, avoided)]
    costs = problem.costs(moves)
    moves = moves[np.argsort(costs, kind="stable")][: int((costs < problem.costs(choice[None])[0]).sum())]
    return moves[np.unique(np.linspace(0, len(moves) - 1, _MOVES).astype(np.intp))] if len(moves) > _MOVES else moves


def _less(choice: Choices) -> Choices:
    """One lever changed less, or not at all."""
    return np.concatenate([_with(choice, place, np.arange(-1, choice[place])) for place in sorted(lever_set(choice))])


def _exchanged(problem: Problem, choice: Choices) -> Choices:
    """One lever changed less, or not at all, and another changed to any of its values."""
    parts = [choice[None][:0]]
    for place in sorted(lever_set(choice)):
        less = np.arange(-1, choice[place])
        some = less[np.unique(np.linspace(0, len(less) - 1, _STEPS_BACK).astype(np.intp))]
        for other, lever in enumerate(problem.levers):
            if other != place:
                moved = np.repeat(_with(choice, place, some), len(lever.values), axis=0)
                moved[:, other] = np.tile(np.arange(len(lever.values)), len(some))
                parts.append(moved)
    return np.concatenate(parts)


def _with(choice: Choices, place: int, values: Indices) -> Choices:
    moved = np.repeat(choice[None], len(values), axis=0)
    moved[:, place] = values
    return moved


def _cheapest(problem: Problem, choices: Choices) -> Choices:
    found: Choices = choices[int(np.argmin(problem.costs(choices)))]
    return found
