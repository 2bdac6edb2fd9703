"""Each aggregate on events whose features can be counted by hand."""

import math

import pytest

from scoreline_registry.profiles.computation.compiling import compile_profile
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile_file import read_profile
from tests.registry.profiles.computation.samples import (
    DAY,
    EVENTS,
    HOUR,
    MINUTE,
    SECOND,
    START,
    click,
    computation,
    purchase,
    read,
)

FIVE = [
    purchase(0, 10, "food"),
    purchase(DAY, 20, "food"),
    purchase(2 * DAY, 60, "toys"),
    purchase(2 * DAY + HOUR, None, "food"),
    click(3 * DAY),
]


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("{aggregate: count}", 5),
        ("{aggregate: count, events: purchase}", 4),
        ("{aggregate: count, events: [click, purchase], where: {category: {eq: food}}}", 3),
        ("{aggregate: count, events: purchase, window: 2d, tile: 1d}", 2),
        ("{aggregate: sum, events: purchase, field: amount}", 90),
        ("{aggregate: sum, events: purchase, field: amount, window: 3d, tile: 1d}", 80),
        ("{aggregate: mean, events: purchase, field: amount}", 30),
        ("{aggregate: mean, events: purchase, field: amount, window: 3d, tile: 1d}", 40),
        ("{aggregate: std, events: purchase, field: amount}", math.sqrt((400 + 100 + 900) / 3)),
        ("{aggregate: std, events: purchase, field: amount, window: 3d, tile: 1d}", 20),
        ("{aggregate: min, events: purchase, field: amount}", 10),
        ("{aggregate: min, events: purchase, field: amount, window: 3d, tile: 1d}", 20),
        ("{aggregate: max, events: purchase, field: amount}", 60),
        ("{aggregate: max, events: purchase, field: amount, window: 2d, tile: 1d}", 60),
        ("{aggregate: last, events: purchase, field: amount}", 60),
        ("{aggregate: last, events: purchase, field: amount, window: 1d}", math.nan),
        ("{aggregate: distinct, events: purchase, field: category}", 2),
        ("{aggregate: distinct, events: purchase, field: category, window: 1d}", 0),
        ("{aggregate: share, events: purchase, where: {category: {eq: food}}}", 0.75),
        ("{aggregate: share, events: purchase, where: {category: {eq: food}}, window: 3d, tile: 1d}", 2 / 3),
        ("{aggregate: rate, events: purchase, per: day}", 1),
        ("{aggregate: rate, events: purchase, per: hour, window: 3d, tile: 1d}", 3 / 72),
        ("{aggregate: rate, events: purchase, per: day, window: 1d}", 0),
        ("{aggregate: time_since_last, unit: hours}", 24),
        ("{aggregate: time_since_last, events: purchase}", 47 * 3600),
        ("{aggregate: time_since_last, events: purchase, window: 1d}", math.nan),
        ("{aggregate: time_since_first, unit: days}", 4),
        ("{aggregate: time_since_first, unit: days, window: 3d, tile: 1d}", 3),
        ("{aggregate: count, events: purchase, half_life: 1d}", 2**-4 + 2**-3 + 2**-2 + 2 ** (-47 / 24)),
        ("{aggregate: sum, events: purchase, field: amount, half_life: 1d}", 10 / 16 + 20 / 8 + 60 / 4),
        ("{aggregate: mean, events: purchase, field: amount, half_life: 1d}", (10 / 16 + 20 / 8 + 60 / 4) / (7 / 16)),
    ],
)
def test_a_feature_is_what_its_definition_says(feature: str, expected: float) -> None:
    got = read(computation(f"x: {feature}"), FIVE, at=4 * DAY).numbers["x"]
    assert got == pytest.approx(expected, rel=1e-12, nan_ok=True)


VISIT = [
    purchase(0, 5),
    click(HOUR),
    click(HOUR + 29 * MINUTE),
    purchase(HOUR + 59 * MINUTE, 7),
    purchase(HOUR + 60 * MINUTE, 9),
]
"""A session of an hour, after an earlier one."""


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("{aggregate: count, session: 30m}", 4),
        ("{aggregate: count, events: click, session: 30m}", 2),
        ("{aggregate: sum, events: purchase, field: amount, session: 30m}", 16),
        ("{aggregate: std, events: purchase, field: amount, session: 30m}", 1),
        ("{aggregate: last, events: purchase, field: amount, session: 30m}", 9),
        ("{aggregate: time_since_first, session: 30m, unit: minutes}", 65),
        ("{aggregate: time_since_last, events: click, session: 30m, unit: minutes}", 36),
        ("{aggregate: rate, events: click, session: 30m, per: minute}", 2 / 65),
        ("{aggregate: rate, events: click, session: 30m, per: day}", 2),
        ("{aggregate: share, where: {amount: {gte: 9}}, session: 30m}", 1 / 4),
        ("{aggregate: count, session: 4m}", 0),
        ("{aggregate: count, session: 5m}", 2),
        ("{aggregate: sum, events: purchase, field: amount, session: 1h}", 21),
    ],
)
def test_a_session_is_a_run_of_events_of_any_type(feature: str, expected: float) -> None:
    got = read(computation(f"x: {feature}"), VISIT, at=2 * HOUR + 5 * MINUTE).numbers["x"]
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("{aggregate: z_score, events: purchase, field: amount}", (50 - 30) / math.sqrt(1400 / 3)),
        ("{aggregate: z_score, events: purchase, field: amount, window: 3d, tile: 1d}", 0.5),
        ("{aggregate: z_score, events: purchase, field: amount, window: 2d, tile: 1d}", math.nan),
        ("{aggregate: z_score, events: purchase, field: amount, where: {category: {eq: food}}}", math.nan),
        ("{aggregate: rarity, events: purchase, field: category}", 0.75),
        ("{aggregate: rarity, events: purchase, field: category, window: 1d}", 1),
        ("{aggregate: unseen, events: purchase, field: category}", 0),
        ("{aggregate: unseen, events: purchase, field: category, window: 1d}", 1),
        ("{aggregate: unseen, events: click, field: page}", math.nan),
        ("{aggregate: lookup, field: category, values: {toys: 0.25}}", 0.25),
        ("{aggregate: lookup, field: category, values: {food: 0.25}}", math.nan),
        ("{aggregate: lookup, field: category, values: {food: 0.25}, default: 1}", 1),
        ("{aggregate: flag, when: {event.amount: {gt: 40}, event.category: {eq: toys}}}", 1),
        ("{aggregate: flag, when: {event.page: {exists: true}}}", 0),
        ("{aggregate: ratio, of: event.amount, to: 100}", 0.5),
    ],
)
def test_the_event_at_hand_is_compared_with_the_past(feature: str, expected: float) -> None:
    computed = computation(f"x: {feature}")
    got = read(computed, FIVE, at=4 * DAY, event=purchase(4 * DAY, 50, "toys")).numbers["x"]
    assert got == pytest.approx(expected, rel=1e-12, nan_ok=True)
    without = 1 if "default" in feature else 0 if "flag" in feature else math.nan
    assert read(computed, FIVE, at=4 * DAY).numbers["x"] == pytest.approx(without, nan_ok=True)


