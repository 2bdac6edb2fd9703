"""Validates a policy by itself, without the route that it decides for; each error is one line. Pure.

``route_validation`` has the checks against the route, ``references`` those of names.
"""

import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from scoreline_registry.decisions.actions import Action
from scoreline_registry.decisions.amounts import ZERO
from scoreline_registry.decisions.checks.parts import conditions_of, rule_place
from scoreline_registry.decisions.checks.reachability import unreached_rules
from scoreline_registry.decisions.checks.references import unknown_names
from scoreline_registry.decisions.cuts import AdaptiveCut, CostCut
from scoreline_registry.decisions.declared_limits import (
    BudgetLimit,
    DeclaredLimit,
    ExclusiveLimit,
    QuietHoursLimit,
)
from scoreline_registry.decisions.facts import BUILT_IN_FLAGS, FLAG
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts, cut_names, cut_tests
from scoreline_registry.decisions.strategies import Strategy
from scoreline_registry.names import hint
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.conditions import tests_of


def own_errors(policy: Policy) -> list[str]:
    """Every error for which a policy must be refused, whatever its route is; unknown names go before all others."""
    unknown = list(unknown_names(policy))
    if unknown:
        return unknown
    checks = (
        _zone_errors,
        _action_errors,
        _cut_errors,
        _cut_use_errors,
        _flag_errors,
        unreached_rules,
        _choice_errors,
        _learning_errors,
        _limit_errors,
        _exclusion_errors,
    )
    return [error for check in checks for error in check(policy)]


def own_warnings(policy: Policy) -> list[str]:
    """What is allowed and likely to be a mistake."""
    warnings = []
    if not policy.control_millionths and _learned(policy):
        warnings.append("effects are learned against the control, and `control` is 0: they stay as they start")
    if policy.control_millionths == WHOLE:
        warnings.append("control: 100: no unit ever gets an action")
    groups = {group for limit in policy.limits if isinstance(limit, ExclusiveLimit) for group in limit.groups}
    warnings += [
        f"actions.{name}: no limit of the kind exclusive names the group {action.exclusive!r}, so it changes nothing"
        for name, action in policy.actions.items()
        if action.exclusive and action.exclusive not in groups
    ]
    named = {action for strategy in policy.strategies.values() for action in strategy.actions}
    warnings += [f"actions.{name}: no rule names it" for name in policy.actions if name not in named]
    return warnings


def _zone_errors(policy: Policy) -> Iterator[str]:
    name = policy.timezone.default
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        yield f"timezone: unknown time zone {name!r}; {hint(name, known, 'time zone')}"


def _action_errors(policy: Policy) -> Iterator[str]:
    for name, action in policy.actions.items():
        if action.cost.fact is None and action.cost.plus < 0:
            yield f"actions.{name}.cost: {action.cost.plus:g} is negative: write what it brings as its `benefit`"


def _cut_errors(policy: Policy) -> Iterator[str]:
    for name, cut in policy.cuts.items():
        if isinstance(cut, AdaptiveCut):
            yield from (f"cuts.{name}: {error}" for error in _adaptive_errors(cut))


def _adaptive_errors(cut: AdaptiveCut) -> Iterator[str]:
    if cut.lowest is not None and cut.highest is not None and cut.lowest > cut.highest:
        yield f"lowest {cut.lowest:g} is above highest {cut.highest:g}"
    elif cut.bounded(cut.start) != cut.start:
        yield f"start {cut.start:g} is not between lowest and highest"
    if isinstance(cut, CostCut):
        if not cut.false_positive and not cut.false_negative:
            yield "false_positive and false_negative both cost 0: every cut is as good"
        if cut.matured_seconds >= cut.window_seconds:
            yield "no case is old enough: the window must be longer than `matured`"


def _cut_use_errors(policy: Policy) -> Iterator[str]:
    """Tests of another fact than the one whose values a cut was found among."""
    for place, when in conditions_of(policy):
        for fact, name in cut_tests(when):
            cut = policy.cuts.get(name)
            if isinstance(cut, AdaptiveCut) and cut.of != fact:
                yield f"{place}: the cut {name!r} is one of {cut.of}, and it is compared with {fact}"


