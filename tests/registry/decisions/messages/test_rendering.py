"""Messages as they are written."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.deciding.proposal import Candidate
from scoreline_registry.decisions.messages.message import Message
from scoreline_registry.decisions.messages.rendering import CompiledMessages
from scoreline_registry.decisions.messages.templates import MAX_MESSAGE
from tests.registry.decisions.policies import CHOOSE, policy_with

NUDGE = Candidate("nudge", 1.0, 2.5, 12.345)
FACTS: Mapping[str, Any] = {
    "score": 0.4567,
    "feature.amount": 1234.5,
    "feature.monthly fee": -0.001,
    "feature.city": "Köln",
    "profile.spending.spent_30d": 99.0,
    "flag.fallback": False,
    "context.day": "2026-03-29",
    "context.seconds": 1774742400,
}


@dataclass(frozen=True)
class Reason:
    text: str
    input: str
    direction: str


REASONS = (Reason("You spent more than usual.", "amount", "raises"), Reason("It is late.", "hour", "raises"))


def messages(texts: Mapping[str, Any], **changes: Any) -> CompiledMessages:
    return CompiledMessages(policy_with(CHOOSE, messages={"nudge": texts}, **{"currency": "EUR", **changes}))


def written(text: str, language: str = "en", facts: Mapping[str, Any] = FACTS) -> str:
    """The text of a template for a case."""
    found = messages({language: {"default": text}}).write(NUDGE, facts, language=language, reasons=REASONS)
    assert found is not None
    assert found.problem == ""
    assert found.language == language
    return found.text


@pytest.mark.parametrize(
    ("template", "english", "german"),
    [
        ("{{ feature.amount | money }}", "€1,234.50", "1.234,50 €"),
        ("{{ feature.amount | money(0) }}", "€1,234", "1.234 €"),
        ('{{ feature["monthly fee"] | money }}', "€0.00", "0,00 €"),
        ("{{ cost | money }} {{ action }}", "€2.50 nudge", "2,50 € nudge"),
        ("{{ value | default(0) | number(1) }}", "12.3", "12,3"),
        ("{{ feature.amount }} {{ feature.amount | number }}", "1,234.5 1,234.5", "1.234,5 1.234,5"),
        ("{{ score | percent }} {{ score | percent(1) }}", "46% 45.7%", "46 % 45,7 %"),
        ("{{ context.day | default('') | date }}", "Mar 29, 2026", "29.03.2026"),
        ("{{ context.day | default('') | date('long') }}", "March 29, 2026", "29. März 2026"),
        ("{{ context.seconds | default(0) | date('short') }}", "3/29/26", "29.03.26"),
        ("{{ flag.fallback }} {{ feature.city | upper }}", "false KÖLN", "false KÖLN"),
        ("{{ context.name | default('friend') }}", "friend", "friend"),
        ("{{ context.name | default(7.5) }}", "7.5", "7,5"),
    ],
)
def test_values_are_written_as_the_language_writes_them(template: str, english: str, german: str) -> None:
    assert written(template).replace("\xa0", " ") == english
    assert written(template, "de").replace("\xa0", " ") == german


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% if score >= 0.4 %}high{% elif score > 0.2 %}middle{% else %}low{% endif %}", "high"),
        ("{% if context.name is defined %}{{ context.name }}{% else %}you{% endif %}", "you"),
        (
            "{% if reasons[1] is defined %}{{ reasons[1].text }} ({{ reasons[1].input }}){% endif %}",
            "It is late. (hour)",
        ),
        ("{% if reasons[2] is defined %}{{ reasons[2].text }}{% else %}no third{% endif %}", "no third"),
        ("{% if feature.city in ['Köln', 'Bonn'] and not flag.fallback %}near{% endif %}", "near"),
        ("{% if 0 < score < 0.1 or profile.spending.spent_30d == 99 %}yes{% endif %}", "yes"),
        ("  a {% if score > 1 %}b{% endif %}  c \n", "a c"),
        ("line\nline {{ '{{' }} {% raw %}{{ raw }}{% endraw %} <b>&</b>", "line\nline {{ {{ raw }} <b>&</b>"),
    ],
)
def test_conditions_and_reasons_are_read(template: str, text: str) -> None:
    assert written(template) == text


def test_values_cannot_add_lines_marks_or_markup_of_the_template() -> None:
    hostile = "a\r\nBcc: x\x00\x1b[31m\u202e\u2066{{ score }}{% raw %}\ud800" + "x" * 1000
    found = written("To {{ feature.city }}.", facts={**FACTS, "feature.city": hostile})
    assert found.startswith("To aBcc: x[31m{{ score }}{% raw %}xxx")
    assert len(found) < 600
    found.encode()


def test_a_long_message_is_cut() -> None:
    found = written("{{ feature.city }}" * 100, facts={**FACTS, "feature.city": "x" * 500})
    assert len(found) == MAX_MESSAGE
    assert found.endswith("x…")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_a_value_that_is_missing_is_a_problem_and_no_exception(value: float | None) -> None:
    found = messages({"en": {"default": "{{ feature.amount | money }}"}}).write(NUDGE, {"feature.amount": value})
    assert found is not None
    assert (found.text, found.language) == ("", "en")
    assert "feature.amount" in found.problem


LANGUAGES = {
    "en": {"default": "english", "push": "english push"},
    "de": {"default": "deutsch"},
    "de-CH": {"default": "schweiz"},
    "fr": {"email": "courriel"},
    "pt-BR": {"default": "brasil"},
}


@pytest.mark.parametrize(
    ("wanted", "context", "channel", "text"),
    [
        ("", None, None, "english"),
        ("", None, "push", "english push"),
        ("de", None, "push", "deutsch"),
        ("de-AT", None, None, "deutsch"),
        ("de_ch", None, None, "schweiz"),
        ("DE-ch-1901", None, None, "schweiz"),
        ("", "de-AT", None, "deutsch"),
        ("en", "de-AT", None, "english"),
        ("it", "de", None, "deutsch"),
        ("it", None, None, "english"),
        ("fr", None, "email", "courriel"),
        ("fr", "de", "push", "deutsch"),
        ("pt", None, None, "english"),
        ("pt-BR", None, None, "brasil"),
        ("x" * 1000, 7, None, "english"),
        ("-", "--", None, "english"),
    ],
)
def test_the_nearest_language_with_a_text_for_the_channel_is_written(
    wanted: str, context: Any, channel: str | None, text: str
) -> None:
    policy = messages(LANGUAGES, language={"context": "language", "default": "en"})
    found = policy.write(NUDGE, {"context.language": context}, language=wanted, channel=channel)
    assert found is not None
    assert found.text == text


def test_without_a_text_that_suits_there_is_no_message() -> None:
    policy = messages({"de": {"push": "deutsch"}})
    assert policy.write(NUDGE, FACTS, channel="push") is None
    assert policy.write(NUDGE, FACTS, language="de") is None
    assert policy.write(Candidate("offer", 1.0, 1.0), FACTS, language="de") is None
    assert policy.write(NUDGE, FACTS, language="de", channel="push") == Message("deutsch", "de")


def test_variants_have_texts_of_their_own() -> None:
    policy = messages({"variants": {"calm": {"en": {"default": "calm"}}, "firm": {"en": {"default": "firm"}}}})
    found = [policy.write(Candidate("nudge", 1.0, 1.0, variant=name), FACTS) for name in ("calm", "firm", "")]
    assert [each and each.text for each in found] == ["calm", "firm", None]


def test_the_reasons_that_templates_name_are_known() -> None:
    assert messages({"en": {"default": "{{ reasons[2].text | default('') }}"}}).reasons == 3
    assert messages({"en": {"default": "{{ score }}"}}).reasons == 0


def test_dates_that_are_none_are_a_problem() -> None:
    for value in ("no date", 1e300, -1e14, True):
        found = messages({"en": {"default": "{{ context.day | date }}"}}).write(NUDGE, {"context.day": value})
        assert found is not None
        assert found.problem


scalars = st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-(2**53), 2**53), st.text(max_size=20))
EVERY_FILTER = messages(
    {
        "en": {
            "default": "{{ feature.amount | money }} {{ feature.city | title }} {{ context.day | date }}",
            "push": "{{ feature.city | trim }} {{ feature.amount }}",
        }
    }
)


@settings(max_examples=100, deadline=None)
@given(amount=scalars, city=scalars, day=scalars, language=st.text(max_size=8), channel=st.sampled_from(["", "push"]))
def test_no_value_raises_or_brings_in_a_control_character(
    amount: Any, city: Any, day: Any, language: str, channel: str
) -> None:
    facts = {"feature.amount": amount, "feature.city": city, "context.day": day}
    found = EVERY_FILTER.write(NUDGE, facts, language=language, channel=channel)
    assert found is not None
    assert not (found.text and found.problem)
    assert not any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in found.text)
    found.text.encode()


@pytest.mark.parametrize(
    "text", ["{% for x in 'ab' %}{{ x }}{% endfor %}", "{{ ''.join(['a']) }}", "{{ score", "{{ cost | money }}"]
)
def test_a_template_that_no_check_would_have_passed_never_runs(text: str) -> None:
    found = messages({"en": {"default": text}}, currency=None).write(NUDGE, FACTS)
    assert found is not None
    assert found.text == ""
    assert found.problem


def test_many_templates_are_compiled_when_they_are_written() -> None:
    languages = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da")
    texts = {
        language: {f"c{number}": f"{language} {number} {{{{ cost }}}}" for number in range(21)}
        for language in languages
    }
    policy = messages(texts)
    found = [policy.write(NUDGE, FACTS, language=language, channel="c20") for language in languages]
    assert [each and each.text for each in found] == [
        f"{language} 20 {'2.5' if language == 'en' else '2,5'}" for language in languages
    ]
