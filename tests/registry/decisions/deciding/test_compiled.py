"""What policies propose: rules in order, expected values, control, strategies and traces."""

from typing import Any

import pytest

from tests.registry.decisions.policies import CHOOSE, OTHERWISE, case, compiled, proposed

HIGH = {"name": "high", "when": {"score": {"gte": {"cut": "high"}}}, "action": "block"}
LOW = {"name": "low", "when": {"score": {"gte": 0.3}}, "action": "nudge"}


def ranked(*rules: Any, explore: Any = None, changes: Any = None, **facts: Any) -> list[str]:
    """The actions that a policy ranks, best first."""
    found = proposed(compiled(*rules, explore=explore, **(changes or {})), case(**facts))
    return [each.action for each in found.candidates]


@pytest.mark.parametrize(
    ("score", "rule", "action"),
    [(0.9, "high", "block"), (0.7, "high", "block"), (0.69, "low", "nudge"), (0.1, "otherwise", "none")],
)
def test_the_first_rule_that_matches_decides(score: float, rule: str, action: str) -> None:
    found = proposed(compiled(HIGH, LOW, OTHERWISE, cuts={"high": 0.7}), case(score=score))
    assert (found.rule, found.candidates[0].action) == (rule, action)


def test_a_fixed_action_has_its_expected_value_and_needs_none() -> None:
    blocked = proposed(compiled(HIGH, OTHERWISE, cuts={"high": 0.2})).candidates[0]
    assert (blocked.expected_value, blocked.benefit, blocked.change) == (
        pytest.approx(100 * 0.5 * 0.6 - 2),
        100,
        pytest.approx(0.3),
    )
    review = proposed(compiled({"name": "all", "action": "review"})).candidates[0]
    assert (review.action, review.expected_value, review.propensity) == ("review", None, 1.0)


def test_the_best_expected_value_is_chosen() -> None:
    # nudge: 20 x 0.5 x 0.5 - 0.5 = 4.5; offer: 200 x 0.05 - 3 = 7; call: 100 x 0.1 - 8 = 2.
    assert ranked({"name": "best", "choose": ["nudge", "call", "offer"]}) == ["offer", "nudge", "call", "none"]
    assert ranked(CHOOSE, **{"uplift.uplift@1": 0.0}) == ["nudge", "none", "offer"]
