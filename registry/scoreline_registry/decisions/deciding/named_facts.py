"""The facts that a policy names: in conditions, amounts, messages and choices of zone and language. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scoreline_registry.decisions.deciding.proposal import UPLIFT
from scoreline_registry.decisions.facts import CONTEXT, SCORE
from scoreline_registry.decisions.learning.effect_beliefs import is_share_of_score
from scoreline_registry.decisions.messages.library import require_library
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts
from scoreline_registry.routing.conditions import tests_of


def named_facts(policy: Policy) -> tuple[str, ...]:
    """The names of the facts that a policy names, each once, sorted."""
    return tuple(sorted({*_in_conditions(policy), *_in_values(policy), *_in_messages(policy), *_chosen_by(policy)}))


def _in_conditions(policy: Policy) -> Iterator[str]:
    cuts = policy.cut_values
    conditions: Iterable[Mapping[str, Any] | None] = [
        *policy.flags.values(),
        *(rule.when for strategy in policy.strategies.values() for rule in strategy.rules),
        *(rule.when for rule in policy.rules),
        *(limit.when for limit in policy.limits),
    ]
    for when in conditions:
        condition = condition_with_cuts(when, cuts)
        yield from (test.key for test in tests_of(condition)) if condition else ()


def _in_values(policy: Policy) -> Iterator[str]:
    for action in policy.actions.values():
        yield from (amount.fact for amount in (action.cost, action.benefit) if amount.fact)
        if is_share_of_score(action):
            yield SCORE
    yield from (UPLIFT + ref for ref in policy.refs)


def _in_messages(policy: Policy) -> Iterator[str]:
    """The facts of placeholders; policies without messages need no template library."""
    if not policy.messages:
        return
    require_library()
    from scoreline_registry.decisions.messages.placeholders import facts_in

    for action, messages in policy.messages.items():
        for template in messages.templates(action):
            yield from facts_in(template.text)


def _chosen_by(policy: Policy) -> Iterator[str]:
    yield from (CONTEXT + each for each in (policy.timezone.context, policy.language.context) if each)
