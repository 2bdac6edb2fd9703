"""What changes of inputs would do, as callers get it: the results of what-if and recourse."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from scoreline.decoding.decisions import read_score, read_value
from scoreline.decoding.responses import entity_error
from scoreline.decoding.results import Score
from scoreline.errors import ScorelineError, ServerError
from scoreline.v1 import decisions_pb2 as pb


class FeatureChange(NamedTuple):
    """An input before and after (None where it is missing); ``derived`` where it follows from others, as a ratio."""

    feature: str
    before: float | str | bool | None
    after: float | str | bool | None
    derived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a set of interventions would change.

    Attributes:
        benefit: what the change of the score is worth.
        net_value: benefit less cost.
        benefit_cost_ratio: None where it costs nothing.
        problem: why it was not scored, such as interventions that exclude each other; empty where it was.
    """

    interventions: tuple[str, ...]
    score_before: float
    score_after: float
    band_before: str | None
    band_after: str | None
    cost: float
    benefit: float
    net_value: float
    benefit_cost_ratio: float | None
    changes: tuple[FeatureChange, ...]
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStep:
    """One step of a path: what it costs and is worth by itself, and what judges say of it.

    Attributes:
        confidence: the share of the judges for whom it moves the score the wanted way.
        lowest_score, highest_score: among the judges, after it.
    """

    intervention: str
    score_after: float
    cost: float
    net_value: float
    confidence: float
    lowest_score: float
    highest_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionPath:
    """Interventions one after another.

    Attributes:
        confidence: the share of the judges for whom every step moves the score the wanted way.
        judges: "members" of an ensemble, or "versions" of the model.
    """

    steps: tuple[PathStep, ...]
    cost: float
    net_value: float
    confidence: float
    judges: str
    judge_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What interventions would change for one entity.

    Attributes:
        score: as it is now; None where ``error`` is set.
        scenarios: each intervention alone, then the sets that were asked for.
        best_single, best_set: with the highest net value within the budget; None where none has one above 0.
        path: to the best set, where it was asked for.
        exact: whether ``best_set`` is proven to be the best.
        gap: where it is not: the most by which another set can be better; None where nothing bounds it.
        error: only in the results of ``what_if_many``.
    """

    score: Score | None = None
    scenarios: tuple[Scenario, ...] = ()
    best_single: Scenario | None = None
    best_set: Scenario | None = None
    path: InterventionPath | None = None
    exact: bool = False
    gap: float | None = None
    error: ScorelineError | None = None


class RecourseState(IntEnum):
    """Whether a target can be reached."""

    FOUND = 1
    """There is at least one way."""
    REACHED = 2
    """The entity is there already."""
    IMPOSSIBLE = 3
    """No way exists: the search went through all of them."""
    NOT_FOUND = 4
    """No way was found, and the search does not prove that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecourseWay:
    """Changes of inputs that reach the target together.

    Attributes:
        score: that the model which serves gives to the changed inputs.
        holds_for_next_version: whether a newer version that the route ramps up or shadows agrees; None without one.
    """

    changes: tuple[FeatureChange, ...]
    cost: float
    score: float
    band: str | None
    holds_for_next_version: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recourse:
    """What would bring one entity to a target.

    Attributes:
        score: as it is now, with the version and revision that the ways are proven on; None where ``error`` is set.
        ways: the cheapest first; they differ in the inputs that they change.
        exact: whether the first way is proven to be the cheapest, or no way to exist.
        error: only in the results of ``recourse_many``.
    """

    score: Score | None = None
    state: RecourseState = RecourseState.NOT_FOUND
    ways: tuple[RecourseWay, ...] = ()
    exact: bool = False
    engine: str = ""
    scored_rows: int = 0
    error: ScorelineError | None = None


def read_what_if(answer: pb.WhatIfResponse, rows: Sequence[int]) -> list[WhatIf]:
    """The results of an answer, for the caller's rows of these indices. Raises ServerError for another number."""
    _check_count(len(answer.results), len(rows))
    return [_what_if(each, answer.revision, row) for each, row in zip(answer.results, rows, strict=True)]


def read_recourse(answer: pb.RecourseResponse, rows: Sequence[int]) -> list[Recourse]:
    """The results of an answer, for the caller's rows of these indices. Raises ServerError for another number."""
    _check_count(len(answer.results), len(rows))
    return [_recourse(each, answer.revision, row) for each, row in zip(answer.results, rows, strict=True)]


def _check_count(found: int, wanted: int) -> None:
    if found != wanted:
        raise ServerError(f"the response has {found} results, not {wanted}")


def _what_if(message: pb.WhatIfResult, revision: int, row: int) -> WhatIf:
    if message.HasField("error"):
        return WhatIf(error=entity_error(message.error, row))
    return WhatIf(
        score=read_score(message.score, revision),
        scenarios=tuple(map(_scenario, message.scenarios)),
        best_single=_scenario(message.best_single) if message.HasField("best_single") else None,
        best_set=_scenario(message.best_set) if message.HasField("best_set") else None,
        path=_path(message.path) if message.HasField("path") else None,
        exact=message.exact,
        gap=message.gap if message.HasField("gap") else None,
    )


def _scenario(message: pb.Scenario) -> Scenario:
    return Scenario(
        interventions=tuple(message.interventions),
        score_before=message.score_before,
        score_after=message.score_after,
        band_before=message.band_before or None,
        band_after=message.band_after or None,
        cost=message.cost,
        benefit=message.benefit,
        net_value=message.net_value,
        benefit_cost_ratio=message.benefit_cost_ratio if message.HasField("benefit_cost_ratio") else None,
        changes=_changes(message.changes),
        problem=message.problem,
    )


def _changes(messages: Sequence[pb.FeatureChange]) -> tuple[FeatureChange, ...]:
    return tuple(
        FeatureChange(each.feature, read_value(each.before), read_value(each.after), each.derived) for each in messages
    )


def _path(message: pb.InterventionPath) -> InterventionPath:
    return InterventionPath(
        steps=tuple(
            PathStep(
                intervention=step.intervention,
                score_after=step.score_after,
                cost=step.cost,
                net_value=step.net_value,
                confidence=step.confidence,
                lowest_score=step.lowest_score,
                highest_score=step.highest_score,
            )
            for step in message.steps
        ),
        cost=message.cost,
        net_value=message.net_value,
        confidence=message.confidence,
        judges=message.judges,
        judge_count=message.judge_count,
    )


def _recourse(message: pb.RecourseResult, revision: int, row: int) -> Recourse:
    if message.HasField("error"):
        return Recourse(error=entity_error(message.error, row))
    return Recourse(
        score=read_score(message.score, revision),
        state=RecourseState(message.state),
        ways=tuple(
            RecourseWay(
                changes=_changes(way.changes),
                cost=way.cost,
                score=way.score,
                band=way.band or None,
                holds_for_next_version=way.holds_for_next_version if way.HasField("holds_for_next_version") else None,
            )
            for way in message.ways
        ),
        exact=message.exact,
        engine=message.engine,
        scored_rows=message.scored_rows,
    )
