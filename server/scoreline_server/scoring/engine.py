"""Scores a batch of calls: route, assign, group rows by model, one run per model, answers.

The engine is synchronous and knows no transport. It takes many calls at once, so that whoever calls it may batch; a
single call is a batch of one.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from scoreline_registry.documents.contract import Points
from scoreline_registry.routing.assignment import unit_of
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.rpc.discovery import REASONS, missing_unit
from scoreline_server.scoring.binding import Bound, Indices
from scoreline_server.scoring.compiled_route import NO_BAND, Arm, ServedRoute
from scoreline_server.scoring.decoding import Question
from scoreline_server.scoring.responses import Answers, Outcome, Run
from scoreline_server.scoring.rows import Rows, joined
from scoreline_server.scoring.wire import CALL_ID_BYTES

_log = structlog.get_logger()

Result = bytes | ScoringError
"""A serialized ScoreResponse, or why the whole call failed."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The rows of one route that were scored together.

    Attributes:
        route: as it was served.
        questions: the calls, in the order of their rows.
        rows: what came, in the route's layout.
        outcome: what it came to.
        call_ids: CALL_ID_BYTES random bytes per call; with the row's place in its call they are the prediction's id.
    """

    route: ServedRoute
    questions: Sequence[Question]
    rows: Rows
    outcome: Outcome
    call_ids: bytes


Observe = Callable[[Scored], None]
"""Sees what was scored, once per route and batch; nothing of it changes any more."""


def unobserved(scored: Scored) -> None:
    """Looks away."""


def answer(questions: Sequence[Question], observe: Observe = unobserved) -> list[Result]:
    """Answers each question, in order, with a response or with the error that the whole call gets.

    Args:
        questions: any number of questions, for any routes.
        observe: is told of each route's rows.
    """
    groups = _by_route(questions)
    if len(groups) == 1:
        return _answered(questions, observe)
    results: dict[int, Result] = {}
    for positions in groups.values():
        answers = _answered([questions[at] for at in positions], observe)
        results.update(zip(positions, answers, strict=True))
    return [results[at] for at in range(len(questions))]


def _answered(questions: Sequence[Question], observe: Observe) -> list[Result]:
    """Answers questions that all ask one route."""
    route = questions[0].route
    rows = joined([question.piece for question in questions], route.layout)
    extras = sorted({name for question in questions for name in question.extras})
    scored = Scored(
        route, questions, rows, score_block(rows, route, extras), os.urandom(CALL_ID_BYTES * len(questions))
    )
    answers = Answers(route, scored.outcome, scored.call_ids).all(questions)
    observe(scored)
    return answers


def _by_route(questions: Sequence[Question]) -> Mapping[int, list[int]]:
    """The positions of the questions of each route; two revisions of one route are two."""
    groups: dict[int, list[int]] = {}
    for at, question in enumerate(questions):
        groups.setdefault(id(question.route), []).append(at)
    return groups


def score_block(block: Rows, route: ServedRoute, extras: Sequence[str] = ()) -> Outcome:
    """Scores every row of one route's block; rows that cannot be scored have an error in the outcome."""
    arms, outcome = _assigned(block, route)
    for index, rows in _by_model(arms, route):
        sound = rows[[row not in outcome.errors for row in rows.tolist()]] if outcome.errors else rows
        if len(sound):
            _score_arm(block, route, index, sound, extras, outcome)
    return outcome


def _assigned(block: Rows, route: ServedRoute) -> tuple[Sequence[int], Outcome]:
    """Which arm each row gets, and why. Rows without the unit that a split hashes get an error."""
    units, errors = units_of(block, route), dict(block.errors)
    if route.assigner.needs_unit and not all(units):
        for row, unit in enumerate(units):
            if not unit:
                errors.setdefault(row, missing_unit(route))
    arms, reasons = route.assigner.assign_many(units, block.contexts or None)
    return arms, Outcome.assigned_to(arms, [REASONS[reason] for reason in reasons], errors=errors)


