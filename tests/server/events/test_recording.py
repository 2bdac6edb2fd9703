"""The recorder over a real store: what it keeps, refuses, counts and folds."""

import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.errors import DamagedEntitiesError, ProfileStoreError
from scoreline_server.events.folding import CROWDED, MOST_PENDING
from scoreline_server.events.recording import Recorder
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import Offset, Receipt
from tests.server.events.spending import DAY, HOUR, SECOND, Counted, purchase, spending

START = 1_793_491_200 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "profiles.sqlite", synchronous="normal")
    yield opened
    opened.close()


def recorder(store: SqliteStore, counted: Counted, *, at: int = START) -> Recorder:
    """A recorder whose clock stands."""
    return Recorder(store, counting=counted, now=lambda: at)


def spent(store: SqliteStore, entity: str, at: int) -> float:
    """What an entity has spent by a time."""
    profile = spending()
    stored = store.read(profile.name, [entity])[entity]
    return profile.computation.read(stored.folded, stored.pending, at=at).numbers["spent_30d"]


def test_results_are_in_order_and_counted(store: SqliteStore) -> None:
    counted, profile = Counted(), spending()
    events: list[Event | EventError]
    events = [purchase("ann", 1, START - SECOND), EventError("amount", "is not a number"),
              purchase("ann", 1, START - SECOND), purchase("ann", 2, START - 2 * HOUR),
              purchase("bob", 3, START + DAY)]  # fmt: skip
    results = recorder(store, counted).record(profile, events)
    assert results[:4] == [Receipt.KEPT, events[1], Receipt.REPEATED, Receipt.LATE]
    assert str(results[4]) == "time: is 24 hours in the future: send events once they happened"
    assert counted.results == {"kept": 1, "repeated": 1, "late": 1, "refused": 2}
    assert counted.ages == [1.0]
    assert list(store.entities("spending")) == ["ann"]


def test_an_event_may_be_as_far_ahead_as_the_profile_says(store: SqliteStore) -> None:
    profile, counted = spending(), Counted()
    edge = [purchase("ann", 1, START + profile.future), purchase("ann", 2, START + profile.future + 1)]
    first, second = recorder(store, counted).record(profile, edge)
    assert first is Receipt.KEPT
    assert isinstance(second, EventError)


def damage(store: SqliteStore, entity: str) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE entities SET pending = x'c1' WHERE entity = ?", (entity,))
    connection.close()


def test_a_damaged_entity_is_refused_and_the_others_of_its_call_are_kept(store: SqliteStore) -> None:
    profile, counted = spending(), Counted()
    record = recorder(store, counted).record
    record(profile, [purchase("ann", 1, START - SECOND)])
    damage(store, "ann")
    events = [purchase(name, number, START - SECOND) for number in (2, 3) for name in ("ann", "bob")]
    with pytest.raises(DamagedEntitiesError):
        record(profile, events, offsets=[Offset("group", "topic", 0, 5)])
    assert store.offsets("group") == {}
    first, second, third, fourth = record(profile, events)
    assert (second, fourth) == (Receipt.KEPT, Receipt.KEPT)
    assert [str(each) for each in (first, third)] == [
        "entity_id: is damaged in the store: forget it, or restore the store from a backup"
    ] * 2
    assert counted.results == {"kept": 3, "repeated": 0, "late": 0, "refused": 2}
    assert spent(store, "bob", START) == 2


def test_events_of_a_crowded_entity_are_folded_and_read_the_same(store: SqliteStore) -> None:
    profile, counted = spending(), Counted()
    events = [purchase("ann", number, START + number * HOUR) for number in range(CROWDED + 1)]
    record = recorder(store, counted, at=START + 10 * DAY).record
    record(profile, events[:CROWDED])
    assert len(store.read("spending", ["ann"])["ann"].pending) == CROWDED
    record(profile, events[CROWDED:])
    stored = store.read("spending", ["ann"])["ann"]
    assert [event.id for event in stored.pending] == ["p-15", "p-16"]
    assert stored.folded_until == events[14].place
    assert spent(store, "ann", START + 10 * DAY) == CROWDED + 1
    assert counted.early == 0


@pytest.mark.timeout(60)
def test_a_call_may_crowd_more_entities_than_are_folded_at_once(store: SqliteStore) -> None:
    profile, counted = spending(), Counted()
    names = [f"e{number}" for number in range(300)]
    events = [purchase(name, number, START + number * HOUR) for number in range(CROWDED + 1) for name in names]
    assert set(recorder(store, counted, at=START + 10 * DAY).record(profile, events)) == {Receipt.KEPT}
    assert {len(stored.pending) for stored in store.read("spending", names).values()} == {2}


