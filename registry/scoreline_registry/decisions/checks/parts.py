"""The conditions and amounts of a policy, each with its place: what the checks of a policy go through."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from scoreline_registry.decisions.amounts import Amount
from scoreline_registry.decisions.policy import Policy


class PlacedCondition(NamedTuple):
    """A condition as it is written, and where."""

    place: str
    when: dict[str, Any]


class PlacedAmount(NamedTuple):
    """An amount, and where it is written."""

    place: str
    amount: Amount


def rule_place(strategy: str, rule: str) -> str:
    """Where a rule of a strategy is."""
    return f"strategies.{strategy}: rule {rule!r}"


def conditions_of(policy: Policy) -> Iterator[PlacedCondition]:
    """Every condition of a policy."""
    for name, when in policy.flags.items():
        yield PlacedCondition(f"flags.{name}", when)
    for name, strategy in policy.strategies.items():
        for rule in strategy.rules:
            if rule.when is not None:
                yield PlacedCondition(rule_place(name, rule.name), rule.when)
    for position, split in enumerate(policy.rules, start=1):
        if split.when is not None:
            yield PlacedCondition(f"rules: rule {position}", split.when)
    for limit in policy.limits:
        if limit.when is not None:
            yield PlacedCondition(f"limits: {limit.name!r}", limit.when)


def amounts_of(policy: Policy) -> Iterator[PlacedAmount]:
    """Every amount of a policy."""
    for name, action in policy.actions.items():
        yield PlacedAmount(f"actions.{name}.cost", action.cost)
        yield PlacedAmount(f"actions.{name}.benefit", action.benefit)
    for name, intervention in policy.interventions.items():
        yield PlacedAmount(f"interventions.{name}.cost", intervention.cost)
    if policy.score_value is not None:
        yield PlacedAmount("score_value", policy.score_value)