def _by_model(arms: Sequence[int], route: ServedRoute) -> list[tuple[int, Indices]]:
    """The rows of each model that was chosen, and one of its arms: arms that mean one version are run together."""
    first = route.first_arms
    chosen = {first[arm] for arm in set(arms)}
    if len(chosen) == 1:
        return [(chosen.pop(), np.arange(len(arms)))]
    models = np.array(first, np.uint16)[np.array(arms, np.uint16)]
    return [(index, np.flatnonzero(models == index)) for index in chosen]


def units_of(block: Rows, route: ServedRoute) -> Sequence[str]:
    """What the route hashes of each row; empty where the caller did not send it."""
    unit = route.document.unit
    if unit == UNIT_ENTITY:
        return block.ids
    contexts = block.contexts or [{}] * len(block)
    return [unit_of(unit, id_, context) for id_, context in zip(block.ids, contexts, strict=True)]


def _score_arm(
    block: Rows, route: ServedRoute, index: int, rows: Indices, extras: Sequence[str], outcome: Outcome
) -> None:
    """Scores rows by one arm; when its model fails, by the route's fallback."""
    arm, start = route.arms[index], time.perf_counter()
    bound = arm.binding.bind(block, rows)
    if bound.errors:
        outcome.errors.update(bound.errors)
        bound = bound.accepted()
    try:
        _run(block, arm, bound, extras, outcome)
        _note(outcome, bound.rows, time.perf_counter() - start, failed=False)
    except Exception as error:  # noqa: BLE001  whatever ONNX Runtime raises, the callers get an answer
        _log.error("model failed", route=route.name, arm=arm.ref, rows=len(bound.rows), error=str(error)[:500])
        _note(outcome, bound.rows, time.perf_counter() - start, failed=True)
        if route.fallback is None or route.fallback == index:
            failed = ScoringError(Reason.MODEL_FAILED, f"{arm.ref} failed on these rows", arm=arm.ref)
            outcome.errors.update(dict.fromkeys(bound.rows.tolist(), failed))
        else:
            outcome.fall_back(bound.rows, route.fallback)
            _score_arm(block, route, route.fallback, bound.rows, extras, outcome)


def _note(outcome: Outcome, rows: Indices, seconds: float, *, failed: bool) -> None:
    """Notes a run under each arm that had rows in it."""
    served = outcome.served[outcome.where(rows)].tolist()
    for index in set(served):
        outcome.runs.append(Run(index, served.count(index), seconds, failed=failed))


def _run(block: Rows, arm: Arm, bound: Bound, extras: Sequence[str], outcome: Outcome) -> None:
    """Runs the model over its groups of rows and writes scores, bands, points and extras."""
    own_extras = [name for name in extras if name in arm.model.manifest.score.extras] if extras else extras
    results = []
    for rows, inputs in arm.binding.inputs(block, bound) if len(bound.rows) else ():
        results.append((rows, arm.model.run(inputs, own_extras)))
    for rows, (scores, *extra_values) in results:
        outcome.scores[outcome.where(rows)] = scores
        for name, values in zip(own_extras, extra_values, strict=True):
            outcome.extras.setdefault(name, []).append((rows, values))
    if bound.quality is not None and bound.quality.any():
        outcome.set_quality(bound.rows, bound.quality)
    if arm.band_names or arm.points is not None:
        _rate(arm, bound.rows, outcome)


def _rate(arm: Arm, rows: Indices, outcome: Outcome) -> None:
    """Writes bands and points of rows that an arm has scored."""
    scores = outcome.scores[rows]
    if arm.band_names:
        bands = np.searchsorted(arm.band_edges, scores, side="right") - 1
        outcome.set_bands(rows, np.where(bands >= 0, outcome.band_ids(arm.band_names)[bands], NO_BAND))
    if arm.points is not None:
        outcome.set_points(rows, points_of(scores, arm.points))


def points_of(scores: npt.NDArray[Any], points: Points) -> npt.NDArray[np.float64]:
    """Scorecard points of probabilities, see ``Points`` of the contract. Scores are kept off 0 and 1."""
    p = np.clip(scores.astype(np.float64), 1e-9, 1 - 1e-9)
    return points.offset + points.factor * np.log((1 - p) / p)
