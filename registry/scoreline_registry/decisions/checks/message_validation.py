"""Checks the messages of a policy against the facts of its route; imports the template library. Pure."""

from collections.abc import Iterator

from scoreline_registry.decisions.checks.fact_names import DecidedCases, FactKind
from scoreline_registry.decisions.facts import FLAG
from scoreline_registry.decisions.messages import placeholders
from scoreline_registry.decisions.messages.checking import message_problems
from scoreline_registry.decisions.messages.languages import best_language, normal_tag
from scoreline_registry.decisions.policy import Policy


def message_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    """One line for each message that must be refused."""
    sure = cases.sure | {f"{FLAG}{name}" for name in policy.flags}
    facts = {name: placeholders.KnownFact(_kind(kind), is_sure=name in sure) for name, kind in cases.known.items()}
    yield from message_problems(policy, facts)
    yield from _language_errors(policy)


def _language_errors(policy: Policy) -> Iterator[str]:
    """Messages that are not there in the policy's default language, which every case can fall back to."""
    default = policy.language.default
    for name, messages in policy.messages.items():
        channel = policy.actions[name].channel if name in policy.actions else None
        for variant in messages.variants:
            tags = {normal_tag(tag) for tag in variant.texts if variant.text(tag, channel) is not None}
            if best_language(tags, default) is None:
                place = f"messages.{name}.{variant.name}" if variant.name else f"messages.{name}"
                yield f"{place}: there is no text in the policy's default language {default!r}"


def _kind(kind: FactKind) -> placeholders.FactKind:
    return "text" if kind == "category" else kind
