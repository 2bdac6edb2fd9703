"""Checks the messages of a policy against the facts of its route; imports the template library. Pure."""

from collections.abc import Iterator

from scoreline_registry.decisions.checks.fact_names import DecidedCases, FactKind
from scoreline_registry.decisions.facts import FLAG
from scoreline_registry.decisions.messages import placeholders
from scoreline_registry.decisions.messages.checking import message_problems
from scoreline_registry.decisions.policy import Policy


def message_errors(policy: Policy, cases: DecidedCases) -> Iterator[str]:
    """One line for each message that must be refused."""
    sure = cases.sure | {f"{FLAG}{name}" for name in policy.flags}
    facts = {name: placeholders.KnownFact(_kind(kind), is_sure=name in sure) for name, kind in cases.known.items()}
    yield from message_problems(policy, facts)


def _kind(kind: FactKind) -> placeholders.FactKind:
    return "text" if kind == "category" else kind
