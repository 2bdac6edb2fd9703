"""States: their bytes, and what becomes of them when the profile changes."""

import statistics

import msgpack
import pytest

from scoreline_registry.profiles.computation.state import StateFormatError
from tests.registry.profiles.computation.samples import DAY, START, computation, purchase, read

COUNT = "n: {aggregate: count, events: purchase, window: 30d, tile: 1d}"
SPENT = "spent: {aggregate: sum, events: purchase, field: amount}"
STD = "std: {aggregate: std, events: purchase, field: amount}"
EVENTS = [purchase(day * DAY, day) for day in range(5)]


def test_folding_at_once_and_step_by_step_gives_the_same_bytes() -> None:
    computed = computation(COUNT, SPENT, STD)
    at_once, place, rest = computed.advance(b"", EVENTS[::-1], until=START + 5 * DAY)
    assert place == EVENTS[-1].place
    assert not rest
    folded, waiting = b"", list(EVENTS)
    for day in range(6):
        folded, _, waiting = computed.advance(folded, waiting, until=START + day * DAY)
    assert folded == at_once


def test_events_of_one_time_are_folded_by_their_ids() -> None:
    computed = computation("last: {aggregate: last, events: purchase, field: amount}")
    events = [purchase(0, n, name=name) for n, name in enumerate("cab")]
    for given in (events, events[::-1]):
        folded, place, _ = computed.advance(b"", given, until=START + 1)
        assert place == (START, "c")
        assert computed.read(folded, [], at=START + 1).numbers == {"last": 0}


def test_advancing_without_an_event_keeps_the_bytes() -> None:
    computed = computation(COUNT)
    assert computed.advance(b"anything", EVENTS, until=START) == (b"anything", None, EVENTS)


def test_a_feature_that_is_added_starts_empty_and_the_others_go_on() -> None:
    folded, _, _ = computation(COUNT, STD).advance(b"", EVENTS, until=START + 4 * DAY)
    changed = computation(SPENT, COUNT)
    reading = changed.read(folded, EVENTS[4:], at=START + 5 * DAY)
    assert reading.numbers == {"spent": 4, "n": 5}


def test_a_feature_that_is_removed_and_comes_back_starts_empty() -> None:
    """Its state would lack the events that were folded without it."""
    both, only = computation(COUNT, SPENT), computation(COUNT)
    folded, _, rest = both.advance(b"", EVENTS, until=START + 3 * DAY)
    folded, _, rest = only.advance(folded, rest, until=START + 4 * DAY)
    assert both.read(folded, rest, at=START + 5 * DAY).numbers == {"n": 5, "spent": 4}


def test_features_that_need_the_same_share_one_series() -> None:
    alone = computation(COUNT, SPENT)
    shared = computation(
        COUNT,
        "fewer: {aggregate: count, events: purchase, window: 7d, tile: 1d}",
        "rate: {aggregate: rate, events: purchase, per: day, window: 9d, tile: 1d}",
        SPENT,
        "mean: {aggregate: mean, events: purchase, field: amount}",
    )
    until = START + 9 * DAY
    assert shared.advance(b"", EVENTS, until=until)[0] == alone.advance(b"", EVENTS, until=until)[0]


def test_tiles_beyond_the_longest_window_are_dropped() -> None:
    computed = computation(COUNT, "week: {aggregate: mean, events: purchase, field: amount, window: 7d, tile: 1h}")
    sizes = []
    for first in (0, 3650):
        events = [purchase((first + day) * DAY, 1.5) for day in range(50)]
        sizes.append(len(computed.advance(b"", events, until=START + 3700 * DAY)[0]))
    assert sizes[0] == sizes[1] < 700


@pytest.mark.parametrize(("window", "tile"), [(6, 1), (7, 2), (7, 3), (5, 5)])
def test_no_tile_is_dropped_that_a_window_still_covers(window: int, tile: int) -> None:
    span = f"window: {window}d, tile: {tile}d"
    computed = computation(
        f"n: {{aggregate: count, {span}}}",
        f"sum: {{aggregate: sum, events: purchase, field: amount, {span}}}",
        f"least: {{aggregate: min, events: purchase, field: amount, {span}}}",
        f"most: {{aggregate: max, events: purchase, field: amount, {span}}}",
        f"std: {{aggregate: std, events: purchase, field: amount, {span}}}",
        f"distinct: {{aggregate: distinct, field: category, {span}}}",
        f"age: {{aggregate: time_since_first, unit: days, {span}}}",
    )
    state, events = computed.empty(), [purchase(day * DAY, day, f"c{day}") for day in range(40)]
    for day, event in enumerate(events):
        computed.fold(state, event)
        at = START + day * DAY + 1
        first = max(0, (at - window * DAY) // (tile * DAY) * tile - START // DAY)
        numbers = range(first, day + 1)
        reading = computed.view(state, at=at).numbers
        assert reading["n"] == reading["distinct"] == len(numbers)
        assert (reading["sum"], reading["least"], reading["most"]) == (sum(numbers), first, day)
        assert reading["std"] == pytest.approx(statistics.pstdev(numbers))
        assert reading["age"] == pytest.approx(day - first, abs=1e-9)


def test_an_event_of_a_type_or_field_that_the_profile_no_longer_has_changes_nothing() -> None:
    computed = computation(COUNT, SPENT)
    assert read(computed, [purchase(0, 1)._replace(type="sale")], at=1).is_new
    mistyped = purchase(0)._replace(fields={"amount": "12", "gone": 1.0})
    assert read(computed, [mistyped], at=1).numbers == {"n": 1, "spent": 0}


def test_bytes_of_a_newer_release_are_refused() -> None:
    with pytest.raises(StateFormatError, match="has format 2, and this release reads 1: upgrade Scoreline"):
        computation(COUNT).decode(msgpack.packb([2, {"other": "layout"}]))


@pytest.mark.parametrize("damaged", [b"\xc1", b"no state", msgpack.packb([1, 2]), msgpack.packb({"a": 1})])
def test_damaged_bytes_are_refused(damaged: bytes) -> None:
    with pytest.raises(StateFormatError, match="damaged: rebuild the profile"):
        computation(COUNT).decode(damaged)
    folded, _, _ = computation(COUNT).advance(b"", EVENTS, until=START + 3 * DAY)
    with pytest.raises(StateFormatError, match="damaged"):
        computation(COUNT).decode(folded[:-1])
