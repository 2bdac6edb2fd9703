"""Handler of WhatIf: compares interventions for entities. It journals nothing and takes no limit."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import comb

from pydantic import ValidationError

from scoreline.v1 import decisions_pb2 as pb
from scoreline_registry.decisions.amounts import LARGEST_AMOUNT, Amount
from scoreline_registry.decisions.interventions import MAX_INTERVENTIONS, InputChange, Intervention
from scoreline_registry.decisions.what_if import MOST_TOGETHER
from scoreline_registry.names import hint
from scoreline_registry.recourse.derived import DerivedInput
from scoreline_server.decisions.changed_rows import ServedRow
from scoreline_server.decisions.recourse_rules import RuleCache
from scoreline_server.decisions.what_if import Compared, JudgedPath, Wanted, WhatIf, most_sets, what_if
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.authority import Action
from scoreline_server.rpc.changed_row_calls import (
    Searches,
    band_of,
    change_messages,
    check_deadline,
    count_of,
    fact_of,
    other_versions,
    scored_entities,
    served_row,
)
from scoreline_server.rpc.methods import Arrival, ScoringMethod
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_route import CompiledRoute
from scoreline_server.scoring.facts import FactReader
from scoreline_server.scoring.responses import ResponseEncoder, entity_error
from scoreline_server.scoring.served_policy import ServedPolicy

MOST_ENTITIES = 256
MOST_SCENARIOS = 100
_DEFAULT_TOGETHER = 5
_ENTITY_SECONDS = 1e-3


class WhatIfCalls:
    """Answers WhatIf."""

    def __init__(self, searches: Searches, rules: RuleCache) -> None:
        self._searches, self._rules = searches, rules

    def methods(self) -> list[ScoringMethod]:
        """The rows of the method table."""
        return [ScoringMethod("/scoreline.v1.DecisionService/WhatIf", pb.WhatIfRequest, Action.DECIDE, self.what_if)]

    def what_if(self, request: pb.WhatIfRequest, catalog: Catalog, arrival: Arrival) -> pb.WhatIfResponse:
        """Compares the interventions of a policy, and others, for each entity of a call."""
        policy = catalog.policy(request.policy)
        count = count_of(request, MOST_ENTITIES)
        wanted = _wanted(request, policy)
        worth = _worth(request, policy)
        amounts = [each.cost for each in wanted.interventions.values()] + ([worth] if worth is not None else [])
        reader = FactReader(sorted({each.fact for each in amounts if each.fact is not None}), policy.route)
        with self._searches.admitted(count * _seconds(policy.route, wanted), arrival):
            scored = scored_entities(policy.route, request, reader.extras, arrival)
            batch = scored.batch
            encoder = ResponseEncoder(policy.route, batch.results, batch.call_ids)
            response = pb.WhatIfResponse(revision=policy.revision)
            for row, facts in enumerate(reader.read(scored)):
                check_deadline(arrival)
                if row in batch.results.errors:
                    response.results.add(error=entity_error(row, batch.results.errors[row]))
                    continue
                served = served_row(scored, row)
                found = what_if(
                    served,
                    wanted,
                    facts,
                    worth=_signed(None if worth is None else worth.of(facts), request),
                    derived=self._derived(served, policy),
                    versions=other_versions(served.arm.model, policy.route, catalog) if wanted.path else (),
                )
                response.results.append(_result(found, served))
                response.results[row].score.CopyFrom(encoder.entity_score(row, ""))
            return response

    def _derived(self, row: ServedRow, policy: ServedPolicy) -> Sequence[DerivedInput]:
        return self._rules.of(row.arm.model, policy.compiled.policy.recourse).derived


def _seconds(route: CompiledRoute, wanted: Wanted) -> float:
    """The estimated time of one entity."""
    names = len(wanted.interventions)
    sets = sum(comb(names, size) for size in range(wanted.most + 1))
    scored = max(arm.model.row_microseconds / 1e6 * min(sets, most_sets(arm)) for arm in route.arms)
    return _ENTITY_SECONDS + scored / 4


def _wanted(request: pb.WhatIfRequest, policy: ServedPolicy) -> Wanted:
    """What a request compares. Raises CallError where it names what is not there."""
    declared = policy.compiled.policy.interventions
    ad_hoc = dict(_intervention(each) for each in request.ad_hoc)
    if len(ad_hoc) < len(request.ad_hoc) or ad_hoc.keys() & declared.keys():
        names = [each.name for each in request.ad_hoc]
        twice = next(name for name in names if names.count(name) > 1 or name in declared)
        raise _invalid("ad_hoc", f"duplicate intervention {twice!r}: choose another name")
    every = {**declared, **ad_hoc}
    chosen = [*(request.interventions or ([] if ad_hoc else declared)), *ad_hoc]
    if len(request.scenarios) > MOST_SCENARIOS:
        raise _invalid("scenarios", f"{len(request.scenarios)} scenarios; send at most {MOST_SCENARIOS}")
    scenarios = [tuple(each.interventions) for each in request.scenarios]
    for name in (*chosen, *(name for each in scenarios for name in each)):
        if name not in every:
            raise _invalid("interventions", f"unknown intervention {name!r}; {hint(name, every, 'intervention')}")
    named = {*chosen, *(name for each in scenarios for name in each)}
    if not named:
        raise _invalid("interventions", f"policy {policy.name} declares no interventions: send some as ad_hoc")
    if len(named) > MAX_INTERVENTIONS:
        raise _invalid("interventions", f"{len(named)} interventions; send at most {MAX_INTERVENTIONS}")
    _check_inputs((each for name, each in every.items() if name in named), policy.route)
    if not 0 <= request.most <= MOST_TOGETHER:
        raise _invalid("most", f"most is a number from 1 to {MOST_TOGETHER}, not {request.most}")
    if request.HasField("budget") and not request.budget >= 0:
        raise _invalid("budget", "budget is a number of at least 0")
    rises = {pb.SCORE_GOAL_LOWER: False, pb.SCORE_GOAL_HIGHER: True}.get(request.goal)
    interventions = {name: every[name] for name in every if name in named}
    return Wanted(
        {name: _within(each, interventions) for name, each in interventions.items()},
        scenarios,
        budget=request.budget if request.HasField("budget") else None,
        most=min(request.most or _DEFAULT_TOGETHER, len(interventions)),
        path=request.path,
        rises=rises,
    )


def _within(intervention: Intervention, others: Iterable[str]) -> Intervention:
    """An intervention that excludes only those that are compared."""
    return intervention.model_copy(update={"excludes": tuple(name for name in intervention.excludes if name in others)})


def _intervention(message: pb.Intervention) -> tuple[str, Intervention]:
    if not message.name:
        raise _invalid("ad_hoc", "an intervention has a name")
    if message.cost < 0:
        raise _invalid("ad_hoc", f"intervention {message.name!r}: cost is {message.cost:g}: a cost is not negative")
    changes = []
    for each in message.changes:
        by = each.WhichOneof("change")
        value = fact_of(each.set) if by == "set" else getattr(each, by) if by else None
        if isinstance(value, bool):
            value = float(value)
        changes.append({"feature": each.feature, "by": by, "value": value})
    try:
        made = [InputChange.model_validate(each) for each in changes]
        return message.name, Intervention(
            changes=tuple(made), cost=Amount(plus=message.cost), excludes=tuple(message.excludes)
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _invalid("ad_hoc", f"intervention {message.name!r}: {where} {first['msg']}".strip()) from error


def _check_inputs(interventions: Iterable[Intervention], route: CompiledRoute) -> None:
    """Raises CallError where an intervention changes what the route does not take."""
    kinds = route.layout.features
    for change in (change for each in interventions for change in each.changes):
        kind = kinds.get(change.feature)
        if kind is None:
            known = hint(change.feature, kinds, "feature")
            raise _invalid("interventions", f"route {route.name} has no feature {change.feature!r}; {known}")
        if (kind == "category") != isinstance(change.value, str):
            wanted = "set it to a text" if kind == "category" else "write a number"
            raise _invalid("interventions", f"feature {change.feature!r} is a {kind}: {wanted}")


def _worth(request: pb.WhatIfRequest, policy: ServedPolicy) -> Amount | None:
    """The value of a score of 1 against one of 0."""
    if not request.HasField("benefit"):
        return policy.compiled.policy.score_value
    if not abs(request.benefit) <= LARGEST_AMOUNT:
        raise _invalid("benefit", f"benefit is a number within {LARGEST_AMOUNT:g}")
    return Amount(plus=request.benefit)


def _signed(worth: float | None, request: pb.WhatIfRequest) -> float | None:
    """The value with the sign of what the request wants."""
    if worth is None or request.goal == pb.SCORE_GOAL_UNSPECIFIED:
        return worth
    return abs(worth) if request.goal == pb.SCORE_GOAL_HIGHER else -abs(worth)


def _invalid(field: str, problem: str) -> CallError:
    return CallError(ErrorReason.INVALID, problem, field=field)


def _result(found: WhatIf, row: ServedRow) -> pb.WhatIfResult:
    def scenario(compared: Compared) -> pb.Scenario:
        return _scenario(compared, found.before, row)

    return pb.WhatIfResult(
        scenarios=[scenario(each) for each in found.scenarios],
        best_single=None if found.best_single is None else scenario(found.best_single),
        best_set=None if found.best_set is None else scenario(found.best_set),
        path=None if found.path is None else _path(found.path),
        exact=found.is_exact,
        gap=found.gap,
    )


def _scenario(compared: Compared, before: float, row: ServedRow) -> pb.Scenario:
    found = compared.valued
    if compared.problem:
        return pb.Scenario(interventions=found.names, problem=compared.problem)
    return pb.Scenario(
        interventions=found.names,
        score_before=before,
        score_after=found.score,
        band_before=band_of(row.arm, before),
        band_after=band_of(row.arm, found.score),
        cost=found.cost,
        benefit=found.benefit,
        net_value=found.net_value,
        benefit_cost_ratio=found.benefit_cost_ratio,
        changes=change_messages(compared.changes),
    )


def _path(path: JudgedPath) -> pb.InterventionPath:
    message = pb.InterventionPath(
        cost=path.steps[-1].cost,
        net_value=path.steps[-1].net_value,
        confidence=path.confidence,
        judges=path.judges,
        judge_count=path.judge_count,
    )
    before = replace(path.steps[0], names=(), cost=0.0, benefit=0.0)
    for step, agreement in zip(path.steps, path.agreements, strict=True):
        message.steps.add(
            intervention=next(name for name in step.names if name not in before.names),
            score_after=step.score,
            cost=step.cost - before.cost,
            net_value=step.net_value - before.net_value,
            confidence=agreement.confidence,
            lowest_score=agreement.lowest,
            highest_score=agreement.highest,
        )
        before = step
    return message
