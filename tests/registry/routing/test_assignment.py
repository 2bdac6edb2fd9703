from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.routing.assignment import NO_RULE, Assigner, unit_of
from scoreline_registry.routing.bucketing import bucket
from scoreline_registry.routing.conditions import ContextValue
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route import RouteDocument
from tests.registry.samples import spec

PREMIUM = {"segment": {"in": ["premium", "private"]}}
UNITS = [f"customer-{number}" for number in range(20_000)]


def document(*rules: dict[str, Any], **changes: Any) -> RouteDocument:
    written = spec(rules=list(rules), **changes)
    return next_document(written, schema=written_schema(written.input_schema), before=None)


def rule_of(when: dict[str, Any] | None, arm: str) -> dict[str, Any]:
    return {"split": {arm: 100}} if when is None else {"when": when, "split": {arm: 100}}


THREE_RULES = document(
    {"when": PREMIUM, "split": {"lgbm@champion": 90, "lstm@3": 10}},
    {"when": {"channel": {"eq": "web"}}, "split": {"logit@1": 100}},
    {"split": {"lgbm@champion": 75, "logit@1": 25}},
    holdout=5,
)


def test_a_single_arm_is_static_and_needs_no_unit() -> None:
    assigner = Assigner(document({"split": {"lgbm@1": 100}}))
    assert not assigner.needs_unit
    given_arm = assigner.assign("anyone")
    assert (given_arm.arm, given_arm.reason, given_arm.rule, given_arm.bucket) == ("lgbm@1", "STATIC", 0, None)


def test_an_arm_without_weight_makes_no_split() -> None:
    assigner = Assigner(document({"split": {"lgbm@1": 100, "lgbm@2": 0}}))
    assert not assigner.needs_unit
    assert assigner.assign("anyone").reason == "STATIC"


def test_the_first_rule_that_matches_decides() -> None:
    assigner = Assigner(
        document(*[rule_of(PREMIUM, "a@1"), rule_of({"segment": {"exists": True}}, "b@1"), rule_of(None, "c@1")])
    )
    found = [assigner.assign("u", context) for context in ({"segment": "premium"}, {"segment": "mass"}, {})]
    assert [(one.arm, one.reason, one.rule) for one in found] == [
        ("a@1", "RULE_MATCH", 0),
        ("b@1", "RULE_MATCH", 1),
        ("c@1", "STATIC", 2),
    ]


def test_shares_are_the_weights() -> None:
    arms, reasons, _ = Assigner(document({"split": {"a@1": 60, "b@1": 30, "c@1": 10}})).assign_many(UNITS)
    counts = Counter(arms)
    expected = [12_000, 6_000, 2_000]
    chi_square = sum((counts[arm] - share) ** 2 / share for arm, share in enumerate(expected))
    assert chi_square < 18.4  # 2 degrees of freedom: exceeded by chance once in 10,000 salts
    assert set(reasons) == {"SPLIT"}


def test_the_holdout_is_its_share_and_always_gets_the_first_arm_of_the_last_rule() -> None:
    assigner = Assigner(THREE_RULES)
    contexts: list[dict[str, ContextValue]] = [{"segment": "premium"}, {"channel": "web"}, {}]
    held_by_context = []
    for context in contexts:
        arms, reasons, _ = assigner.assign_many(UNITS, [context] * len(UNITS))
        held = {row for row, reason in enumerate(reasons) if reason == "HOLDOUT"}
        assert {assigner.arms[arms[row]] for row in held} == {"lgbm@champion"}
        held_by_context.append(held)
    assert held_by_context[0] == held_by_context[1] == held_by_context[2]
    assert abs(len(held_by_context[0]) - 1000) < 4 * (20_000 * 0.05 * 0.95) ** 0.5


def test_the_holdout_does_not_bend_the_shares_of_the_rest() -> None:
    arms, reasons, _ = Assigner(THREE_RULES).assign_many(UNITS)
    rest = [arm for arm, reason in zip(arms, reasons, strict=True) if reason == "SPLIT"]
    first = rest.count(0) / len(rest)
    assert abs(first - 0.75) < 4 * (0.75 * 0.25 / len(rest)) ** 0.5


