"""Scores batches of calls: assigns each row to an arm, runs each model once per batch and encodes the responses.

The engine is synchronous and knows no transport. It takes many calls at once, so that its callers may batch; a single
call is a batch of one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import structlog

from scoreline_registry.documents.contract import Points
from scoreline_registry.routing.assignment import unit_of
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.binding import Bound
from scoreline_server.scoring.call_ids import new_call_ids
from scoreline_server.scoring.compiled_route import NO_BAND, Arm, CompiledRoute
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.enrichment import enrich
from scoreline_server.scoring.profile_reading import Known
from scoreline_server.scoring.reasons.row_reasons import Wanted, explain_rows
from scoreline_server.scoring.responses import ResponseEncoder
from scoreline_server.scoring.results import Observe, RowResults, ScoredBatch
from scoreline_server.scoring.route_profiles import ProfileStates
from scoreline_server.scoring.rows import RowBlock, concatenate

_log = structlog.get_logger()
_REASONS = attrgetter("reasons")

Response: TypeAlias = bytes | ScoringError
"""A serialized ScoreResponse, or the error of the whole call."""

Score: TypeAlias = Callable[[Sequence[DecodedRequest], Observe], list[Response]]
"""What ``score`` does; a pipeline is given one."""


def score(requests: Sequence[DecodedRequest], observe: Observe | None = None) -> list[Response]:
    """Scores requests for any routes; the response to each, in order.

    Args:
        requests: any number of requests.
        observe: called with each route's batch once it is scored.
    """
    if len(requests) == 1 or len(groups := _by_route(requests)) == 1:
        return _score_route(requests, observe)
    responses: dict[int, Response] = {}
    for positions in groups.values():
        group = _score_route([requests[at] for at in positions], observe)
        responses.update(zip(positions, group, strict=True))
    return [responses[at] for at in range(len(requests))]


def _score_route(requests: Sequence[DecodedRequest], observe: Observe | None) -> list[Response]:
    """The responses to requests for one route."""
    batch, _ = score_rows(requests)
    responses = ResponseEncoder(batch.route, batch.results, batch.call_ids).encode(batch.requests)
    if observe is not None:
        observe(batch)
    return responses


def score_rows(requests: Sequence[DecodedRequest]) -> tuple[ScoredBatch, Sequence[Known]]:
    """The scored rows of requests for one route, and what each profile of the route says of them."""
    route = requests[0].route
    profile_states: ProfileStates | None = None
    known: Sequence[Known] = ()
    if route.profiles is not None:
        requests, profile_states, known = enrich(requests, route.profiles)
    rows = concatenate([request.rows for request in requests], route.layout)
    extras = sorted({name for request in requests for name in request.extras})
    results = score_block(rows, route, extras)
    if profile_states is not None:
        results.set_profile_states(profile_states)
    if any(map(_REASONS, requests)):
        wanted = [Wanted(each.reasons, each.language) for each in requests for _ in range(len(each.rows))]
        results.explanations = explain_rows(rows, route, results, wanted)
    return ScoredBatch(route, requests, rows, results, new_call_ids(len(requests))), known


def _by_route(requests: Sequence[DecodedRequest]) -> Mapping[int, list[int]]:
    """The positions of the requests for each route; two revisions of one route are two."""
    groups: dict[int, list[int]] = {}
    for at, request in enumerate(requests):
        groups.setdefault(id(request.route), []).append(at)
    return groups


def score_block(block: RowBlock, route: CompiledRoute, extras: Sequence[str] = ()) -> RowResults:
    """Scores every row of one route's block; the results hold the errors of rows that cannot be scored."""
    arms, results = _assigned(block, route)
    score_groups(block, route, _by_model(arms, route), results, extras)
    return results


def score_groups(
    block: RowBlock,
    route: CompiledRoute,
    groups: Sequence[tuple[int, Indices]],
    results: RowResults,
    extras: Sequence[str] = (),
) -> None:
    """Scores groups of rows, each in one run of one arm; rows that have an error already are passed over."""
    for index, rows in groups:
        sound = rows[[row not in results.errors for row in rows.tolist()]] if results.errors else rows
        if len(sound):
            _score_arm(block, route, index, sound, extras, results)


