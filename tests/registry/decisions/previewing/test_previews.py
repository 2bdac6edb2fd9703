"""Rows as cases, and what a policy would decide for them."""

import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.previewing.previews import Preview, previews
from scoreline_registry.decisions.previewing.rows import Row, case_of, rows_of_csv, rows_of_json
from scoreline_registry.errors import InvalidError
from tests.registry.decisions.policies import NOON, at, policy_with

JOURNALED = {
    "prediction_id": "a1-0",
    "time": "2026-11-18T23:30:00.5Z",
    "unit": "u1",
    "entity_id": "e1",
    "score": 0.5,
    "band": None,
    "context": '{"zone": "Europe/Berlin", "vip": true, "visits": 3}',
    "feature.amount": 100,
    "extra.spread": 0.1,
    "profile_state": "new",
    "decision.action": "nudge",
    "hash.name": "abc",
    "step.amount": [1.0, 2.0],
}


def read(row: Row, unit: str = "entity_id") -> Any:
    return case_of(row, 7, unit=unit, now_ns=NOON)


def shown(rows: Iterable[Row], **changes: Any) -> list[Preview]:
    return list(previews(policy_with({"name": "all", "action": "nudge"}, **changes), rows, now_ns=NOON, trace=True))


def test_a_row_of_the_journal_is_a_case() -> None:
    case = read(JOURNALED)
    assert (case.decision_id, case.unit, case.time_ns) == ("a1-0", "u1", at("2026-11-18T23:30:00") + 500_000_000)
    assert case.facts == {
        "score": 0.5,
        "band": None,
        "context.zone": "Europe/Berlin",
        "context.vip": True,
        "context.visits": 3.0,
        "feature.amount": 100.0,
        "extra.spread": 0.1,
        "flag.profile_new": True,
        "flag.profile_unreachable": False,
    }


@pytest.mark.parametrize(
    ("row", "unit"),
    [
        ({"entity_id": 12.0}, "12"),
        ({"unit": "u", "entity_id": "e"}, "u"),
        ({}, ""),
        ({"entity_id": None}, ""),
    ],
)
def test_the_unit_is_the_entity(row: Row, unit: str) -> None:
    assert read(row).unit == unit
    assert read(row).decision_id == "row-7"


def test_the_unit_is_a_context_key_where_the_policy_says_so() -> None:
    assert read({"unit": "u", "context": {"household": 5}}, unit="context.household").unit == "5"


@pytest.mark.parametrize(
    ("time", "time_ns"),
    [
        (None, NOON),
        ("2026-11-18T13:00:00+01:00", NOON),
        ("2026-11-18T12:00", NOON),
        (NOON // 10**9, NOON),
        (NOON / 10**9, NOON),
    ],
)
def test_times_are_texts_or_seconds(time: Any, time_ns: int) -> None:
    assert read({"time": time}).time_ns == time_ns


@pytest.mark.parametrize(
    "row", [{"time": "soon"}, {"time": True}, {"time": math.inf}, {"context": "x"}, {"context": [1]}]
)
def test_a_row_that_cannot_be_read_says_which_one(row: Row) -> None:
    with pytest.raises(ValueError, match="row 2: "):
        shown([{}, row])


def test_columns_without_a_prefix_are_features() -> None:
    case = read({"amount": 3, "score": 0.1, "features": {"fee": 2, "city": "Bonn"}, "uplift.uplift@1": 0.2})
    assert case.facts == {
        "feature.amount": 3.0,
        "score": 0.1,
        "feature.fee": 2.0,
        "feature.city": "Bonn",
        "uplift.uplift@1": 0.2,
    }


def test_csv_has_numbers_flags_and_texts() -> None:
    lines = ["score,amount,context.vip,city,fee\n", '0.5,1e3,true,"Bonn, Beuel",\n']
    assert list(rows_of_csv(lines, source="x")) == [
        {"score": 0.5, "amount": 1000.0, "context.vip": True, "city": "Bonn, Beuel", "fee": None}
    ]
    assert list(rows_of_csv([], source="x")) == []


@pytest.mark.parametrize(
    "lines", [["a,b\n", "1\n"], ["a\n", "1,2\n"], ["a,a\n", "1,2\n"], ["a\n", '"1\n'], ["a\n", "\x00" + "1" * 200_000]]
)
def test_bad_csv_is_refused_with_its_line(lines: list[str]) -> None:
    with pytest.raises(InvalidError, match="x: line "):
        list(rows_of_csv(lines, source="x"))


@pytest.mark.parametrize("line", ["{", "[1]", "1", '"a"', "[" * 100_000, "null"])
def test_bad_json_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(InvalidError, match="x: line 3: "):
        list(rows_of_json(["{}\n", "\n", line], source="x"))


def test_a_preview_has_the_message_and_names_the_limits_that_count() -> None:
    texts = {
        "en": {
            "default": "{{ reasons[0].text | default('') }} {{ feature.amount | default(0) | number }}",
            "email": "mail",
        }
    }
    limits = [
        {"name": "daily", "kind": "frequency", "at_most": 1, "per": "1d", "actions": ["nudge"]},
        {"name": "rest", "kind": "cool_down", "after": ["nudge"], "for": "1d", "actions": ["call"]},
        {"name": "calls", "kind": "total", "at_most": 1, "actions": ["call"]},
    ]
    rows = [
        {"amount": 5, "entity_id": "u1", "reasons": [{"text": "Because."}]},
        {"reasons": ["It is late."], "amount": 1},
    ]
    first, second = shown(rows, messages={"nudge": texts}, limits=limits)
    assert first.message is not None
    assert first.message.text == "mail"
    assert (first.taken.action, first.counted) == ("nudge", ("daily", "rest"))
    assert (second.taken.action, second.message, second.counted) == ("none", None, ())
    plain = {"en": {"default": texts["en"]["default"]}}
    assert [each.message and each.message.text for each in shown(rows, messages={"nudge": plain})] == [
        "Because. 5",
        "It is late. 1",
    ]
    with pytest.raises(ValueError, match="row 1: reasons is no list"):
        shown([{"reasons": 7}])
    with pytest.raises(ValueError, match="row 1: reasons is no JSON list"):
        shown([{"reasons": "late"}])


def test_reasons_of_the_journal_name_their_inputs_and_directions() -> None:
    text = '{% if reasons[0] is defined and reasons[0].direction == "raises" %}{{ reasons[0].text }}{% endif %}!'
    rows: list[Row] = [{"reasons": '[["debt",0.5],["age",-1.0]]'}, {"reasons": '[["age",-1.0]]'}, {"reasons": None}]
    found = shown(rows, messages={"nudge": {"en": {"default": text}}})
    assert [each.message and each.message.text for each in found] == ["debt!", "!", "!"]


def test_control_units_are_shown_without_an_action() -> None:
    (only,) = shown([{"entity_id": "u1", "score": 0.5}], control=100, messages={"nudge": {"en": "hello"}})
    assert (only.taken.action, only.proposal.withheld_action, only.message, only.counted) == ("none", "nudge", None, ())


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["score", "time", "unit", "entity_id", "context", "features", "reasons", "profile_state", "amount"]
        )
        | st.text(max_size=5),
        json_values,
        max_size=6,
    )
)
def test_any_json_object_is_a_case_or_a_bad_row(row: dict[str, Any]) -> None:
    (line,) = rows_of_json([json.dumps(row)], source="x")
    actions, problem = ["none"], "row 1: "
    try:
        actions = [each.taken.action for each in shown([line])]
    except ValueError as error:
        problem = str(error)
    assert actions in (["nudge"], ["none"])
    assert problem.startswith("row 1: ")