def _flag_errors(policy: Policy) -> Iterator[str]:
    """Flags that depend on flags of the policy: these are computed together."""
    for name, when in policy.flags.items():
        values = dict.fromkeys(cut_names(when), 0.0)
        condition = condition_with_cuts(when, values)
        for test in tests_of(condition) if condition is not None else ():
            flag = test.key.removeprefix(FLAG)
            if flag != test.key and flag not in BUILT_IN_FLAGS:
                yield f"flags.{name}: it depends on the flag {flag!r}: write that condition here"


def _choice_errors(policy: Policy) -> Iterator[str]:
    """Rules that choose by expected value among actions that have none, and exploration of what no rule chooses."""
    for name, strategy in policy.strategies.items():
        for rule in strategy.rules:
            for action in rule.choose if not rule.always else ():
                why = _why_never_chosen(policy.actions.get(action))
                if why:
                    yield f"{rule_place(name, rule.name)} never chooses {action!r}: {why}"
        yield from (f"strategies.{name}: explore: {error}" for error in _exploration_errors(policy, strategy))


def _why_never_chosen(action: Action | None) -> str:
    if action is None:
        return ""
    if action.effect is None:
        return "it has no `effect`, so no expected value; write `action:` to take it without"
    return "its `benefit` is 0, so its expected value is never above that of none" if action.benefit == ZERO else ""


def _exploration_errors(policy: Policy, strategy: Strategy) -> Iterator[str]:
    if strategy.explore is None:
        return
    chosen = dict.fromkeys(action for rule in strategy.rules for action in rule.choose)
    explored = [name for name in strategy.explore.among if name in policy.actions]
    for name in explored:
        if name not in chosen:
            yield f"no rule of the strategy has {name!r} to choose from"
    if strategy.explore.by == "thompson" and not {*explored} & {*_learned(policy)}:
        yield f"thompson needs an effect that is learned; {_listed(explored)} have none"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) or "these actions"


def _learned(policy: Policy) -> list[str]:
    """The actions whose effect is learned."""
    return [name for name, action in policy.actions.items() if action.effect is not None and action.effect.learned]


def _learning_errors(policy: Policy) -> Iterator[str]:
    if policy.learning is not None:
        return
    sampled = [name for name, messages in policy.messages.items() if messages.by == "thompson"]
    example = "learning: {outcome: accepted, matured: 7d}"
    for place in (*(f"actions.{name}.effect" for name in _learned(policy)), *(f"messages.{name}" for name in sampled)):
        yield f"{place}: say from which outcome it is learned: write {example}"


def _limit_errors(policy: Policy) -> Iterator[str]:
    for limit in policy.limits:
        yield from (f"limits: {limit.name!r}: {error}" for error in _errors_of_limit(limit, policy.actions))


def _errors_of_limit(limit: DeclaredLimit, actions: Mapping[str, Action]) -> Iterator[str]:
    covered = limit.covered(actions)
    if not covered:
        yield "it covers no action: none fits its actions, channels and categories"
    elif isinstance(limit, ExclusiveLimit) and len(covered) == 1:
        yield f"{covered[0]!r} cannot exclude itself: name two actions or more"
    if isinstance(limit, QuietHoursLimit) and limit.from_minute == limit.to_minute:
        yield "its hours begin and end at the same time, so no time is quiet"
    if isinstance(limit, BudgetLimit):
        for name in covered:
            cost = actions[name].cost
            if cost.fact is None and cost.plus > limit.at_most:
                yield f"{name!r} costs {cost.plus:g}, more than the whole budget of {limit.at_most:g}"


def _exclusion_errors(policy: Policy) -> Iterator[str]:
    """Interventions that exclude themselves, or each other in a circle: a pair is written once and holds both ways."""
    excluded = {name: intervention.excludes for name, intervention in policy.interventions.items()}
    for name, others in excluded.items():
        if name in others:
            yield f"interventions.{name}: it excludes itself"
    try:
        TopologicalSorter({name: {*others} - {name} for name, others in excluded.items()}).prepare()
    except CycleError as error:
        yield (
            f"interventions: circular exclusion {' -> '.join(reversed(error.args[1]))}: an exclusion holds both ways, "
            "so write each pair once, at the first of the two"
        )
