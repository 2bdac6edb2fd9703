"""Validates the sections of a route against its rules, its schema and each other; each error is one line. Pure."""

import difflib
from collections.abc import Iterable, Iterator

from scoreline_registry.names import ModelRef
from scoreline_registry.routing.bucketing import WHOLE, percent_of
from scoreline_registry.routing.experiment import FACT_FEATURE, Experiment
from scoreline_registry.routing.ramp import Ramp
from scoreline_registry.routing.ramping import grows_in, growth_errors
from scoreline_registry.routing.route import RouteDocument


def section_errors(document: RouteDocument) -> list[str]:
    """The errors for which a route as written must be refused; empty when its sections fit together."""
    return [*_experiment_errors(document), *_ramp_errors(document), *_allocation_errors(document)]


def section_warnings(document: RouteDocument) -> list[str]:
    """What is allowed and likely to be a mistake."""
    ramp, warnings = document.ramp, list[str]()
    if ramp is not None and ModelRef.parse(ramp.arm).version is None:
        warnings.append(f"ramp: {ramp.arm} is an alias, which may move while the ramp runs: name a version")
    if ramp is not None and not ramp.guards.limits and not ramp.guards.outcome:
        warnings.append("ramp: it has no guards, so nothing but time decides")
    return warnings


def _experiment_errors(document: RouteDocument) -> Iterator[str]:
    experiment = document.experiment
    if experiment is None:
        return
    covariate = experiment.covariate
    yield from _fact_errors("experiment", document, [*experiment.segments, *([covariate] if covariate else [])])
    if covariate and document.input_schema.kinds.get(covariate.removeprefix(FACT_FEATURE)) == "category":
        yield f"experiment: covariate: {covariate} is a category; a covariate is a number"
    kept = document.outcome_days
    if experiment.maturity_days > kept:
        days = f"maturity_days {experiment.maturity_days} is above the {kept} days for which rows are kept"
        yield f"experiment: {days}: raise `outcomes: {{keep_days: ...}}`"


def _ramp_errors(document: RouteDocument) -> Iterator[str]:
    ramp = document.ramp
    if ramp is None:
        return
    if document.allocate is not None:
        yield "ramp: both `ramp` and `allocate` would set the weights: leave one of them out"
    yield from _arm_errors(document, ramp)
    yield from _outcome_guard_errors(ramp)
    yield from _metric_errors("ramp.guards.outcome", ramp.guards.outcome, document.experiment)
    guards = [*ramp.guards.limits.values(), *ramp.guards.outcome.values()]
    yield from _fact_errors("ramp.guards", document, dict.fromkeys(guard.by for guard in guards if guard.by))
    if document.ramp_state is None:
        yield from (f"ramp: {error}" for error in growth_errors(document))


def _outcome_guard_errors(ramp: Ramp) -> Iterator[str]:
    for metric, limit in ramp.guards.outcome.items():
        if limit.by or limit.against != "limit":
            yield f"ramp.guards.outcome: {metric} compares the arms over all rows anyway: leave out `by` and `against`"


def _arm_errors(document: RouteDocument, ramp: Ramp) -> Iterator[str]:
    arm, rules = ramp.arm, document.rules
    if not any(arm in [each.ref for each in rule.arms] for rule in rules):
        yield f"ramp: no rule lists {arm}: add it to a `split` with the weight 0{_hint(arm, document.arms)}"
    elif not any(grows_in(rule, arm) for rule in rules):
        yield f"ramp: {arm} cannot grow: it is the only arm of every rule that lists it"
    if document.holdout_millionths and rules[-1].arms[0].ref == arm:
        yield f"ramp: {arm} is the arm of the holdout, which stays out of the ramp: list another arm first"


def _allocation_errors(document: RouteDocument) -> Iterator[str]:
    allocate = document.allocate
    if allocate is None:
        return
    yield from _metric_errors("allocate.metric", [allocate.metric], document.experiment)
    count = len(document.rules[-1].arms)
    if count < 2:
        yield "allocate: the last rule has only one arm: list at least two"
    elif allocate.floor_millionths * count > WHOLE:
        floor = percent_of(allocate.floor_millionths)
        yield f"allocate: a floor of {floor} % for each of {count} arms is more than 100 %"


def _metric_errors(place: str, metrics: Iterable[str], experiment: Experiment | None) -> Iterator[str]:
    for metric in metrics:
        if experiment is None:
            yield f"{place}: {metric!r} is a metric of the section `experiment`, which the route lacks"
        elif metric not in experiment.metrics:
            known = ", ".join(experiment.metrics)
            yield f"{place}: unknown metric {metric!r}; the metrics of the experiment are {known}"


def _fact_errors(place: str, document: RouteDocument, facts: Iterable[str]) -> Iterator[str]:
    """The features that the route's schema lacks."""
    kinds = document.input_schema.kinds
    for fact in facts:
        name = fact.removeprefix(FACT_FEATURE)
        if fact.startswith(FACT_FEATURE) and name not in kinds:
            yield f"{place}: {fact}: the route's schema has no feature {name!r}{_hint(name, kinds)}"


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
