"""Replays of a log: the states are those of events that were recorded as they happened."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scoreline_registry.profiles.events import Event, EventError
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_server.events.inspection import newest_event, profile_digest, stored_entities
from scoreline_server.events.recording import Recorder
from scoreline_server.events.replaying import ReplayReport, refit, replay
from scoreline_server.events.sorted_log import SortedLog
from scoreline_server.profile_stores.opening import open_store
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import Fold
from scoreline_server.scoring.compiled_profile import CompiledProfile
from tests.server.databases.redis_servers import needs_redis, running_redis
from tests.server.events.spending import DAY, HOUR, SECOND, SPENDING, Counted, purchase, spending

START = 1_793_491_200 * SECOND
NOW = START + 400 * DAY
PROFILE = spending()


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[SqliteStore]]:
    opened = [SqliteStore(tmp_path / f"{name}.sqlite", synchronous="normal") for name in ("one", "other")]
    yield opened
    for store in opened:
        store.close()


def history(chance: random.Random, entities: int = 12, events: int = 30) -> list[Event]:
    """Purchases by time."""
    found = [
        purchase(f"e{entity}", number, START + chance.randrange(300 * DAY), chance.random(), chance.choice("abc"))
        for entity in range(entities)
        for number in range(events)
    ]
    return sorted(found, key=lambda event: event.time)


def record(store: SqliteStore, events: Sequence[Event]) -> None:
    """Records events one call after another, as they came."""
    recorder = Recorder(store, counting=Counted(), now=lambda: NOW)
    for start in range(0, len(events), 50):
        recorder.record(PROFILE, events[start : start + 50])


def replayed(store: SqliteStore, events: Sequence[Event | EventError]) -> ReplayReport:
    return replay(store, PROFILE, [events[:100], events[100:]], now=NOW)


def digest(store: SqliteStore) -> str:
    newest = newest_event(store, "spending")
    assert newest is not None
    return profile_digest(store, PROFILE, at=newest + 1)


def test_a_log_in_any_order_gives_the_states_of_live_events(stores: list[SqliteStore]) -> None:
    one, other = stores
    events = history(random.Random(1))
    record(one, events)
    shuffled = random.Random(2).sample(events, len(events))
    report = replayed(other, shuffled)
    assert (report.entities, report.events, report.repeated, report.not_covered_count) == (12, 360, 0, 0)
    assert digest(one) == digest(other)
    before = other.read("spending", ["e3"])["e3"]
    assert replayed(other, [*shuffled, *shuffled[:5]]).repeated == 5
    assert digest(one) == digest(other)
    assert other.read("spending", ["e3"])["e3"].folded == before.folded


def test_the_digest_differs_by_one_event(stores: list[SqliteStore]) -> None:
    one, other = stores
    events = history(random.Random(1), entities=2)
    record(one, events)
    record(other, [events[0]._replace(fields={"category": "d"}), *events[1:]])
    assert newest_event(one, "spending") == newest_event(other, "spending")
    assert digest(one) != digest(other)


def test_the_past_is_put_before_events_that_were_recorded_live(stores: list[SqliteStore]) -> None:
    one, other = stores
    events = history(random.Random(3))
    record(one, events)
    record(other, [event for event in events if event.time >= START + 299 * DAY])
    report = replayed(other, [event for event in events if event.time < START + 299 * DAY + 12 * HOUR])
    assert report.not_covered_count == 0
    assert digest(one) == digest(other)


def test_a_state_with_events_that_the_log_lacks_is_left_as_it_is(stores: list[SqliteStore]) -> None:
    store, _ = stores
    events = [purchase("ann", number, START + number * DAY) for number in range(30)]
    record(store, events)
    before = store.read("spending", ["ann"])
    assert before["ann"].folded
    report = replayed(store, [*events[:10], purchase("bob", 1, START)])
    assert (report.not_covered, report.not_covered_count, report.entities) == (["ann"], 1, 1)
    assert store.read("spending", ["ann"]) == before


def test_a_whole_log_replaces_states_that_missed_late_events(stores: list[SqliteStore]) -> None:
    store, _ = stores
    events = [purchase("ann", number, START + number * DAY) for number in range(30)]
    record(store, [*events[:5], *events[6:], events[5]])
    replayed(store, events)
    stored = store.read("spending", ["ann"])["ann"]
    assert PROFILE.computation.read(stored.folded, stored.pending, at=NOW).numbers["purchases"] == 30


def test_wrong_and_future_rows_are_counted_with_their_numbers(stores: list[SqliteStore]) -> None:
    store, _ = stores
    rows: list[Event | EventError]
    rows = [purchase("ann", 1, START), EventError("amount", "is wrong"), purchase("ann", 2, NOW + DAY)]
    report = replayed(store, rows)
    assert report.refused_count == 2
    assert report.refused[0] == (2, "amount: is wrong")
    assert report.refused[1][0] == 3
    assert "in the future" in report.refused[1][1]
    assert report.events == 1


class Interrupted(SqliteStore):
    """A store in which an event of each entity is recorded just before its state is replaced the first time."""

    interruptions = 1

    def fold(self, profile: str, folds: Sequence[Fold]) -> int:
        if self.interruptions:
            self.interruptions -= 1
            self.append(profile, [purchase(fold.entity, 999, START) for fold in folds], lateness=400 * DAY)
        return super().fold(profile, folds)


def test_an_event_that_arrives_in_the_meantime_is_counted(tmp_path: Path, stores: list[SqliteStore]) -> None:
    one, _ = stores
    events = history(random.Random(5), entities=3)
    record(one, sorted([*events, *(purchase(f"e{n}", 999, START) for n in range(3))], key=lambda event: event.time))
    store = Interrupted(tmp_path / "interrupted.sqlite", synchronous="normal")
    report = replayed(store, events)
    assert (report.busy, report.not_covered_count) == ([], 0)
    assert digest(one) == digest(store)
    store.close()


class Busy(SqliteStore):
    """A store whose entities always change before their states are replaced."""

    def fold(self, profile: str, folds: Sequence[Fold]) -> int:
        return 0


def test_entities_that_never_rest_are_reported(tmp_path: Path) -> None:
    store = Busy(tmp_path / "busy.sqlite", synchronous="normal")
    report = replayed(store, history(random.Random(6), entities=2))
    assert (report.busy, report.entities) == (["e0", "e1"], 0)
    store.close()


def test_a_sorted_log_has_each_id_of_an_entity_once_by_time() -> None:
    with SortedLog() as log:
        assert log.add([purchase("b", 1, 5), purchase("a", 2, 9), purchase("a", 1, 9), purchase("a", 3, 7)]) == 0
        assert log.add([purchase("a", 3, 1), purchase("b", 3, 5)]) == 1
        log.close_for_adding()
        assert list(log.entities()) == ["a", "b"]
        assert [event.place for event in log.events("a")] == [(7, "p-3"), (9, "p-1"), (9, "p-2")]
        assert (log.newest("a"), log.has("a", (7, "p-3")), log.has("a", (1, "p-3"))) == (9, True, False)


def test_states_are_fitted_to_another_definition_and_keep_what_did_not_change(stores: list[SqliteStore]) -> None:
    store, _ = stores
    record(store, history(random.Random(7), entities=3))
    before = {entity: stored.folded for entity, stored in stored_entities(store, "spending")}
    text = SPENDING.replace("  purchases_30d: {aggregate: count, events: purchase, window: 30d}\n", "")
    document = read_profile(text.replace("features: [purchases_30d]", "features: [spent_30d]"), source="s.yaml")
    fewer = CompiledProfile.of(document, "digest")
    assert refit(store, fewer) == 3
    assert refit(store, fewer) == 0
    for entity, stored in stored_entities(store, "spending"):
        assert len(stored.folded) < len(before[entity])
        assert fewer.computation.read(stored.folded, stored.pending, at=NOW).numbers["purchases"] == 30


@needs_redis
def test_stores_of_two_kinds_have_one_digest(stores: list[SqliteStore]) -> None:
    one, _ = stores
    events = history(random.Random(8), entities=20, events=40)
    late = sorted(events, key=lambda event: event.time + random.Random(event.id).random() * HOUR)
    with running_redis("--appendonly", "yes") as server:
        other = open_store(server.url, None)
        assert other is not None
        recorder = Recorder(other, counting=Counted(), now=lambda: NOW)
        for start in range(0, len(late), 100):
            recorder.record(PROFILE, [*late[start : start + 100], late[start]])
        record(one, events)
        newest = newest_event(other, "spending")
        assert newest == newest_event(one, "spending")
        assert profile_digest(other, PROFILE, at=NOW) == profile_digest(one, PROFILE, at=NOW)
        other.close()