def _assigned(block: RowBlock, route: CompiledRoute) -> tuple[Sequence[int], RowResults]:
    """Assigns each row to an arm. Rows that lack the unit of a split get an error."""
    units, errors = units_of(block, route), dict(block.errors)
    if route.assigner.needs_unit and not all(units):
        for row, unit in enumerate(units):
            if not unit:
                errors.setdefault(row, route.missing_unit_error())
    assignments = route.assigner.assign_many(units, block.contexts or None)
    return assignments[0], RowResults.unscored(assignments, errors=errors)


def _by_model(arms: Sequence[int], route: CompiledRoute) -> list[tuple[int, Indices]]:
    """The rows of each assigned model with one of its arms: arms that mean the same version are run together."""
    first = route.first_arms
    chosen = {first[arm] for arm in set(arms)}
    if len(chosen) == 1:
        return [(chosen.pop(), np.arange(len(arms)))]
    models = np.array(first, np.uint16)[np.array(arms, np.uint16)]
    return [(index, np.flatnonzero(models == index)) for index in chosen]


def units_of(block: RowBlock, route: CompiledRoute) -> Sequence[str]:
    """The unit of each row, which the route's splits hash; empty where the caller did not send it."""
    unit = route.document.unit
    if unit == UNIT_ENTITY:
        return block.ids
    contexts = block.contexts or [{}] * len(block)
    return [unit_of(unit, id_, context) for id_, context in zip(block.ids, contexts, strict=True)]


def _score_arm(
    block: RowBlock, route: CompiledRoute, index: int, rows: Indices, extras: Sequence[str], results: RowResults
) -> None:
    """Scores rows by one arm; where its model fails, by the route's fallback."""
    arm, start = route.arms[index], time.perf_counter()
    bound = arm.binding.bind(block, rows)
    if bound.errors:
        results.errors.update(bound.errors)
        bound = bound.accepted()
    try:
        _run(block, arm, bound, extras, results)
        results.add_run(bound.rows, time.perf_counter() - start, failed=False)
    except Exception as error:  # noqa: BLE001  any exception of ONNX Runtime fails the rows, not the server
        _log.error("model failed", route=route.name, arm=arm.ref, rows=len(bound.rows), error=str(error)[:500])
        results.add_run(bound.rows, time.perf_counter() - start, failed=True)
        if route.fallback is None or route.fallback == index:
            failed = ScoringError(ErrorReason.MODEL_FAILED, f"{arm.ref} failed on these rows", arm=arm.ref)
            results.errors.update(dict.fromkeys(bound.rows.tolist(), failed))
        else:
            results.fall_back(bound.rows, route.fallback)
            _score_arm(block, route, route.fallback, bound.rows, extras, results)


def _run(block: RowBlock, arm: Arm, bound: Bound, extras: Sequence[str], results: RowResults) -> None:
    """Runs the model on its groups of rows and writes scores, extras, data quality, bands and points."""
    own_extras = [name for name in extras if name in arm.model.manifest.score.extras] if extras else extras
    for rows, (scores, *extra_values) in arm.run(block, bound, own_extras):
        results.scores[results.index_of(rows)] = scores
        for name, values in zip(own_extras, extra_values, strict=True):
            results.extras.setdefault(name, []).append((rows, values))
    if bound.quality is not None and bound.quality.any():
        results.set_quality(bound.rows, bound.quality)
    if arm.band_names or arm.points is not None:
        _rate(arm, bound.rows, results)


def _rate(arm: Arm, rows: Indices, results: RowResults) -> None:
    """Writes the bands and points of rows that an arm has scored."""
    scores = results.scores[rows]
    if arm.band_names:
        bands = np.searchsorted(arm.band_edges, scores, side="right") - 1
        results.set_bands(rows, np.where(bands >= 0, results.band_ids(arm.band_names)[bands], NO_BAND))
    if arm.points is not None:
        results.set_points(rows, points_of(scores, arm.points))


def points_of(scores: npt.NDArray[Any], points: Points) -> npt.NDArray[np.float64]:
    """Scorecard points of probabilities, see ``Points`` of the contract. Scores are clipped away from 0 and 1."""
    p = np.clip(scores.astype(np.float64), 1e-9, 1 - 1e-9)
    return points.offset + points.factor * np.log((1 - p) / p)
