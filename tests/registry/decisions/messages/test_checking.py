"""What templates may contain."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.messages.checking import message_problems, template_problems
from scoreline_registry.decisions.messages.placeholders import KnownFact
from tests.registry.decisions.policies import CHOOSE, policy_with

FACTS = {
    "feature.amount": KnownFact("number", is_sure=True),
    "feature.monthly fee": KnownFact("number", is_sure=False),
    "feature.city": KnownFact("text", is_sure=True),
    "profile.spending.spent_30d": KnownFact("number", is_sure=False),
    "flag.profile_new": KnownFact("flag", is_sure=True),
    "extra.spread": KnownFact("number", is_sure=True),
    "event.merchant": KnownFact("text", is_sure=False),
}


def problems(text: str, *, has_currency: bool = True) -> list[str]:
    return template_problems(text, FACTS, has_currency=has_currency)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "{# a comment #}Hello\nthere",
        "{{ feature.amount | money }} and {{ feature.amount | money(0) }}",
        "{{ score | percent }} {{ score | percent(1) }} {{ extra.spread | number(2) }} {{ hour }} {{ weekday }}",
        "{{ action | upper }} {{ cost | money }} {{ value | default(0) | money }}",
        '{{ feature["monthly fee"] | default(10) | money }} {{ feature.city | title | trim }}',
        "{% if profile.spending.spent_30d is defined %}{{ profile.spending.spent_30d | money }}{% endif %}",
        "{% if not (value is defined) %}x{% else %}{{ value }}{% endif %}",
        "{% if value is not defined %}x{% elif value > 3 %}{{ value }}{% endif %}",
        "{% if value is defined and value > 3 %}{{ value }}{% endif %}",
        "{% if value is not defined or value > 3 %}x{% endif %}",
        "{% if value is defined and band is defined %}{{ value }}{{ band }}{% endif %}",
        "{% if reasons[0] is defined %}{{ reasons[0].text }}, {{ reasons[0].direction }}{% endif %}",
        "{{ reasons[0].text | default('') }}",
        "{% if context.kind is defined and context.kind in ['new', 'old'] %}{{ context.kind }}{% endif %}",
        "{% if flag.profile_new %}Welcome{% endif %}",
        "{% if -1 < score <= 0.5 %}low{% endif %}",
        "{{ context.name | default('there') }} {{ event.merchant | default('?') | upper }}",
        "{{ '{{ no placeholder }}' }}{% raw %}{{ nor this }}{% endraw %}",
        "{{ context.since | default('2026-01-01') | date('long') }}",
    ],
)
def test_templates_with_placeholders_filters_and_conditions_are_right(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{% for x in feature.amount %}a{% endfor %}", "a loop is not allowed"),
        ("{{ feature.amount() }}", "a call is not allowed"),
        ("{{ ''.join(['a']) }}", "a call is not allowed"),
        ("{{ cycler('a').next() }}", "a call is not allowed"),
        ("{% macro f() %}{% endmacro %}", "a macro is not allowed"),
        ("{% set x = 1 %}", "an assignment is not allowed"),
        ("{% set x %}a{% endset %}", "an assignment is not allowed"),
        ("{% with x = 1 %}{% endwith %}", "an assignment is not allowed"),
        ("{% include 'a' %}", "an include is not allowed"),
        ("{% import 'a' as b %}", "an import is not allowed"),
        ("{% from 'a' import b %}", "an import is not allowed"),
        ("{% extends 'a' %}", "an `extends` is not allowed"),
        ("{% block a %}{% endblock %}", "a block is not allowed"),
        ("{% filter upper %}a{% endfilter %}", "a block is not allowed"),
        ("{% call f() %}{% endcall %}", "a call is not allowed"),
        ("{{ 'a' if score else 'b' }}", "an `if` within a placeholder is not allowed"),
        ("{{ score * 10 }}", "arithmetic is not allowed"),
        ("{{ 'a' * 1000000000 }}", "arithmetic is not allowed"),
        ("{{ 9 ** 9 ** 9 }}", "arithmetic is not allowed"),
        ("{% if 'a' * 1000000000 == 1 %}{% endif %}", "arithmetic is not allowed"),
        ("{{ action ~ action }}", "`~` is not allowed"),
        ("{{ [1, 2] }}", "`list` is not allowed"),
        ("{{ {'a': 1} }}", "`dict` is not allowed"),
        ("{{ feature }}", "'feature' is no placeholder"),
        ("{{ feature.__class__ }}", "feature.__class__ is no fact of the route"),
        ("{{ score.__class__.__mro__ }}", "'score.__class__.__mro__' is no placeholder"),
        ("{{ ''.__class__ }}", "no placeholder"),
        ("{{ self.x }}", "'self.x' is no placeholder"),
        ("{{ config }}", "'config' is no placeholder"),
        ("{{ feature[action] }}", "'feature[action]' is no placeholder"),
        ("{{ feature.amuont | money }}", "feature.amuont is no fact of the route; did you mean 'feature.amount'?"),
        ("{% if feature.amuont is defined %}x{% endif %}", "feature.amuont is no fact of the route"),
        ("{{ feature.amuont | default(1) }}", "feature.amuont is no fact of the route"),
        ("{{ reasons[20].text }}", "'reasons[20].text' is no placeholder"),
        ("{{ reasons[-1].text }}", "is no placeholder"),
        ("{{ reasons[0].value }}", "'reasons[0].value' is no placeholder"),
        ("{{ reasons }}", "'reasons' is no placeholder"),
        (
            "{{ reasons[0].text }}",
            "reasons[0].text may be missing: write {{ reasons[0].text | default(...) }} or within",
        ),
        ("{{ context.name }}", "context.name may be missing"),
        ("{{ value }}", "value may be missing"),
        ("{{ band }}", "band may be missing"),
        ("{{ profile.spending.spent_30d | money }}", "profile.spending.spent_30d may be missing"),
        (
            "{{ profile.spending.spent_30d | money | default('') }}",
            "the filter default goes directly after a placeholder",
        ),
        ("{% if value > 3 %}x{% endif %}", "value may be missing"),
        ("{% if value is defined or score > 0.5 %}{{ value }}{% endif %}", "value may be missing"),
        ("{% if value > 3 and value is defined %}x{% endif %}", "value may be missing"),
        ("{% if value is defined %}x{% else %}{{ value }}{% endif %}", "value may be missing"),
        ("{% if value is defined %}x{% endif %}{{ value }}", "value may be missing"),
        ("{{ score | round }}", "there is no filter 'round'"),
        ("{{ score | monye }}", "there is no filter 'monye'; did you mean 'money'?"),
        ("{{ action | attr('x') }}", "there is no filter 'attr'"),
        ("{{ score | default }}", "the filter default takes one constant"),
        ("{{ value | default(score) }}", "the argument of the filter default is a constant"),
        ("{{ score | number(decimals=2) }}", "the filter number takes its argument without a name"),
        ("{{ score | number(99) }}", "the filter number takes a number of decimals from 0 to 6"),
        ("{{ score | number(true) }}", "the filter number takes a number of decimals from 0 to 6"),
        ("{{ score | date('x') }}", "the filter date takes short, medium, long or full"),
        ("{{ action | upper(1) }}", "the filter upper takes no argument"),
        ("{{ feature.city | money }}", "feature.city is a text, and the filter money takes a number"),
        ("{{ feature.amount | upper }}", "feature.amount is a number, and the filter upper takes a text"),
        (
            "{{ feature.amount | money | number }}",
            "feature.amount | money is a text, and the filter number takes a number",
        ),
        ("{{ value | default('?') | money }}", "value | default is a text, and the filter money takes a number"),
        ("{% if feature.city > 3 %}x{% endif %}", "feature.city and 3 cannot be compared"),
        ("{% if flag.profile_new > 3 %}x{% endif %}", "flag.profile_new and 3 cannot be compared"),
        ("{% if feature.city in 'abc' %}x{% endif %}", "a list in brackets goes with `in`"),
        ("{% if [1] == score %}x{% endif %}", "a list in brackets goes with `in`"),
        ("{% if score is number %}x{% endif %}", "the test `is number` is not allowed: use `is defined`"),
        ("{% if 1 is defined %}x{% endif %}", "`is defined` goes with a placeholder"),
        ("{{ score", "it is not a template: line 1:"),
        ("a\nb {% if score %}", "it is not a template: line 2:"),
        ("{% nonsense %}", "it is not a template: line 1: Encountered unknown tag 'nonsense'"),
        ("a\x00b", "it has the control character U+0000: remove it"),
        ("a\u202eb", "it has the control character U+202E: remove it"),
        ("a" * 2001, "it has 2,001 characters; at most 2,000 are allowed"),
        ("{{ " + "(" * 900 + "score" + ")" * 900 + " }}", "it nests deeper than 40 levels"),
        ("{% if " + "not " * 400 + "score %}{% endif %}", "it nests deeper than 40 levels"),
        ("{{ score" + ".a" * 900 + " }}", "it nests deeper than 40 levels"),
        ("{{ feature." + "a" * 500 + " }}", "is no fact of the route"),
        ("{{ x" + "x" * 500 + ".y }}", "is no placeholder"),
        ("{% " + "x" * 500 + " %}", "Encountered unknown tag"),
        ("{{ score > " + "9" * 1500 + " }}", "is not allowed"),
        ("{{ score" + " | upper" * 200 + " }}", "it nests deeper than 40 levels"),
        ("{% if score %}" * 60 + "{% endif %}" * 60, "it nests deeper than 40 levels"),
    ],
)
def test_everything_else_is_refused_in_one_line(text: str, problem: str) -> None:
    found = problems(text)
    assert any(problem in each for each in found), found
    assert all("\n" not in each and len(each) < 300 for each in found)


def test_money_needs_a_currency() -> None:
    assert problems("{{ cost | money }}", has_currency=False) == [
        "the filter money needs the policy's `currency`, such as EUR"
    ]


def test_problems_of_a_policy_name_the_place() -> None:
    messages: dict[str, Any] = {
        "nudge": {
            "by": "bucket",
            "variants": {
                "calm": {"en": {"default": "{{ value }}"}},
                "firm": {"en": {"email": "{{ cost | money }}"}, "qqq": {"default": "x"}},
            },
        },
        "offer": {"de": "{% for a in b %}{% endfor %}"},
    }
    found = message_problems(policy_with(CHOOSE, messages=messages), FACTS)
    assert [each.partition(": ")[0] for each in found] == [
        "messages.nudge.calm.en.default",
        "messages.nudge.firm.en.email",
        "messages.nudge.firm.qqq.default",
        "messages.offer.de.default",
    ]
    assert "there is no language 'qqq'" in found[2]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                " if ",
                " endif ",
                "score",
                "feature",
                ".",
                "[",
                "]",
                "(",
                ")",
                "|",
                "default",
                "'",
                "in",
            ]
        )
        | st.text(max_size=3),
        max_size=20,
    ).map("".join)
)
def test_any_text_is_checked_without_an_exception(text: str) -> None:
    assert all("\n" not in each for each in problems(text))
