import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.routing.conditions import MAX_DEPTH, OPERATORS, ContextValue, parse_condition
from scoreline_registry.routing.dead_rules import dead_rules, never_matches

VALUES: list[ContextValue] = [
    None, True, False, float("nan"), float("-inf"), -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 1e300, "", "a", "a\x00", "ab",
    "aba", "abz", "b", "ba", "c", "1",
]  # fmt: skip

scalars = st.sampled_from([True, False, 0, 1, 2, 1.5, "a", "ab", "b", "1"])
ordered = st.sampled_from([0, 1, 2, 1.5, "a", "ab", "b"])
tests = st.one_of(
    st.builds(lambda name, value: {name: value}, st.sampled_from(["lt", "lte", "gt", "gte"]), ordered),
    st.builds(lambda value: {"eq": value}, scalars),
    st.builds(
        lambda name, values: {name: values},
        st.sampled_from(["in", "not_in"]),
        st.lists(scalars, min_size=1, max_size=3),
    ),
    st.builds(lambda value: {"exists": value}, st.booleans()),
    st.builds(lambda value: {"prefix": value}, st.sampled_from(["a", "ab", "b"])),
)
leaves = st.builds(lambda key, test: {key: test}, st.sampled_from(["x", "y"]), tests)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(
            lambda name, parts: {name: parts}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)
        ),
    ),
    max_leaves=6,
)


def holds(when: dict[str, Any], **context: ContextValue) -> bool:
    return parse_condition(when).matches(context)


@pytest.mark.parametrize(
    ("test", "matching"),
    [
        ({"eq": 1}, [1]),
        ({"eq": True}, [True]),
        ({"eq": "1"}, ["1"]),
        ({"in": [1, "a", False]}, [False, 1, "a"]),
        ({"lt": 1}, [float("-inf"), -1, 0, 0.5]),
        ({"lte": 1}, [float("-inf"), -1, 0, 0.5, 1]),
        ({"gt": 2}, [2.5, 3, 1e300]),
        ({"gte": 2}, [2, 2.5, 3, 1e300]),
        ({"gt": "b"}, ["ba", "c"]),
        ({"lte": "a"}, ["", "a", "1"]),
        ({"prefix": "ab"}, ["ab", "aba", "abz"]),
        ({"gte": 1, "lt": 2}, [1, 1.5]),
    ],
)
def test_a_test_matches_exactly_these_values(test: dict[str, Any], matching: list[ContextValue]) -> None:
    matched = [value for value in VALUES if holds({"x": test}, x=value)]
    assert sorted(map(repr, matched)) == sorted(map(repr, matching))


def test_existence_is_about_values_and_nan_is_none() -> None:
    assert holds({"x": {"exists": False}})
    assert holds({"x": {"exists": False}}, x=None)
    assert holds({"x": {"exists": False}}, x=float("nan"))
    assert holds({"x": {"exists": True}}, x=False)
    assert holds({"x": {"exists": True}}, x="")


@pytest.mark.parametrize("value", [*VALUES, "absent"])
def test_not_in_is_exactly_the_opposite_of_in(value: ContextValue) -> None:
    context = {} if value == "absent" else {"x": value}
    choices = [1, "a", True, 2.5]
    assert holds({"x": {"not_in": choices}}, **context) != holds({"x": {"in": choices}}, **context)


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in ("not_in", "exists")])
def test_a_missing_value_meets_no_other_test(name: str) -> None:
    operand: Any = ["a"] if name == "in" else "a"
    assert not holds({"x": {name: operand}})
    assert not holds({"x": {name: operand}}, x=None)


