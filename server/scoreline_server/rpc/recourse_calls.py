"""Handler of Recourse: finds the cheapest changes that bring entities to a target. It journals nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scoreline.v1 import decisions_pb2 as pb
from scoreline_registry.documents.actionability import Actionability
from scoreline_registry.names import hint
from scoreline_registry.recourse.problem import RecourseRules
from scoreline_registry.recourse.search import SEARCH
from scoreline_registry.recourse.target import Target, band_target
from scoreline_registry.recourse.tree_engine import LIBRARY
from scoreline_server.decisions.changed_rows import ServedRow
from scoreline_server.decisions.recourse import RecourseFound, most_rows, recourse
from scoreline_server.decisions.recourse_rules import RuleCache
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.authority import Action
from scoreline_server.rpc.changed_row_calls import (
    Searches,
    band_of,
    change_messages,
    check_deadline,
    count_of,
    scored_entities,
    served_row,
)
from scoreline_server.rpc.methods import Arrival, ScoringMethod
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_route import Arm, CompiledRoute
from scoreline_server.scoring.responses import ResponseEncoder, entity_error

MOST_ENTITIES = 64
MOST_WAYS = 10
_DEFAULT_WAYS = 3
_DEFAULT_CHANGES = 4

_STATES = {
    "found": pb.RECOURSE_STATE_FOUND,
    "reached": pb.RECOURSE_STATE_REACHED,
    "impossible": pb.RECOURSE_STATE_IMPOSSIBLE,
    "not_found": pb.RECOURSE_STATE_NOT_FOUND,
}
_ENGINES = (SEARCH, LIBRARY)


@dataclass(frozen=True, slots=True)
class _Sought:
    """What a request asks for, with its route and what its policy says of inputs."""

    request: pb.RecourseRequest
    route: CompiledRoute
    overrides: Mapping[str, Actionability]


class RecourseCalls:
    """Answers Recourse."""

    def __init__(self, searches: Searches, rules: RuleCache) -> None:
        self._searches, self._rules = searches, rules

    def methods(self) -> list[ScoringMethod]:
        """The rows of the method table."""
        path = "/scoreline.v1.DecisionService/Recourse"
        return [ScoringMethod(path, pb.RecourseRequest, Action.DECIDE, self.recourse)]

    def recourse(self, request: pb.RecourseRequest, catalog: Catalog, arrival: Arrival) -> pb.RecourseResponse:
        """Finds ways for each entity of a call."""
        sought = _sought(request, catalog)
        count = count_of(request, MOST_ENTITIES)
        _check(request, sought.route)
        seconds = count * _seconds(sought.route)
        with self._searches.admitted(seconds, arrival):
            scored = scored_entities(sought.route, request, (), arrival)
            batch = scored.batch
            encoder = ResponseEncoder(sought.route, batch.results, batch.call_ids)
            response = pb.RecourseResponse(revision=sought.route.revision)
            for row in range(len(batch.rows)):
                check_deadline(arrival)
                try:
                    if row in batch.results.errors:
                        raise batch.results.errors[row]
                    found = self._found(served_row(scored, row), sought)
                except CallError as error:
                    if count == 1:
                        raise
                    response.results.add(error=entity_error(row, error))
                    continue
                found.score.CopyFrom(encoder.entity_score(row, ""))
                response.results.append(found)
            return response

    def _found(self, row: ServedRow, sought: _Sought) -> pb.RecourseResult:
        request = sought.request
        rules = self._rules.of(row.arm.model, sought.overrides)
        _check_rules(rules, row.arm)
        score = float(row.scores(row.features[None])[0])
        next_arm = next_version(row.arm, sought.route)
        found = recourse(
            row,
            rules,
            _target(request, row.arm, score),
            most=request.most or _DEFAULT_WAYS,
            most_changes=request.most_changes or _DEFAULT_CHANGES,
            kept=request.fixed,
            engine=self._rules.engine(row.arm.model, request.engine),
            next_arm=next_arm,
            next_target=None if next_arm is None else _next_target(request, next_arm, row.arm, score),
        )
        return _result(found, row)


def _sought(request: pb.RecourseRequest, catalog: Catalog) -> _Sought:
    if bool(request.policy) == bool(request.route):
        raise _invalid("policy", "name a policy, or a route to have the limits of its models' contracts")
    if request.route:
        return _Sought(request, catalog.route(request.route), {})
    policy = catalog.policy(request.policy)
    return _Sought(request, policy.route, policy.compiled.policy.recourse)


def _check(request: pb.RecourseRequest, route: CompiledRoute) -> None:
    """Raises CallError for what no call may ask for."""
    if not 0 <= request.most <= MOST_WAYS:
        raise _invalid("most", f"most is a number from 1 to {MOST_WAYS}, not {request.most}")
    if request.most_changes < 0:
        raise _invalid("most_changes", f"most_changes is a number of at least 1, not {request.most_changes}")
    if request.engine and request.engine not in _ENGINES:
        raise _invalid("engine", f"unknown engine {request.engine!r}; {hint(request.engine, _ENGINES, 'engine')}")
    for name in request.fixed:
        if name not in route.layout.features:
            known = hint(name, route.layout.features, "feature")
            raise _invalid("fixed", f"route {route.name} has no feature {name!r}; {known}")
    kind = request.WhichOneof("target")
    if kind is None:
        raise _invalid("target", "say what to reach: band, at_most or at_least")
    if kind != "band" and not math.isfinite(getattr(request, kind)):
        raise _invalid(kind, f"{kind} is a finite number")


def _check_rules(rules: RecourseRules, arm: Arm) -> None:
    if not rules.rules:
        raise CallError(
            ErrorReason.NOTHING_TO_CHANGE,
            f"{arm.ref}: no input is declared as one that may change; say so by `recourse` of the policy or contract",
            arm=arm.ref,
        )


def _target(request: pb.RecourseRequest, arm: Arm, score: float) -> Target | None:
    """What a row with a score has to reach by the bands of an arm; None where it is in the band."""
    contract = arm.model.manifest.score
    is_probability = contract.kind == "probability"
    kind = request.WhichOneof("target")
    if kind == "at_least":
        return Target(at_least=request.at_least, is_probability=is_probability)
    if kind == "at_most":
        above = math.nextafter(request.at_most, math.inf)
        return Target(below=above, is_probability=is_probability)
    try:
        return band_target(contract.bands, request.band, score, is_probability=is_probability)
    except ValueError as error:
        raise _invalid("band", f"{arm.ref}: {error}") from error


def _next_target(request: pb.RecourseRequest, following: Arm, arm: Arm, score: float) -> Target | None:
    """The same target by the bands of the next version; None for that of the present one, where it has no such band."""
    names = following.band_names
    if request.WhichOneof("target") != "band" or request.band not in names:
        return None
    target = _target(request, arm, score)
    if target is None:
        return None
    edges = following.band_edges.tolist()
    place = names.index(request.band)
    is_probability = following.model.manifest.score.kind == "probability"
    if target.at_least is not None:
        return Target(at_least=edges[place], is_probability=is_probability)
    return Target(below=edges[place + 1], is_probability=is_probability) if place + 1 < len(edges) else None


def next_version(arm: Arm, route: CompiledRoute) -> Arm | None:
    """The model that may follow an arm's: a newer version of it that the route ramps up or shadows, or its shadow."""
    own = arm.model
    arms = [each for each in route.arms if each.model.name == own.name and each.model.version > own.version]
    shadows = [Arm.of(shadow.ref, shadow.model, route.layout) for shadow in route.shadows]
    newer = [each for each in shadows if each.model.name == own.name and each.model.version > own.version]
    found = [*sorted([*arms, *newer], key=lambda each: -each.model.version), *shadows]
    return found[0] if found else None


def _seconds(route: CompiledRoute) -> float:
    """The estimated time of one entity."""
    return max(arm.model.row_microseconds / 1e6 * most_rows(arm.model) for arm in route.arms) / 6


def _invalid(field: str, problem: str) -> CallError:
    return CallError(ErrorReason.INVALID, problem, field=field)


def _result(found: RecourseFound, row: ServedRow) -> pb.RecourseResult:
    result = pb.RecourseResult(
        state=_STATES[found.state], exact=found.is_exact, engine=found.engine, scored_rows=found.rows_scored
    )
    for way in found.ways:
        result.ways.add(
            changes=change_messages(way.changes),
            cost=way.cost,
            score=way.score,
            band=band_of(row.arm, way.score),
            holds_for_next_version=way.holds_next,
        )
    return result