def test_hours_and_days_are_those_of_the_profiles_time_zone() -> None:
    wednesday = 1_773_871_200_000_000  # 2026-03-18 22:00 UTC
    text = EVENTS.replace("keep", "timezone_offset_minutes: 150\nkeep")
    text += "  hour: {aggregate: hour}\n  day: {aggregate: weekday}\n  of_click: {aggregate: weekday, events: click}\n"
    computed = compile_profile(read_profile(text, source="zone"))
    hand = Event("ada", "", wednesday, "purchase", {})
    numbers = computed.read(b"", (), at=wednesday, event=hand).numbers
    assert (numbers["hour"], numbers["day"]) == (0.5, 3)
    assert math.isnan(numbers["of_click"])


def test_a_derived_feature_sees_defaults() -> None:
    computed = computation(
        "spent: {aggregate: mean, events: purchase, field: amount, default: 8}",
        "page: {aggregate: last, events: click, field: page, default: none}",
        "half: {aggregate: ratio, of: spent, to: 2}",
        "nothing: {aggregate: ratio, of: 1, to: event.amount, default: -1}",
        "is_low: {aggregate: flag, when: {half: {lt: 5}, page: {eq: none}}}",
    )
    reading = read(computed, [], at=0, event=purchase(0, 0))
    assert reading.numbers == {"spent": 8, "half": 4, "nothing": -1, "is_low": 1}
    assert reading.categories == {"page": "none"}


def test_a_sequence_holds_the_last_events_oldest_first() -> None:
    feature = (
        "steps: {aggregate: sequence, events: purchase, fields: [category, since_previous_seconds, amount], length: 2}"
    )
    computed = computation(feature)
    assert read(computed, FIVE[:1], at=1).sequences["steps"] == [{"category": "food", "amount": 10}]
    assert read(computed, FIVE, at=4 * DAY).sequences["steps"] == [
        {"category": "toys", "since_previous_seconds": 86_400, "amount": 60},
        {"category": "food", "since_previous_seconds": 3_600},
    ]


def test_neighbors_are_the_entities_that_were_named_last() -> None:
    computed = computation(
        "n: {aggregate: count}", "near: {aggregate: neighbors, field: referrer, most: 3, features: [n]}"
    )
    named = ["eva", "bob", "eva", "cid", "dan"]
    events = [Event("ada", name + str(i), START + i, "referral", {"referrer": name}) for i, name in enumerate(named)]
    assert read(computed, events, at=SECOND).neighbors["near"] == ("dan", "cid", "eva")


def test_the_last_value_at_equal_times_is_that_of_the_last_id() -> None:
    computed = computation("page: {aggregate: last, events: click, field: page}")
    events = [Event("ada", name, START, "click", {"page": name}) for name in ("b", "c", "a")]
    assert read(computed, events, at=1).categories["page"] == "c"


def test_an_event_at_the_time_of_a_reading_is_not_in_it() -> None:
    computed = computation("n: {aggregate: count}", "age: {aggregate: time_since_first}")
    assert read(computed, [purchase(5)], at=5).is_new
    assert not read(computed, [purchase(5)], at=6).is_new
    assert read(computed, [purchase(5)], at=6).numbers == {"n": 1, "age": 1e-6}


def test_events_before_1970_are_in_tiles_too() -> None:
    computed = computation(
        "n: {aggregate: count, window: 2s, tile: 1s}",
        "ever: {aggregate: count}",
    )
    state = computed.empty()
    for time in (-5 * SECOND, -2 * SECOND - 1, -2 * SECOND, -1):
        computed.fold(state, Event("ada", str(time), time, "click", {}))
    assert computed.view(state, at=0).numbers == {"n": 2, "ever": 4}
    assert computed.view(state, at=SECOND).numbers == {"n": 1, "ever": 4}