def test_combinations_mean_what_they_say() -> None:
    when = {"any": [{"x": {"eq": 1}}, {"not": {"y": {"exists": True}}}], "z": {"prefix": "m"}}
    assert holds(when, x=1, y="there", z="mobile")
    assert holds(when, x=2, z="mobile")
    assert not holds(when, x=2, y="there", z="mobile")
    assert not holds(when, x=1, z="web")
    assert holds({"all": [{"x": {"gt": 0}}, {"x": {"lt": 2}}]}, x=1)


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ({}, "leave `when` out"),
        ([], "a condition is a mapping"),
        ("segment", "a condition is a mapping"),
        ({"segment": "premium"}, r"write a test such as \{segment: \{eq: premium\}\}"),
        ({"segment": {}}, "write a test"),
        ({"segment": {"equals": "a"}}, "no operator 'equals'; did you mean|no operator 'equals'; use"),
        ({"segment": {"nto_in": ["a"]}}, "did you mean 'not_in'"),
        ({"segment": {"in": "premium"}}, "takes a list of 1 to"),
        ({"segment": {"in": []}}, "takes a list of 1 to"),
        ({"segment": {"in": [["a"]]}}, "is not a text"),
        ({"segment": {"exists": "yes"}}, "takes true or false"),
        ({"segment": {"prefix": ""}}, "at least one character"),
        ({"segment": {"prefix": 1}}, "takes a text"),
        ({"segment": {"lt": True}}, "takes a number or a text"),
        ({"segment": {"eq": float("nan")}}, "finite number"),
        ({"segment": {"eq": 2**53 + 1}}, "finite number"),
        ({"segment": {"eq": None}}, "is not a text"),
        ({"any": {"segment": {"eq": 1}}}, "`any` takes a list"),
        ({"all": []}, "`all` takes a list"),
        ({"not": []}, "a condition is a mapping"),
        ({True: {"eq": 1}}, "put quotes around it"),
        ({" a": {"eq": 1}}, "not a valid name"),
        ({"x": {"in": list(range(1001))}}, "1 to 1000 values"),
        ({"any": [{"x": {"eq": 1}}] * 201}, "at most 200 tests"),
    ],
)
def test_a_condition_that_is_none_says_what_is_wrong(when: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_condition(when)


@pytest.mark.parametrize(
    "within", [lambda when: {"not": when}, lambda when: {"all": [when]}, lambda when: {"any": [when]}]
)
def test_conditions_nest_only_so_deep(within: Callable[[Any], Any]) -> None:
    when: dict[str, Any] = {"x": {"eq": 1}}
    for _ in range(MAX_DEPTH):
        when = within(when)
    parse_condition(when)
    with pytest.raises(ValueError, match="nest at most"):
        parse_condition(within(when))


@pytest.mark.parametrize(
    "when",
    [
        {"x": {"eq": 1}, "not": {"x": {"eq": 1}}},
        {"x": {"gt": 1, "lt": 1}},
        {"x": {"gt": 1, "lte": 1}},
        {"x": {"gte": 2, "lt": "a"}},
        {"x": {"eq": "a", "in": ["b", "c"]}},
        {"x": {"in": ["a"], "not_in": ["a", "b"]}},
        {"x": {"prefix": "ab", "lt": "ab"}},
        {"x": {"prefix": "ab", "gte": "ac"}},
        {"x": {"exists": False, "gt": 1}},
        {"x": {"exists": False}, "y": {"exists": True}, "any": [{"x": {"eq": 1}}, {"y": {"exists": False}}]},
        {"x": {"gt": "a", "lt": "a\x00"}},
        {"x": {"gt": 1.0, "lt": 1.0000000000000002}},
        {"x": {"eq": True, "in": [1]}},
        {"all": [{"x": {"in": ["a", "b"]}}, {"x": {"in": ["b", "c"]}}, {"x": {"in": ["a", "c"]}}]},
    ],
)
def test_contradictions_are_found(when: dict[str, Any]) -> None:
    assert never_matches(parse_condition(when))


@pytest.mark.parametrize(
    "when",
    [
        {"x": {"gt": 1, "lt": 2}},
        {"x": {"prefix": "ab", "gt": "ab", "not_in": ["ab\x00"]}},
        {"x": {"not_in": ["a"]}, "not": {"x": {"exists": True}}},
        {"x": {"gt": 1e308}},
        {"x": {"prefix": "\U0010ffff"}},
        {"any": [{"x": {"gt": 1, "lt": 1}}, {"y": {"eq": 1}}]},
    ],
)
def test_what_can_match_is_left_alone(when: dict[str, Any]) -> None:
    assert not never_matches(parse_condition(when))


@settings(max_examples=300)
@given(conditions)
def test_never_is_said_exactly_when_no_value_fits(when: dict[str, Any]) -> None:
    condition = parse_condition(when)
    fits = any(condition.matches({"x": x, "y": y}) for x in VALUES for y in VALUES)
    # VALUES hold one value of every piece that the generated operands cut out, so the answers agree both ways.
    assert never_matches(condition) != fits


def test_a_condition_too_wide_to_unfold_counts_as_one_that_may_match() -> None:
    pair = {"any": [{"x": {"eq": 1}}, {"y": {"eq": 1}}]}
    impossible = {"x": {"gt": 1, "lt": 1}}
    assert not never_matches(parse_condition({"all": [*[pair] * 30, impossible]}))


def test_rules_behind_others_that_cover_them_are_unreachable() -> None:
    premium = parse_condition({"segment": {"in": ["premium", "private"]}})
    private = parse_condition({"segment": {"eq": "private"}})
    known = parse_condition({"segment": {"exists": True}})
    unknown = parse_condition({"segment": {"exists": False}})
    assert dead_rules([premium, private, None]) == [1]
    assert dead_rules([private, premium, None]) == []
    assert dead_rules([premium, None, private, None]) == [2, 3]
    assert dead_rules([known, unknown, None]) == [2]


def test_random_contexts_never_reach_what_is_called_unreachable() -> None:
    source = random.Random(7)
    rules = [
        parse_condition({"x": {"lt": 2}}),
        parse_condition({"x": {"lt": 1}, "y": {"exists": True}}),
        parse_condition({"not": {"x": {"gte": 2}}}),
        parse_condition({"x": {"lt": 1.5}}),
    ]
    dead = dead_rules(rules)
    assert dead == [1, 3]
    for _ in range(1000):
        context = {"x": source.choice(VALUES), "y": source.choice(VALUES)}
        reached = next((index for index, rule in enumerate(rules) if rule.matches(context)), None)
        assert reached not in dead
