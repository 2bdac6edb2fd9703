"""Pinned readings: a change of the computation is noticed, and is to be declared."""

import hashlib
import json
import random
from collections.abc import Iterator

import numpy as np
import pytest

from scoreline_registry.profiles.computation.computation import Computation, Reading
from scoreline_registry.profiles.events import Event
from scoreline_trainers.families.anomaly.profile import HourRarity
from tests.registry.profiles.computation.samples import DAY, HOUR, START, computation, purchase, read

FEATURES = (
    "purchases: {aggregate: count, events: purchase, window: 30d}",
    "spent: {aggregate: sum, events: purchase, field: amount, window: 30d, tile: 1d}",
    "mean: {aggregate: mean, events: purchase, field: amount, window: 90d}",
    "std: {aggregate: std, events: purchase, field: amount, window: 90d}",
    "least: {aggregate: min, events: purchase, field: amount, window: 7d}",
    "most: {aggregate: max, events: purchase, field: amount, default: 0}",
    "visits: {aggregate: count, half_life: 7d}",
    "spent_lately: {aggregate: sum, events: purchase, field: amount, half_life: 7d}",
    "mean_lately: {aggregate: mean, events: purchase, field: amount, half_life: 7d}",
    "clicks: {aggregate: count, events: click, session: 12h}",
    "clicks_per_hour: {aggregate: rate, events: click, session: 12h, per: hour}",
    "per_day: {aggregate: rate, window: 30d, per: day}",
    "share: {aggregate: share, events: purchase, where: {category: {in: [c1, c2]}}, window: 90d}",
    "categories: {aggregate: distinct, field: category, window: 30d}",
    "last_page: {aggregate: last, events: click, field: page, default: home}",
    "last_amount: {aggregate: last, field: amount, window: 7d}",
    "since_click: {aggregate: time_since_last, events: click}",
    "age_days: {aggregate: time_since_first, unit: days}",
    "steps: {aggregate: sequence, events: purchase, fields: [amount, category, since_previous_seconds], length: 5}",
    "near: {aggregate: neighbors, field: referrer, most: 4, features: [purchases]}",
    "amount_z: {aggregate: z_score, events: purchase, field: amount, window: 90d}",
    "rarity: {aggregate: rarity, field: category, window: 365d}",
    "unseen: {aggregate: unseen, field: category, window: 30d}",
    "hour: {aggregate: hour_rarity, events: purchase}",
    "hour_of_day: {aggregate: hour}",
    "weekday: {aggregate: weekday}",
    "risk: {aggregate: lookup, field: method, values: {card: 0.1}, default: 0.5}",
    "urgent: {aggregate: flag, when: {since_click: {lt: 40000}, event.amount: {gt: 50}, last_page: {eq: cart}}}",
    "ratio: {aggregate: ratio, of: event.amount, to: mean, default: 1}",
)
GOLDEN = "a6096b4c2c1ff7122c9ac0d79293cd0ca387940bf3bfb5452ab8e770cc9f3fc8"
"""When it changes, features have other values than those that models were trained on: raise COMPUTATION in
``profiles/digests.py``, so that routes ask for models that are trained anew."""


def stream() -> Iterator[Event]:
    """300 events of one customer over about two years, drawn by ``random()`` alone, which all Pythons have alike."""
    draw = random.Random(13).random
    time = START
    for n in range(300):
        time += int(draw() ** 4 * 12 * DAY) if n % 7 else 0
        kind = ("purchase", "click", "referral")[int(draw() * 3)]
        fields: dict[str, dict[str, float | str]] = {
            "purchase": {"amount": round(draw() * 90, 2), "category": f"c{int(draw() * 5)}", "method": "card"},
            "click": {"page": ("home", "cart", "food")[int(draw() * 3)], "dwell": draw() * 60},
            "referral": {"referrer": f"u{int(draw() * 12)}"},
        }
        yield Event("ada", f"{n:03}", time, kind, fields[kind])


def readings(computed: Computation) -> Iterator[Reading]:
    state = computed.empty()
    for event in stream():
        yield computed.view(state, at=event.time, event=event)
        computed.fold(state, event)


def test_the_readings_of_a_fixed_stream_are_those_of_earlier_releases() -> None:
    """In 12 digits: the last bits of powers and logarithms are the C library's."""
    digest = hashlib.sha256()
    for reading in readings(computation(*FEATURES)):
        numbers = {name: f"{number:.12g}" for name, number in reading.numbers.items()}
        parts = [numbers, reading.categories, reading.sequences, reading.neighbors, reading.is_new]
        digest.update(json.dumps(parts, sort_keys=True).encode())
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("count", [0, 1, 30])
def test_hour_rarity_is_that_of_the_family_with_equal_shares_of_hours(count: int) -> None:
    draw = random.Random(count).random
    computed = computation("x: {aggregate: hour_rarity}")
    events = [purchase(day * DAY + int(draw() * 96) * HOUR // 4) for day in range(count)]
    hand = purchase(count * DAY + 5 * HOUR)
    hours = np.array([[event.time % DAY / HOUR for event in events] or [0.0]], np.float32)
    family = HourRarity(np.full(25, 1 / 24), window=2.0, strength=5.0)
    wanted = family.apply(np.array([5.0], np.float32), hours, np.full(hours.shape, bool(events)))
    assert read(computed, events, at=count * DAY + 5 * HOUR, event=hand).numbers["x"] == pytest.approx(wanted[0])
