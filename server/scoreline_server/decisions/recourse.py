"""The cheapest changes of a scored row's inputs that bring it to a target, proven by the arm that scored it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scoreline_registry.decisions.facts import FactValue
from scoreline_registry.recourse.arrays import Float32
from scoreline_registry.recourse.problem import Problem, RecourseRules
from scoreline_registry.recourse.search import SEARCH, Engine, Way, search
from scoreline_registry.recourse.target import Target
from scoreline_server.decisions.changed_rows import ServedRow, raw_value
from scoreline_server.decisions.what_if import Change
from scoreline_server.scoring.compiled_route import Arm
from scoreline_server.scoring.model import LoadedModel

State = Literal["found", "reached", "impossible", "not_found"]

# The time that the search for one row may take. A row of many costs about a third of one by itself.
_SECONDS = 0.12
_BATCH_GAIN = 3
_ROWS = (1_000, 20_000)


@dataclass(frozen=True, slots=True)
class ProvenWay:
    """A way, with the score of the changed inputs as callers would send them.

    Attributes:
        holds_next: whether the next version gives a score that meets the target too; None where there is none.
    """

    changes: Sequence[Change]
    cost: float
    score: float
    holds_next: bool | None = None


@dataclass(frozen=True, slots=True)
class RecourseFound:
    """The result for one row; see ``Found`` for ``is_exact``."""

    state: State
    ways: Sequence[ProvenWay] = ()
    is_exact: bool = False
    rows_scored: int = 0
    engine: str = SEARCH


def recourse(
    row: ServedRow,
    rules: RecourseRules,
    target: Target | None,
    *,
    most: int,
    most_changes: int,
    kept: Collection[str] = (),
    engine: Engine = search,
    next_arm: Arm | None = None,
    next_target: Target | None = None,
) -> RecourseFound:
    """Finds ways for one row; ``target`` is None where it is in the band already.

    ``next_target`` is what ``next_arm`` has to reach: bands may have other edges there.
    """
    if target is None or target.met(row.scores(row.features[None]))[0]:
        return RecourseFound("reached", is_exact=True)
    problem = Problem.of(rules, row.features, target, known=row.known, kept=kept, most_changes=most_changes)
    found = engine(problem, row.scores, ways=most, most_rows=most_rows(row.arm.model))
    proven = [_proven(row, rules, target, way) for way in found.ways]
    ways = [way for way in proven if way is not None]
    is_exact = found.is_exact and len(ways) == len(proven)
    ways = [_with_next(row, way, next_arm, next_target or target) for way in ways]
    state: State = "found" if ways else "impossible" if is_exact else "not_found"
    return RecourseFound(state, ways, is_exact, found.rows_scored + len(proven), found.engine)


def most_rows(model: LoadedModel) -> int:
    """How many rows a model scores in the time of one search, as it was timed at load."""
    fewest, most = _ROWS
    return min(most, max(fewest, int(_BATCH_GAIN * _SECONDS * 1e6 / max(model.row_microseconds, 1.0))))


def _proven(row: ServedRow, rules: RecourseRules, target: Target, way: Way) -> ProvenWay | None:
    """The way, scored again by itself from its inputs as callers would send them; None where that misses the target."""
    changes = _changes(row, rules, way.row)
    bound, errors = row.bound([{change.feature: change.after for change in changes}])
    if errors:
        return None
    score = row.scores(bound)
    return ProvenWay(changes, way.cost, float(score[0])) if target.met(score)[0] else None


def _changes(row: ServedRow, rules: RecourseRules, features: Float32) -> list[Change]:
    derived = {each.column for each in rules.derived}
    return [
        Change(each.name, row.value(each.name), raw_value(each, float(features[column])), column in derived)
        for column, each in enumerate(rules.contract.features)
        if features[column] != row.features[column] and not np.isnan(features[column])
    ]


def _with_next(row: ServedRow, way: ProvenWay, arm: Arm | None, target: Target) -> ProvenWay:
    if arm is None:
        return way
    values: Mapping[str, FactValue] = {change.feature: change.after for change in way.changes}
    holds = bool(target.met(row.scores_by(arm, [values]))[0])
    return ProvenWay(way.changes, way.cost, way.score, holds)
