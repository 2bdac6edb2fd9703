"""Reading policies from YAML and writing them back, and the units that a new definition moves."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.amounts import Amount
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.limit_specs import clock
from scoreline_registry.decisions.specs.policy_file import policy_of, read_policy, write_policy
from scoreline_registry.decisions.specs.policy_plan import policy_differences, policy_plan
from scoreline_registry.decisions.specs.policy_planning import next_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.documents.documents import decode, encode
from scoreline_registry.errors import InvalidError
from scoreline_registry.routing.bucketing import bucket
from scoreline_registry.routing.durations import duration_text
from tests.registry.decisions.policy_samples import GUARDIAN, guardian, stored, text_of

# The longest YAML that other tests of the same keys use, so that no key is forgotten here.
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "description": lambda _: "Another one.",
    "route": lambda _: "other",
    "unit": lambda _: "context.household",
    "salt": lambda _: "other",
    "timezone": lambda _: "UTC",
    "language": lambda _: "de",
    "currency": lambda _: "CHF",
    "control": lambda _: 5,
    "actions": lambda data: data["actions"] | {"block": data["actions"]["block"] | {"cost": 3}},
    "cuts": lambda data: data["cuts"] | {"high": 0.8},
    "flags": lambda _: {"adversarial": {"extra.attack_score": {"gte": 0.8}}},
    "strategies": lambda data: dict(reversed(data["strategies"].items())) | {"third": data["strategies"]["gentle"]},
    "rules": lambda _: [{"split": {"strict": 90, "gentle": 10}}],
    "shadows": lambda _: ["strict"],
    "limits": lambda data: data["limits"][1:],
    "limits_unavailable": lambda _: "act",
    "messages": lambda data: {"nudge": data["messages"]["nudge"]},
    "interventions": lambda data: {"discount20": data["interventions"]["discount20"]},
    "score_value": lambda _: 7,
    "recourse": lambda _: {"amount": {"immutable": True}},
    "learning": lambda _: {"outcome": "returned", "matured": "8d"},
}


def test_every_key_is_written_back_and_is_a_difference_when_it_changes() -> None:
    keys = {field.alias or name for name, field in PolicySpec.model_fields.items()} - {"policy"}
    assert keys == CHANGES.keys()
    data, before = yaml.safe_load(GUARDIAN), stored()
    for key, change in CHANGES.items():
        after = next_policy(PolicySpec.model_validate(data | {key: change(data)}), before=None)
        assert after != before, key
        assert list(policy_differences(before, after)), key
        assert policy_of(write_policy(after), source="written") == after, key


def test_a_stored_policy_is_read_back_from_its_bytes() -> None:
    assert decode(Policy, encode(stored()), key="key", supported=1) == stored()
    assert "score_value" not in encode(stored(text_of(score_value=None))).decode()


def test_fields_of_a_newer_scoreline_are_kept() -> None:
    newer = Policy.model_validate(stored().model_dump(mode="json") | {"horizon": "3d"})
    after = next_policy(guardian(control=20), before=newer)
    assert after.model_extra == {"horizon": "3d"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "a policy is a mapping with the keys policy, route, actions and strategies"),
        ("{}", "actions: is missing: write at least `actions: {nudge: {channel: push}}`"),
        ("policy: guardian\npolicy: other", "duplicate key 'policy'"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidError) as refused:
        read_policy(text, source="guardian.yaml")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"feature.fee": 20.0}, 3.0),
        ({"feature.fee": float("nan")}, 6.0),
        ({"feature.fee": float("inf")}, 6.0),
        ({"feature.fee": "20"}, 6.0),
        ({"feature.fee": True}, 6.0),
        ({}, 6.0),
    ],
)
def test_an_amount_is_a_fact_times_a_factor_or_its_default(facts: dict[str, Any], expected: float) -> None:
    assert Amount(plus=1, fact="feature.fee", times=0.1, default=50).of(facts) == pytest.approx(expected)
    assert Amount(plus=1, fact="feature.fee").of({}) is None
    assert Amount(plus=4).of(facts) == 4


WEIGHTS = st.lists(st.integers(0, 20), min_size=2, max_size=4).filter(lambda parts: sum(parts) > 0)


def split_of(parts: list[int]) -> dict[str, float]:
    """Percentages that total 100 for strategies named a, b, and so on."""
    total = sum(parts)
    percents = [Decimal(part * 100 / total).quantize(Decimal("0.0001")) for part in parts]
    largest = percents.index(max(percents))
    percents[largest] += 100 - sum(percents)
    return {name: float(percent) for name, percent in zip("abcd", percents, strict=False)}


def of_splits(*splits: dict[str, float], control: int = 0) -> PolicySpec:
    """A policy with one rule for units of each kind and one for the rest."""
    rule = {"rules": [{"name": "otherwise", "action": "none"}]}
    conditions = [{"context.kind": {"eq": place}} for place in range(len(splits) - 1)]
    rules = [{"when": when, "split": split} for when, split in zip(conditions, splits, strict=False)]
    return PolicySpec.model_validate(
        {
            "policy": "guardian",
            "route": "spending",
            "control": control,
            "actions": {"nudge": {}},
            "strategies": dict.fromkeys("abcd", rule),
            "rules": [*rules, {"split": splits[-1]}],
        }
    )


def strategy_of(policy: Policy, unit: str) -> str:
    """The strategy of a unit by the last rule, or that it is of the control."""
    if bucket(policy.control_salt, unit) < policy.control_millionths / 1e6:
        return "control"
    place = bucket(policy.salt, unit)
    return next(
        each.strategy
        for each in policy.rules[-1].strategies
        if any(part.start <= place * 1e6 < part.end for part in each.ranges)
    )


@settings(max_examples=30)
@given(old=WEIGHTS, new=WEIGHTS, controls=st.tuples(st.integers(0, 100), st.integers(0, 100)))
def test_no_unit_moves_but_from_a_strategy_that_shrinks(
    old: list[int], new: list[int], controls: tuple[int, int]
) -> None:
    before = next_policy(of_splits(split_of(old), control=controls[0]), before=None)
    after = next_policy(of_splits(split_of(new), control=controls[1]), before=before)
    was = {each.strategy: each.millionths for each in before.rules[0].strategies}
    now = {each.strategy: each.millionths for each in after.rules[0].strategies}
    grown = sum(max(0, now[name] - was.get(name, 0)) for name in now)
    both = min(controls) / 100
    plan = policy_plan(before, after, etag="")
    expected = 1 - (both + (1 - max(controls) / 100) * (1 - grown / 1e6))
    assert plan.moved == pytest.approx(expected)
    units = [str(unit) for unit in range(300)]
    moves = [(strategy_of(before, unit), strategy_of(after, unit)) for unit in units]
    assert all(left == right or "control" in (left, right) or now.get(left, 0) < was[left] for left, right in moves)
    assert sum(left != right for left, right in moves) / len(units) == pytest.approx(plan.moved, abs=0.15)


@settings(max_examples=30)
@given(old=WEIGHTS, new=WEIGHTS)
def test_what_is_written_applies_without_a_change(old: list[int], new: list[int]) -> None:
    first = next_policy(of_splits(split_of(old), split_of(new)), before=None)
    second = next_policy(of_splits(split_of(new), split_of(old)), before=first)
    again = next_policy(read_policy(write_policy(second), source="written"), before=second)
    assert again == second
    assert policy_plan(second, again, etag="").moved == 0
    assert list(policy_differences(second, again)) == []


SECONDS = st.integers(1, 366 * 86_400).map(duration_text)
TIMES = st.integers(0, 1439).map(clock)
LIMITS = st.one_of(
    st.fixed_dictionaries({"kind": st.just("frequency"), "at_most": st.integers(1, 10_000), "per": SECONDS}),
    st.fixed_dictionaries({"kind": st.just("cool_down"), "after": st.just("nudge"), "for": SECONDS}),
    st.fixed_dictionaries({"kind": st.just("quiet_hours"), "from": TIMES, "to": TIMES}),
    st.fixed_dictionaries(
        {
            "kind": st.just("budget"),
            "at_most": st.floats(0.01, 1e9),
            "per": st.sampled_from(["day", "week", "month", "total"]),
        }
    ),
)
AMOUNTS = st.floats(-1e15, 1e15)


@settings(max_examples=50)
@given(limit=LIMITS, plus=AMOUNTS, times=AMOUNTS)
def test_limits_and_amounts_are_written_as_they_were_read(limit: dict[str, Any], plus: float, times: float) -> None:
    data = {
        "policy": "guardian",
        "route": "spending",
        "actions": {"nudge": {"cost": {"feature": "fee", "times": times, "plus": plus}, "benefit": plus}},
        "strategies": {"only": {"rules": [{"name": "otherwise", "action": "none"}]}},
        "limits": [{"name": "one", **limit}],
    }
    policy = next_policy(PolicySpec.model_validate(data), before=None)
    assert policy_of(write_policy(policy), source="written") == policy
