"""States stay small, whatever the events: hot keys, and more categories than anybody has."""

import math
from collections.abc import Iterable, Mapping

import pytest

from scoreline_registry.profiles.computation.categories import MOST_ENTRIES, MOST_NAMES, capacity, hash_of
from scoreline_registry.profiles.computation.computation import Computation
from scoreline_registry.profiles.computation.state import State
from scoreline_registry.profiles.events import Event
from tests.registry.profiles.computation.samples import DAY, MINUTE, START, computation, purchase

CATEGORIES = (
    "distinct: {aggregate: distinct, field: category, window: 32d, tile: 1d}",
    "rarity: {aggregate: rarity, field: category, window: 32d, tile: 1d}",
    "unseen: {aggregate: unseen, field: category, window: 32d, tile: 1d}",
)
ENTRY_BYTES = 14
"""A hash of 8 bytes and a count, with what msgpack adds."""


def folded(computed: Computation, events: Iterable[Event]) -> State:
    state = computed.empty()
    for event in events:
        computed.fold(state, event)
    return state


def categories(*numbers: int, day: int = 0) -> list[Event]:
    return [purchase(day * DAY + at, None, f"category {n}") for at, n in enumerate(numbers)]


def at_hand(n: int) -> Event:
    return purchase(0, None, f"category {n}")


def test_categories_are_exact_while_no_tile_has_more_than_are_kept() -> None:
    computed = computation(*CATEGORIES)
    state = folded(computed, [*categories(*range(256)), *categories(*range(1, 257), day=1), *categories(999, day=2)])
    at = START + 3 * DAY
    assert computed.view(state, at=at, event=at_hand(0)).numbers == {"distinct": 258, "rarity": 512 / 513, "unseen": 0}
    assert computed.view(state, at=at, event=at_hand(5)).numbers == {"distinct": 258, "rarity": 511 / 513, "unseen": 0}
    assert computed.view(state, at=at, event=at_hand(777)).numbers == {"distinct": 258, "rarity": 1, "unseen": 1}


def test_which_names_are_kept_does_not_depend_on_their_order() -> None:
    computed = computation(*CATEGORIES)
    names = [n * n % 1009 for n in range(1500)]
    states = [folded(computed, categories(*order)) for order in (names, sorted(names), sorted(names)[::-1])]
    readings = [computed.view(state, at=START + DAY, event=at_hand(4)) for state in states]
    assert readings[0] == readings[1] == readings[2]


def check_many_categories(count: int) -> None:
    """Each of ``count`` categories once, in two tiles, and one of them as often as all others together."""
    computed = computation(*CATEGORIES)
    half = count // 2
    events = [*categories(*range(half)), *categories(*range(half, count), day=1), *categories(*[7] * count, day=2)]
    state = folded(computed, events)
    assert len(computed.encode(state)) < 2 * MOST_NAMES * ENTRY_BYTES + 100
    at = START + 3 * DAY
    by_hash = [sorted(range(start, start + count), key=lambda n: hash_of(f"category {n}")) for start in (0, count)]
    probed = [[*names[:400], names[-1]] for names in by_hash]
    seen, new = ([computed.view(state, at=at, event=at_hand(n)).numbers for n in names if n != 7] for names in probed)
    assert seen[0]["distinct"] == pytest.approx(count, rel=4 / math.sqrt(MOST_NAMES))
    assert values(seen, "unseen") == {0, "missing"}
    assert values(seen, "rarity") == {1 - 1 / (2 * count), "missing"}
    assert values(new, "unseen") == values(new, "rarity") == {1, "missing"}
    assert computed.view(state, at=at, event=at_hand(7)).numbers["unseen"] == 0


def values(readings: list[Mapping[str, float]], feature: str) -> set[object]:
    return {"missing" if math.isnan(each[feature]) else each[feature] for each in readings}


def test_with_many_categories_they_are_estimated_in_bounded_bytes() -> None:
    check_many_categories(8_000)


@pytest.mark.acceptance
def test_a_million_categories_take_bounded_bytes() -> None:
    check_many_categories(1_000_000)


@pytest.mark.parametrize(("first", "second", "distinct"), [(400, 400, 600), (300, 1200, 1300)])
def test_an_estimate_over_several_tiles_is_unbiased(first: int, second: int, distinct: int) -> None:
    computed = computation(CATEGORIES[0])
    estimates = []
    for sample in range(20):
        names = range(sample * 2000, sample * 2000 + distinct)
        state = folded(computed, [*categories(*names[:first]), *categories(*names[-second:], day=1)])
        estimates.append(computed.view(state, at=START + 2 * DAY).numbers["distinct"])
    assert sum(estimates) / len(estimates) == pytest.approx(distinct, rel=4 / math.sqrt(20 * MOST_NAMES))


def test_more_tiles_keep_fewer_names_each() -> None:
    assert [capacity(tiles) for tiles in (1, 33, 64, 65, 513)] == [256, 256, 256, 252, 31]
    computed = computation("x: {aggregate: distinct, field: category, window: 512m, tile: 1m}")
    events = [purchase(tile * MINUTE + n, None, f"{tile} {n}") for tile in range(600) for n in range(40)]
    size = len(computed.encode(folded(computed, events)))
    assert size < MOST_ENTRIES * ENTRY_BYTES + 513 * 20


def test_a_hot_key_takes_no_more_bytes_than_its_tiles() -> None:
    features = (
        "n: {aggregate: count, window: 1h, tile: 1m}",
        "spent: {aggregate: sum, field: amount, window: 1h, tile: 1m, events: purchase}",
        "std: {aggregate: std, field: amount, window: 1h, tile: 1m, events: purchase}",
        "hour: {aggregate: hour_rarity, window: 30d}",
        "steps: {aggregate: sequence, events: purchase, fields: [amount, since_previous_seconds], length: 20}",
        "session: {aggregate: count, session: 30m}",
        "lately: {aggregate: mean, field: amount, half_life: 5m, events: purchase}",
    )
    computed = computation(*features)
    events = [purchase(n * MINUTE // 100, n % 7) for n in range(12_000)]
    few, many = [len(computed.encode(folded(computed, some))) for some in (events[::100], events)]
    assert many < few + 4 * 61 + 400 < 4000