def test_holding_everybody_out_leaves_one_arm() -> None:
    arms, reasons, _ = Assigner(document({"split": {"a@1": 50, "b@1": 50}}, holdout=100)).assign_many(UNITS[:500])
    assert set(arms) == {0}
    assert set(reasons) == {"HOLDOUT"}


def test_another_salt_deals_anew_and_the_same_salt_never_does() -> None:
    halves = {"split": {"a@1": 50, "b@1": 50}}
    first, second = Assigner(document(halves, salt="one")), Assigner(document(halves, salt="two"))
    assert first.assign_many(UNITS) == Assigner(document(halves, salt="one")).assign_many(UNITS)
    differing = sum(a != b for a, b in zip(first.assign_many(UNITS)[0], second.assign_many(UNITS)[0], strict=True))
    assert abs(differing - 10_000) < 4 * 5000**0.5


contexts = st.fixed_dictionaries(
    {},
    optional={
        "segment": st.sampled_from(["premium", "mass", None]),
        "channel": st.sampled_from(["web", "branch"]),
    },
)


TWO_RULES = document(rule_of(PREMIUM, "a@1"), {"split": {"a@1": 50, "b@1": 50}}, holdout=1)
OVERRIDDEN = TWO_RULES.model_copy(update={"overrides": {"": "b@1", "0": "a@1"}})


@settings(max_examples=60)
@given(
    st.sampled_from([TWO_RULES, THREE_RULES, OVERRIDDEN]),
    st.lists(st.tuples(st.text(alphabet=st.characters(codec="utf-8"), max_size=8), contexts), max_size=12),
)
def test_many_units_get_what_they_get_alone(
    route: RouteDocument, rows: list[tuple[str, dict[str, ContextValue]]]
) -> None:
    assigner = Assigner(route)
    units = [unit for unit, _ in rows]
    arms, reasons, decided = assigner.assign_many(units, [context for _, context in rows])
    alone = [assigner.assign(unit, context) for unit, context in rows]
    assert [assigner.arms[arm] for arm in arms] == [one.arm for one in alone]
    assert reasons == [one.reason for one in alone]
    ruled = [NO_RULE if one.reason in {"HOLDOUT", "OVERRIDE"} else one.rule for one in alone]
    last = len(route.rules) - 1
    assert (ruled == [last] * len(rows)) if decided is None else (list(decided) == ruled)
    without, _, _ = assigner.assign_many(units)
    assert [assigner.arms[arm] for arm in without] == [assigner.assign(unit).arm for unit in units]


def test_the_bucket_that_decided_is_told() -> None:
    assigner = Assigner(THREE_RULES)
    for unit in UNITS[:200]:
        given_arm = assigner.assign(unit, {"segment": "premium"})
        salt = "credit/holdout" if given_arm.reason == "HOLDOUT" else "credit"
        assert given_arm.bucket == bucket(salt, unit)


def test_the_holdout_bucket_says_who_is_held_out() -> None:
    assigner = Assigner(THREE_RULES)
    buckets = {unit: assigner.holdout_bucket(unit) for unit in UNITS[:1000]}
    held = {unit for unit in buckets if assigner.assign(unit).reason == "HOLDOUT"}
    assert held
    assert held == {unit for unit, place in buckets.items() if place is not None and place < 0.05}
    assert Assigner(document({"split": {"lgbm@1": 100}})).holdout_bucket("anyone") is None


def test_units_and_contexts_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="2 units and 1 contexts"):
        Assigner(THREE_RULES).assign_many(["a", "b"], [{}])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (7.0, "7"),
        (7, "7"),
        (-0.5, "-0.5"),
        (1e20, "100000000000000000000"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_a_context_value_has_one_text_as_a_unit(value: ContextValue, text: str) -> None:
    assert unit_of("context.account", "entity", {"account": value}) == text


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), ""])
def test_a_unit_that_was_not_sent_is_empty(value: ContextValue) -> None:
    assert unit_of("context.account", "entity", {"account": value}) == ""
    assert unit_of("context.account", "entity", {}) == ""
    assert unit_of("entity_id", "entity", {"account": value}) == "entity"
