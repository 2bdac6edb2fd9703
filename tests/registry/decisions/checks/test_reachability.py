"""Rules that can never match, whatever the adaptive cuts are: nothing that some case reaches is called so."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.checks.reachability import unreached_rules
from scoreline_registry.decisions.cuts import AdaptiveCut
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts, cut_names, with_cuts
from scoreline_registry.decisions.specs.policy_planning import next_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec

CUTS = {
    "fixed": 0.5,
    "low": {"share": 0.5, "start": 0.3, "window": "1d"},
    "top": {"share": 0.1, "start": 0.9, "window": "1d"},
}
OPERANDS = st.one_of(st.sampled_from([0.25, 0.5, 0.75]), st.sampled_from([{"cut": name} for name in CUTS]))
TESTS = st.builds(
    lambda key, name, operand: {key: {name: operand}},
    st.sampled_from(["score", "feature.amount"]),
    st.sampled_from(["lt", "lte", "gt", "gte"]),
    OPERANDS,
)
CONDITIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"any": parts}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"all": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=3,
)
VALUES = st.sampled_from([None, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])


def policy(conditions: list[dict[str, Any]]) -> Policy:
    """A policy with a rule for each condition and one for the rest."""
    rules = [{"name": f"r{place}", "when": when, "action": "nudge"} for place, when in enumerate(conditions)]
    data = {
        "policy": "guardian",
        "route": "spending",
        "actions": {"nudge": {}},
        "cuts": CUTS,
        "strategies": {"only": {"rules": [*rules, {"name": "otherwise", "action": "none"}]}},
    }
    return next_policy(PolicySpec.model_validate(data), before=None)


def unreached(document: Policy) -> set[str]:
    return {line.split("'")[1] for line in unreached_rules(document)}


def first_match(document: Policy, cuts: Mapping[str, float], facts: Mapping[str, float | None]) -> str:
    for rule in document.strategies["only"].rules:
        condition = condition_with_cuts(rule.when, cuts)
        if condition is None or condition.matches(facts):
            return rule.name
    raise AssertionError("the last rule has no condition")


@settings(max_examples=60)
@given(
    conditions=st.lists(CONDITIONS, min_size=1, max_size=3),
    cases=st.lists(st.tuples(VALUES, VALUES, st.floats(0, 1), st.floats(0, 1)), min_size=20, max_size=20),
)
def test_no_rule_that_a_case_reaches_is_called_unreached(
    conditions: list[dict[str, Any]], cases: list[tuple[float | None, float | None, float, float]]
) -> None:
    document = policy(conditions)
    never = unreached(document)
    for score, amount, low, top in cases:
        cuts = {"fixed": 0.5, "low": low, "top": top}
        assert first_match(document, cuts, {"score": score, "feature.amount": amount}) not in never


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([{"score": {"gte": {"cut": "top"}}}, {"score": {"gte": {"cut": "top"}, "lt": 2}}], {"r1"}),
        ([{"score": {"gte": {"cut": "top"}, "lt": {"cut": "top"}}}], {"r0"}),
        ([{"score": {"gte": {"cut": "fixed"}}}, {"score": {"gte": 0.6}}], {"r1"}),
        ([{"score": {"gte": {"cut": "low"}}}, {"score": {"gte": {"cut": "top"}}}], set()),
        ([{"score": {"gte": {"cut": "top"}}}, {"not": {"score": {"lt": {"cut": "top"}}}}], set()),
        ([{"not": {"score": {"lt": 0.2}}}, {"all": [{"score": {"gte": {"cut": "fixed"}}}]}], {"r1"}),
    ],
)
def test_tests_of_one_adaptive_cut_are_compared_with_each_other(
    conditions: list[dict[str, Any]], expected: set[str]
) -> None:
    assert unreached(policy(conditions)) == expected


def test_cuts_are_found_and_replaced_wherever_a_condition_nests() -> None:
    when = {"any": [{"score": {"gte": {"cut": "top"}}}, {"not": {"all": [{"points": {"lt": {"cut": "low"}}}]}}]}
    assert cut_names(when) == ("top", "low")
    assert with_cuts(when, {"top": 0.9, "low": 500}) == {
        "any": [{"score": {"gte": 0.9}}, {"not": {"all": [{"points": {"lt": 500}}]}}]
    }
    assert cut_names(None) == ()
    with pytest.raises(KeyError):
        with_cuts(when, {"top": 0.9})
    assert isinstance(policy([when]).cuts["top"], AdaptiveCut)
