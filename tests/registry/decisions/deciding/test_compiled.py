"""What policies propose: rules in order, expected values, control, strategies and traces."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.deciding.proposal import LeftOut, ShadowProposal
from scoreline_registry.routing.bucketing import bucket
from tests.registry.decisions.policies import CHOOSE, OTHERWISE, case, compiled, proposed

HIGH = {"name": "high", "when": {"score": {"gte": {"cut": "high"}}}, "action": "block"}
LOW = {"name": "low", "when": {"score": {"gte": 0.3}}, "action": "nudge"}
EVERY = ["nudge", "call", "offer"]
SPLIT: dict[str, Any] = {
    "strategies": {
        "strict": {"rules": [{"name": "all", "action": "block"}]},
        "gentle": {"rules": [{"name": "all", "action": "nudge"}]},
    },
    "rules": [
        {"when": {"context.segment": {"eq": "vip"}}, "split": {"gentle": 100}},
        {"split": {"strict": 50, "gentle": 50}},
    ],
}


def ranked(*rules: Any, facts: dict[str, Any] | None = None, **options: Any) -> list[str]:
    """The actions that a policy ranks, best first."""
    found = proposed(compiled(*rules, **options), case(**facts or {}))
    return [each.action for each in found.candidates]


@pytest.mark.parametrize(
    ("score", "rule", "action"),
    [
        (0.9, "high", "block"),
        (0.7, "high", "block"),
        (0.69, "low", "nudge"),
        (0.1, "otherwise", "none"),
        (None, "otherwise", "none"),
        (math.nan, "otherwise", "none"),
    ],
)
def test_the_first_rule_that_matches_decides(score: float | None, rule: str, action: str) -> None:
    found = proposed(compiled(HIGH, LOW, OTHERWISE, cuts={"high": 0.7}), case(score=score, feature__amount=1000))
    assert (found.rule, found.candidates[0].action) == (rule, action)


def test_a_fixed_action_needs_no_expected_value() -> None:
    blocked = proposed(compiled({"name": "all", "action": "block"})).candidates[0]
    assert [blocked.benefit, blocked.change] == pytest.approx([100, 0.3])
    assert blocked.expected_value == pytest.approx(28)
    review = proposed(compiled({"name": "all", "action": "review"})).candidates[0]
    assert (review.action, review.expected_value, review.propensity) == ("review", None, 1.0)
    missing = proposed(compiled({"name": "all", "action": "block"}), case(feature__amount=None)).candidates[0]
    assert (missing.action, missing.expected_value, missing.benefit) == ("block", None, None)


def test_the_best_expected_value_is_chosen() -> None:
    # nudge: 20 x 0.5 x 0.5 - 0.5 = 4.5; offer: 200 x 0.05 - 3 = 7; call: 100 x 0.1 - 8 = 2.
    assert ranked({"name": "best", "choose": EVERY}) == ["offer", "nudge", "call", "none"]
    values = [each.expected_value for each in proposed(compiled({"name": "best", "choose": EVERY})).candidates]
    assert values == pytest.approx([7, 4.5, 2, 0])
    assert ranked(CHOOSE, facts={"uplift.uplift@1": 0.0}) == ["nudge", "none", "offer"]
    assert ranked({**CHOOSE, "always": True}, facts={"uplift.uplift@1": -1.0, "score": 0.0}) == [
        "nudge",
        "offer",
        "none",
    ]


def test_a_learned_effect_is_its_posterior_mean_and_its_prior_before_that() -> None:
    rule = {"name": "best", "choose": ["call"]}
    policy = compiled(rule).policy
    state = {"at": "2026-11-01T00:00:00Z", "effects": {"call": {"mean": 0.3, "spread": 0.02, "cases": 500}}}
    learned = type(policy).model_validate({**policy.model_dump(mode="json"), "effects_state": state})
    assert proposed(compiled(rule)).candidates[0].expected_value == pytest.approx(2)
    assert proposed(type(compiled(rule))(learned)).candidates[0].expected_value == pytest.approx(22)


def test_ties_go_by_the_order_of_the_rule_and_nothing_is_done_for_nothing() -> None:
    actions = {
        name: {"cost": cost, "benefit": 10, "effect": {"changes": 0.5}} for name, cost in (("b", 1), ("a", 1), ("c", 5))
    }
    tied = {"name": "best", "choose": ["b", "a", "c"]}
    assert ranked(tied, actions=actions) == ["b", "a", "none", "c"]
    assert ranked({**tied, "choose": ["c", "a", "b"]}, actions=actions) == ["a", "b", "none", "c"]


@pytest.mark.parametrize(
    ("facts", "left_out"),
    [
        ({"feature.fee": None}, LeftOut("offer", "missing_fact", "feature.fee")),
        ({"feature.fee": math.nan}, LeftOut("offer", "missing_fact", "feature.fee")),
        ({"feature.fee": math.inf}, LeftOut("offer", "missing_fact", "feature.fee")),
        ({"feature.fee": "cheap"}, LeftOut("offer", "missing_fact", "feature.fee")),
        ({"feature.fee": True}, LeftOut("offer", "missing_fact", "feature.fee")),
        ({"uplift.uplift@1": None}, LeftOut("offer", "missing_fact", "uplift.uplift@1")),
        ({"uplift.uplift@1": math.nan}, LeftOut("offer", "missing_fact", "uplift.uplift@1")),
        ({"uplift.uplift@1": 1e308}, LeftOut("offer", "not_finite", "expected value")),
        ({"score": None}, LeftOut("nudge", "missing_fact", "score")),
        ({"score": math.nan}, LeftOut("nudge", "missing_fact", "score")),
    ],
)
def test_a_candidate_without_a_value_is_left_out_and_the_proposal_says_why(
    facts: dict[str, Any], left_out: LeftOut
) -> None:
    found = proposed(compiled(CHOOSE), case(**facts))
    assert found.left_out == (left_out,)
    assert left_out.action not in {each.action for each in found.candidates}


def test_an_action_without_a_cost_is_left_out_of_a_fixed_rule_too() -> None:
    found = proposed(compiled({"name": "all", "action": "offer"}), case(feature__fee=None))
    assert [each.action for each in found.candidates] == ["none"]
    assert (found.candidates[0].propensity, found.wanted) == (1.0, ())
    assert found.left_out == (LeftOut("offer", "missing_fact", "feature.fee"),)


def test_actions_of_other_channels_than_the_callers_are_left_out() -> None:
    rule = {"name": "best", "choose": EVERY}
    found = proposed(compiled(rule), case(channel="push"))
    assert found.left_out == (LeftOut("nudge", "other_channel", "email"),)
    assert {each.action for each in found.candidates} == {"call", "offer", "none"}


def test_the_control_share_never_acts_and_says_what_it_would_have_got() -> None:
    policy = compiled({"name": "all", "action": "review"}, control=10)
    found = policy.propose([case(f"u{number}") for number in range(5000)])
    controls = [each for each in found if each.is_control]
    assert 400 < len(controls) < 600
    assert all(each.wanted == () and each.withheld_action == "review" for each in controls)
    assert all(each.taken(None).action == "none" and each.taken(None).propensity == 1 for each in controls)
    assert all(each.withheld_action == "" and len(each.wanted) == 1 for each in found if not each.is_control)
    expected = [bucket("test/control", f"u{number}") < 0.1 for number in range(5000)]
    assert [each.is_control for each in found] == expected


def test_units_get_strategies_by_bucket_and_condition() -> None:
    policy = compiled(**SPLIT)
    found = policy.propose([case(f"u{number}") for number in range(2000)])
    shares = Counter(each.strategy for each in found)
    assert 900 < shares["strict"] < 1100
    assert {each.strategy_reason for each in found} == {"SPLIT"}
    buckets = [bucket("test", f"u{number}") < 0.5 for number in range(2000)]
    assert [each.strategy == "strict" for each in found] == buckets
    vip = proposed(policy, case(context__segment="vip"))
    assert (vip.strategy, vip.strategy_reason) == ("gentle", "RULE_MATCH")
    assert (policy.needs_unit, compiled().needs_unit, compiled(control=1).needs_unit) == (True, False, True)


def test_shadows_say_what_other_strategies_would_have_done() -> None:
    found = proposed(compiled(**SPLIT, shadows=["strict"]), case(context__segment="vip"))
    assert found.shadows == (ShadowProposal("strict", "all", "block", 28.0),)
    assert found.candidates[0].action == "nudge"


def test_flags_are_facts_for_conditions() -> None:
    rules = ({"name": "attacked", "when": {"flag.odd": {"eq": True}}, "action": "review"}, OTHERWISE)
    policy = compiled(*rules, flags={"odd": {"extra.attack_score": {"gte": 0.9}}, "low": {"score": {"lt": 0.1}}})
    odd, usual = policy.propose([case(extra__attack_score=0.95), case(extra__attack_score=0.1)])
    assert (odd.rule, odd.flags, usual.rule, usual.flags) == ("attacked", ("odd",), "otherwise", ())


def test_a_trace_has_each_test_of_the_rules_that_were_tried() -> None:
    scored = {"name": "scored", "when": {"not": {"score": {"exists": False}}}, "action": "none"}
    low = {**LOW, "when": {"score": {"lt": 0.3}, "context.segment": {"in": ["a", "b"]}}}
    found = proposed(compiled(HIGH, low, scored, OTHERWISE, cuts={"high": 0.7}), trace=True)
    high, second, last = found.rules
    assert (high.rule, high.matched, high.failed) == ("high", False, high.tests[0])
    assert (high.tests[0].fact, high.tests[0].test, high.tests[0].value) == ("score", "gte 0.7", 0.5)
    assert [(test.test, test.value, test.holds) for test in second.tests] == [
        ("lt 0.3", 0.5, False),
        ("in [a, b]", None, False),
    ]
    assert (last.rule, last.matched, last.failed) == ("scored", True, None)
    assert [(test.test, test.holds) for test in last.tests] == [("not exists false", True)]
    assert proposed(compiled(HIGH, OTHERWISE, cuts={"high": 0.7})).rules == ()


values = st.one_of(st.none(), st.booleans(), st.text(max_size=5), st.floats())


@settings(max_examples=100, deadline=None)
@given(
    facts=st.fixed_dictionaries(dict.fromkeys(("score", "feature.amount", "feature.fee", "uplift.uplift@1"), values)),
    explore=st.sampled_from(
        [None, {"by": "uniform", "share": 0.3}, {"by": "thompson", "floor": 0.1}, {"by": "thompson"}]
    ),
    always=st.booleans(),
    unit=st.text(max_size=4),
    channel=st.sampled_from(["", "email", "fax"]),
    time_ns=st.integers(-(2**70), 2**70),
)
def test_propensities_total_1_whatever_the_facts_are(
    facts: dict[str, Any], explore: dict[str, Any] | None, always: bool, unit: str, channel: str, time_ns: int
) -> None:
    among = {**explore, "among": ["nudge", "call", "offer"]} if explore else None
    policy = compiled(
        {"name": "best", "choose": EVERY, "always": always},
        explore=among,
        control=20,
        limits=[{"name": "night", "kind": "quiet_hours", "from": "22:00", "to": "08:00", "channels": ["email"]}],
    )
    one = case(unit, time_ns=time_ns, channel=channel, **facts)
    found, again = policy.propose([one, one], trace=True)
    assert repr(found) == repr(again)
    propensities = [each.propensity for each in found.candidates]
    assert math.fsum(propensities) == pytest.approx(1, abs=1e-12)
    assert min(propensities) >= 0
    assert [each.action for each in found.candidates].count("none") == 1
    assert {each.action for each in found.candidates} | {each.action for each in found.left_out} == {*EVERY, "none"}
    if explore:
        floor = explore.get("floor", 0.0)
        assert all(each.propensity >= floor - 1e-12 for each in found.candidates if each.action != "none")
    for each in found.candidates:
        assert math.isfinite(each.cost)
    for place in range(len(found.candidates) - 1):
        refused = [each.action for each in found.candidates[:place]]
        action = found.candidates[place].action
        assert 0 <= found.taken(None if action == "none" else action, refused).propensity <= 1 + 1e-12
