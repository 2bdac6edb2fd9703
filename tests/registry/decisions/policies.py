"""Policies and cases for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scoreline_registry.decisions.deciding.compiled import CompiledPolicy, compile_policy
from scoreline_registry.decisions.deciding.proposal import Case, Proposal
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_planning import next_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec

ACTIONS: Mapping[str, Any] = {
    "block": {"cost": 2, "benefit": {"feature": "amount"}, "effect": {"reduces": 0.6}, "channel": "push"},
    "nudge": {"cost": 0.5, "benefit": 20, "effect": {"reduces": 0.5}, "channel": "email"},
    "offer": {"cost": {"feature": "fee", "times": 0.1}, "benefit": 200, "effect": {"uplift": "uplift@1"}},
    "call": {"cost": 8, "benefit": 100, "effect": {"learned": {"changes": 0.1, "weight": 100}}},
    "review": {},
}
OTHERWISE = {"name": "otherwise", "action": "none"}
CHOOSE = {"name": "best", "choose": ["nudge", "offer"]}


def policy_with(*rules: Mapping[str, Any], explore: Mapping[str, Any] | None = None, **changes: Any) -> Policy:
    """A policy of one strategy with these rules, or of the strategies that are given."""
    strategy = {"rules": list(rules or [CHOOSE]), **({"explore": dict(explore)} if explore else {})}
    written = {
        "policy": "guardian",
        "route": "spending",
        "salt": "test",
        "actions": dict(ACTIONS),
        "strategies": {"usual": strategy},
        **changes,
    }
    return next_policy(PolicySpec.model_validate(written), before=None)


def compiled(*rules: Mapping[str, Any], explore: Mapping[str, Any] | None = None, **changes: Any) -> CompiledPolicy:
    """The policy of ``policy_with``, compiled."""
    return compile_policy(policy_with(*rules, explore=explore, **changes))


def at(text: str) -> int:
    """An ISO 8601 time, UTC without an offset, in nanoseconds since 1970."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


NOON = at("2026-11-18T12:00")
FACTS: Mapping[str, Any] = {
    "score": 0.5,
    "feature.amount": 100.0,
    "feature.fee": 30.0,
    "uplift.uplift@1": 0.05,
}


def case(unit: str = "u1", decision_id: str = "", time_ns: int = NOON, channel: str = "", **facts: Any) -> Case:
    """A case with the usual facts, but for those given with ``__`` for the dot; None leaves one out."""
    named = {name.replace("__", "."): value for name, value in facts.items()}
    return Case(decision_id or f"{unit}-0", unit, {**FACTS, **named}, time_ns, channel)


def proposed(policy: CompiledPolicy, one: Case | None = None, *, trace: bool = False) -> Proposal:
    """What a policy proposes for one case."""
    return policy.propose([one or case()], trace=trace)[0]
