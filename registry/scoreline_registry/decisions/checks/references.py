"""The names that parts of a policy refer to and that it does not have; each error is one line. Pure."""

from collections.abc import Collection, Iterable, Iterator

from scoreline_registry.decisions.actions import ANY_CHANNEL, NO_ACTION
from scoreline_registry.decisions.checks.parts import conditions_of, rule_place
from scoreline_registry.decisions.declared_limits import CoolDownLimit, DeclaredLimit, ExclusiveLimit
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import cut_names
from scoreline_registry.names import hint


def unknown_names(policy: Policy) -> Iterator[str]:
    """One line for each name that a policy refers to and does not have."""
    for name, strategy in policy.strategies.items():
        for rule in strategy.rules:
            yield from _unknown_actions(policy, rule_place(name, rule.name), rule.actions)
        if strategy.explore is not None:
            yield from _unknown_actions(policy, f"strategies.{name}: explore", strategy.explore.among)
    yield from _unknown_strategies(policy)
    for limit in policy.limits:
        yield from _unknown_of_limit(policy, limit)
    for place, when in conditions_of(policy):
        yield from _unknown("cut", place, cut_names(when), policy.cuts)
    yield from _unknown_of_messages(policy)
    for name, intervention in policy.interventions.items():
        yield from _unknown(
            "intervention", f"interventions.{name}: excludes", intervention.excludes, policy.interventions
        )


def _unknown(kind: str, place: str, names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{place}: unknown {kind} {name!r}; {hint(name, known, kind)}"


def _unknown_actions(policy: Policy, place: str, names: Iterable[str]) -> Iterator[str]:
    yield from _unknown("action", place, names, (*policy.actions, NO_ACTION))


def _unknown_strategies(policy: Policy) -> Iterator[str]:
    decides = [(position, each.strategy) for position, rule in enumerate(policy.rules, 1) for each in rule.strategies]
    for position, name in decides:
        yield from _unknown("strategy", f"rules: rule {position}", (name,), policy.strategies)
    yield from _unknown("strategy", "shadows", policy.shadows, policy.strategies)
    used = {name for _, name in decides} | {*policy.shadows}
    for name in policy.strategies:
        if name not in used:
            yield f"strategies.{name}: it decides for no unit: give it a share in `rules` or name it in `shadows`"


def _unknown_of_limit(policy: Policy, limit: DeclaredLimit) -> Iterator[str]:
    place, actions = f"limits: {limit.name!r}", policy.actions.values()
    after = limit.after if isinstance(limit, CoolDownLimit) else ()
    yield from _unknown("action", place, (*limit.actions, *after), policy.actions)
    yield from _unknown("channel", place, limit.channels, policy.channels)
    categories = {action.category for action in actions if action.category}
    yield from _unknown("category", place, limit.categories, categories)
    if isinstance(limit, ExclusiveLimit):
        groups = {action.exclusive for action in actions if action.exclusive}
        yield from _unknown("group", place, limit.groups, groups)


def _unknown_of_messages(policy: Policy) -> Iterator[str]:
    yield from _unknown("action", "messages", policy.messages, policy.actions)
    for name, messages in policy.messages.items():
        if name not in policy.actions:
            continue
        channel = policy.actions[name].channel
        used = {template.channel for template in messages.templates(name)} - {ANY_CHANNEL, channel}
        for other in sorted(used):
            way = (
                f"goes by {channel}: write {channel} or {ANY_CHANNEL}" if channel else f"has none: write {ANY_CHANNEL}"
            )
            yield f"messages.{name}: no message is sent by the channel {other!r}; the action {way}"