def test_pending_events_of_a_hot_key_are_bounded_and_nothing_is_lost(store: SqliteStore) -> None:
    profile, counted = spending(), Counted()
    events = [purchase("hot", number, START + number) for number in range(3000)]
    hot = recorder(store, counted, at=START + DAY)
    most = 0
    for start in range(0, len(events), 40):
        assert hot.record(profile, events[start : start + 40]) == [Receipt.KEPT] * len(events[start : start + 40])
        most = max(most, len(store.read("spending", ["hot"])["hot"].pending))
    assert most <= MOST_PENDING + 40
    assert spent(store, "hot", START + DAY) == 3000
    assert counted.early > 2000


def test_events_of_one_moment_are_folded_together(store: SqliteStore) -> None:
    profile, counted = spending(), Counted()
    events = [purchase("hot", number, START) for number in range(MOST_PENDING + 50)]
    assert set(recorder(store, counted).record(profile, events)) == {Receipt.KEPT}
    assert store.read("spending", ["hot"])["hot"].pending == []
    assert spent(store, "hot", START + 1) == MOST_PENDING + 50
    assert recorder(store, counted).record(profile, [purchase("hot", 9999, START)]) == [Receipt.KEPT]


@pytest.mark.parametrize("seed", range(2))
def test_any_order_within_the_lateness_gives_the_state_of_the_right_order(store: SqliteStore, seed: int) -> None:
    profile, chance = spending(), random.Random(seed)
    events = [purchase("ann", number, START + number * 60 * SECOND, amount=chance.random()) for number in range(120)]
    shuffled = sorted(events, key=lambda event: event.time + chance.random() * HOUR)
    record = recorder(store, Counted(), at=START + DAY).record
    for event in shuffled:
        assert record(profile, [event, event]) == [Receipt.KEPT, Receipt.REPEATED]
    state = profile.computation.empty()
    for event in events:
        profile.computation.fold(state, event)
    stored = store.read("spending", ["ann"])["ann"]
    live = profile.computation.read(stored.folded, stored.pending, at=START + DAY)
    assert repr(live) == repr(profile.computation.view(state, at=START + DAY))


def test_offsets_are_kept_with_events_and_without(store: SqliteStore) -> None:
    profile, record = spending(), recorder(store, Counted()).record
    record(profile, [purchase("ann", 1, START)], offsets=[Offset("c", "events", 0, 7)])
    assert store.offsets("c") == {("events", 0): 7}
    record(profile, [EventError("id", "is missing")], offsets=[Offset("c", "events", 0, 8)])
    assert store.offsets("c") == {("events", 0): 8}


class Failing(SqliteStore):
    """A store whose writes fail."""

    def append(self, *_: object, **__: object) -> list[Receipt]:
        raise ProfileStoreError("the disk is full")


def test_a_store_that_fails_keeps_nothing_and_is_counted(tmp_path: Path) -> None:
    counted = Counted()
    with pytest.raises(ProfileStoreError, match="the disk is full"):
        recorder(Failing(tmp_path / "p.sqlite"), counted).record(spending(), [purchase("ann", 1, START)])
    assert (counted.failed, counted.results) == (1, {})


class Unfolding(SqliteStore):
    """A store that cannot say which entities are crowded."""

    def crowded(self, *_: object, **__: object) -> list[str]:
        raise ProfileStoreError("the connection was lost")


def test_events_are_acknowledged_although_they_cannot_be_folded(tmp_path: Path) -> None:
    store = Unfolding(tmp_path / "p.sqlite", synchronous="normal")
    events: list[Event | EventError] = [purchase("ann", number, START - HOUR * (40 - number)) for number in range(40)]
    assert recorder(store, Counted()).record(spending(), events) == [Receipt.KEPT] * 40
    assert len(store.read("spending", ["ann"])["ann"].pending) == 40
    store.close()


def test_threads_that_record_the_same_entities_lose_and_repeat_nothing(store: SqliteStore) -> None:
    profile, recording = spending(), recorder(store, Counted(), at=START + DAY)
    events = [purchase(f"e{number % 3}", number, START + number * SECOND) for number in range(600)]

    def record(thread: int) -> int:
        kept = 0
        for start in range(0, len(events), 20):  # each event twice, by two of the threads
            part = events[start : start + 20]
            kept += recording.record(profile, part).count(Receipt.KEPT) if start // 20 % 3 != thread else 0
        return kept

    with ThreadPoolExecutor(3) as pool:
        kept = sum(pool.map(record, range(3)))
    assert kept == len(events)
    assert [spent(store, f"e{number}", START + DAY) for number in range(3)] == [200, 200, 200]
