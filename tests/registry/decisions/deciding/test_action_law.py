"""The probabilities of actions are the frequencies with which a policy takes them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from scoreline_registry.decisions.deciding.action_law import ActionLaw, costs_of
from scoreline_registry.decisions.deciding.compiled import compile_policy
from scoreline_registry.decisions.policy import Policy
from tests.registry.decisions.policies import OTHERWISE, case, policy_with

STRATEGIES: Mapping[str, Any] = {
    "strict": {
        "rules": [{"name": "high", "when": {"score": {"gte": 0.4}}, "action": "block"}, OTHERWISE],
    },
    "gentle": {
        "rules": [{"name": "best", "choose": ["nudge", "offer", "call"]}],
        "explore": {"by": "thompson", "among": ["nudge", "offer"], "floor": 0.1},
    },
    "open": {
        "rules": [{"name": "best", "choose": ["nudge", "offer"], "always": True}],
        "explore": {"by": "uniform", "among": ["nudge", "offer"], "share": 0.3},
    },
}
RULES = [
    {"when": {"context.country": {"eq": "DE"}}, "split": {"strict": 100}},
    {"split": {"strict": 50, "gentle": 30, "open": 20}},
]


def split_policy(control: float = 20) -> Policy:
    return policy_with(strategies=STRATEGIES, rules=RULES, control=control)


def taken(policy: Policy, count: int, refused: frozenset[str] = frozenset(), **facts: Any) -> Counter[str]:
    """What units get, one decision each."""
    cases = [case(unit=f"u{unit}", **facts) for unit in range(count)]
    found: Counter[str] = Counter()
    for proposal in compile_policy(policy).propose(cases):
        wanted = [candidate.action for candidate in proposal.wanted if candidate.action not in refused]
        found[wanted[0] if wanted else "none"] += 1
    return found


@pytest.mark.parametrize("refused", [frozenset[str](), frozenset({"nudge"}), frozenset({"block", "nudge", "offer"})])
def test_probabilities_are_the_frequencies_of_actions(refused: frozenset[str]) -> None:
    policy = split_policy()
    law = ActionLaw(policy).probabilities([case()], [refused])
    found = taken(policy, 6_000, refused)
    assert law.actions == ("none", "block", "nudge", "offer", "call", "review")
    assert law.values.sum() == pytest.approx(1)
    for action, probability in zip(law.actions, law.values[0].tolist(), strict=True):
        assert found[action] / 6_000 == pytest.approx(probability, abs=0.025)


def test_the_rule_of_the_split_decides_which_strategies_share_a_case() -> None:
    german, other = case(context__country="DE"), case(context__country="FR")
    law = ActionLaw(split_policy()).probabilities([german, other, german])
    assert law.over(["block", "none"])[0].tolist() == pytest.approx([0.8, 0.2])
    assert law.over(["block"])[1, 0] == pytest.approx(0.4)
    assert law.values[0].tolist() == law.values[2].tolist()


def test_the_control_only_adds_to_none() -> None:
    with_it, without = (ActionLaw(split_policy(control)).probabilities([case()]).values[0] for control in (20, 0))
    assert with_it[1:] == pytest.approx(0.8 * without[1:])
    assert with_it[0] == pytest.approx(0.2 + 0.8 * without[0])


def test_actions_of_another_policy_have_no_probability() -> None:
    law = ActionLaw(split_policy()).probabilities([case()])
    assert law.over(["nothing like it", "none"])[0, 0] == 0
    assert ActionLaw(split_policy()).probabilities([]).values.shape == (0, 6)


def test_costs_are_those_of_the_case() -> None:
    compiled = compile_policy(split_policy())
    costs = costs_of(compiled, [case(), case(feature__fee=None)], ["none", "block", "offer"])
    assert costs[0].tolist() == pytest.approx([0, 2, 3])
    assert np.isnan(costs[1, 2])
