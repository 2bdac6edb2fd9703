"""The contract of every store of profiles. A subclass gives the fixtures ``store`` and ``url``."""

import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.profiles.events import Event
from scoreline_server.profile_stores.store import Fold, Offset, ProfileStore, Receipt, Stats, Stored
from tests.docs.pages import ROOT
from tests.server.profile_stores.reference import ReferenceStore, all_ids, event, fold_of, folded_ids

KEPT, REPEATED, LATE = Receipt
P = "spending"
LATENESS = 10

Step: TypeAlias = tuple[str, object]

_ENTITIES = ("ann", "bob", "Ünal")
_EVENTS = st.builds(
    event, st.sampled_from(_ENTITIES), st.sampled_from([f"e{i}" for i in range(8)] + ["e"]), st.integers(-5, 40)
)
_STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("append"), st.lists(_EVENTS, max_size=6)),
    st.tuples(st.just("append"), st.lists(_EVENTS, max_size=6)),
    st.tuples(st.just("fold"), st.tuples(st.sampled_from(_ENTITIES), st.integers(1, 5))),
    st.tuples(st.just("fold at"), st.tuples(st.sampled_from(_ENTITIES), st.integers(0, 2), st.integers(0, 30))),
    st.tuples(st.just("forget"), st.sampled_from(_ENTITIES)),
    st.tuples(st.just("expire"), st.integers(0, 40)),
    st.tuples(st.just("clear"), st.none()),
)


def done(store: ProfileStore, profile: str, step: Step) -> object:
    """The result of a step."""
    match step:
        case "append", list(events):
            return store.append(profile, events, lateness=LATENESS)
        case "fold", (str(entity), int(events)):
            stored = store.read(profile, [entity]).get(entity, Stored())
            return store.fold(profile, [fold_of(entity, stored, events)] * 2) if stored.pending else None
        case "fold at", (str(entity), int(version), int(time)):
            return store.fold(profile, [Fold(entity, version, 1, b"guessed", (time, "e"))])
        case "forget", str(entity):
            return store.forget(profile, entity)
        case "expire", int(before):
            return store.expire(profile, before=before)
        case _:
            store.clear(profile)
            return None


def contents(store: ProfileStore, profile: str) -> tuple[object, ...]:
    """All that a store says of a profile, but its bytes."""
    read = store.read(profile, [*_ENTITIES, "nobody"])
    stats = store.stats(profile)
    return (
        {entity: (each.folded, each.folded_until, each.newest, each.version) for entity, each in read.items()},
        {entity: list(each.pending) for entity, each in read.items()},
        list(store.entities(profile)),
        sorted(store.crowded(profile, _ENTITIES, more_than=2)),
        (stats.entities, stats.pending, stats.late, stats.repeated),
    )


def appended_by_processes(url: str, processes: int) -> list[int]:
    """How many events each of some processes kept, which all append the same."""
    command = [sys.executable, "-m", "tests.server.profile_stores.appending", "same", url, P]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    outputs = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return [int(output.split()[-1]) for output in outputs]


class ProfileStoreContract:
    """What the recording and reading of events rely on."""

    def test_any_steps_give_what_the_reference_gives(self, store: ProfileStore) -> None:
        names = count()

        @settings(max_examples=40)
        @given(steps=st.lists(_STEPS, max_size=12))
        def check(steps: Sequence[Step]) -> None:
            profile, reference = f"p{next(names)}", ReferenceStore()
            for step in steps:
                assert done(store, profile, step) == done(reference, profile, step)
                assert contents(store, profile) == contents(reference, profile)

        check()

    def test_events_are_read_back_as_they_were(self, store: ProfileStore) -> None:
        given = Event(
            "ann", "a\u00e9\u4e2d" * 40, 1_700_000_000_123_456, "click", {"n": 0.1 + 0.2, "m": -0.0, "c": "ü"}
        )
        bare = Event("ann", "b", given.time, "view", {})
        store.append(P, [given, bare], lateness=0)
        assert store.read(P, ["ann"])["ann"] == Stored(newest=given.time, pending=[given, bare])

    def test_pending_events_are_in_order_of_time_and_id(self, store: ProfileStore) -> None:
        places = [(7, "b"), (5, "y"), (7, "a"), (7, "B"), (6, "ü"), (6, "z"), (6, "\U0001d49b"), (6, "\uffee")]
        store.append(P, [event("ann", id_, time) for time, id_ in places], lateness=LATENESS)
        assert [each.place for each in store.read(P, ["ann"])["ann"].pending] == sorted(places)

    def test_an_id_counts_once_whatever_its_call_and_its_time(self, store: ProfileStore) -> None:
        assert store.append(P, [event("ann", "e1", 1), event("ann", "e1", 2)], lateness=LATENESS) == [KEPT, REPEATED]
        again = [event("ann", "e1", 3), event("bob", "e1", 3), event("ann", "e", 3), event("ann", "e11", 3)]
        assert store.append(P, again, lateness=LATENESS) == [REPEATED, KEPT, KEPT, KEPT]
        assert store.stats(P).repeated == 2

    @pytest.mark.parametrize("length", [1, 31, 32, 128, 255, 256])
    def test_ids_of_all_lengths_are_compared_whole(self, store: ProfileStore, length: int) -> None:
        events = [event("ann", "x" * length, 1), event("ann", "x" * (length - 1) + "y", 1), event("ann", "y", 5)]
        assert store.append(P, events, lateness=LATENESS) == [KEPT, KEPT, KEPT if length > 1 else REPEATED]
        assert store.append(P, [event("ann", "x" * length, 300)], lateness=LATENESS) == [REPEATED]
        assert store.append(P, [event("ann", "x" * (length + 1), 5)], lateness=LATENESS) == [KEPT]

    def test_bytes_like_an_id_within_another_event_are_not_that_event(self, store: ProfileStore) -> None:
        # A packed event with the id "b" begins with these bytes.
        (number,) = struct.unpack(">d", b"\x40\x94\xa1b" + bytes(4))
        assert store.append(P, [Event("ann", "a", 5, "purchase", {"amount": number})], lateness=LATENESS) == [KEPT]
        assert store.append(P, [event("ann", "b", 5)], lateness=LATENESS) == [KEPT]
        assert store.append(P, [event("ann", "b", 5)], lateness=LATENESS) == [REPEATED]

    def test_an_event_is_late_by_its_entitys_newest(self, store: ProfileStore) -> None:
        events = [event("ann", "e1", 100), event("ann", "e2", 90), event("ann", "e3", 89), event("bob", "e4", 5)]
        assert store.append(P, events, lateness=LATENESS) == [KEPT, KEPT, LATE, KEPT]
        assert store.append(P, [event("ann", "e5", 89)], lateness=LATENESS) == [LATE]
        assert store.append(P, [event("ann", "e6", 89)], lateness=LATENESS + 1) == [KEPT]
        assert store.stats(P).late == 2

    def test_the_first_event_of_an_entity_is_never_late(self, store: ProfileStore) -> None:
        assert store.append(P, [event("ann", "e1", -1000)], lateness=LATENESS) == [KEPT]
        assert store.append(P, [event("ann", "e2", -1011)], lateness=LATENESS) == [LATE]
        assert store.read(P, ["ann"])["ann"].newest == -1000

    def test_an_event_is_late_where_its_place_is_folded(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", "e5", 5), event("ann", "e9", 9)], lateness=LATENESS)
        assert store.fold(P, [fold_of("ann", store.read(P, ["ann"])["ann"], 1)]) == 1
        events = [event("ann", "e5", 5), event("ann", "e4", 5), event("ann", "e6", 5), event("ann", "e7", 4)]
        assert store.append(P, events, lateness=LATENESS) == [LATE, LATE, KEPT, LATE]

    def test_a_fold_drops_the_events_that_are_in_it(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", f"e{i}", i) for i in range(5)], lateness=LATENESS)
        assert store.fold(P, [fold_of("ann", store.read(P, ["ann"])["ann"], 3)]) == 1
        stored = store.read(P, ["ann"])["ann"]
        assert (stored.folded, stored.folded_until, stored.newest, stored.version) == (b"e0 e1 e2", (2, "e2"), 4, 1)
        assert [each.id for each in stored.pending] == ["e3", "e4"]

    def test_of_two_folds_of_one_state_the_first_is_taken(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", f"e{i}", i) for i in range(5)], lateness=LATENESS)
        stored = store.read(P, ["ann"])["ann"]
        assert store.fold(P, [fold_of("ann", stored, 3)]) == 1
        assert store.fold(P, [fold_of("ann", stored, 4)]) == 0
        assert all_ids(store.read(P, ["ann"])["ann"]) == ["e0", "e1", "e2", "e3", "e4"]

    def test_a_fold_of_another_version_is_refused_though_as_many_events_are_pending(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", "e1", 1), event("ann", "e2", 2)], lateness=LATENESS)
        assert store.fold(P, [Fold("ann", 0, 1, b"e1", (1, "e1"))]) == 1
        assert store.fold(P, [Fold("ann", 0, 1, b"e2", (2, "e2"))]) == 0
        assert store.fold(P, [Fold("ann", 2, 1, b"e1 e2", (2, "e2"))]) == 0
        assert all_ids(store.read(P, ["ann"])["ann"]) == ["e1", "e2"]

    def test_a_fold_is_refused_where_an_event_came_that_belongs_into_it(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", "e1", 1), event("ann", "e5", 5)], lateness=LATENESS)
        stored = store.read(P, ["ann"])["ann"]
        assert store.append(P, [event("ann", "e3", 3)], lateness=LATENESS) == [KEPT]
        assert store.fold(P, [fold_of("ann", stored, 2)]) == 0
        assert store.fold(P, [fold_of("ann", stored, 1)]) == 1
        assert all_ids(store.read(P, ["ann"])["ann"]) == ["e1", "e3", "e5"]

    def test_a_fold_of_an_entity_that_was_forgotten_is_refused(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", "e1", 1)], lateness=LATENESS)
        fold = fold_of("ann", store.read(P, ["ann"])["ann"], 1)
        assert store.forget(P, "ann")
        assert store.fold(P, [fold]) == 0
        assert store.read(P, ["ann"]) == {}

    def test_a_state_may_be_stored_without_events(self, store: ProfileStore) -> None:
        folds = [Fold(f"u{i}", 0, 0, b"x" * 5000, (i, "e")) for i in range(3)]
        assert store.fold(P, folds) == 3
        assert list(store.entities(P)) == ["u0", "u1", "u2"]
        assert store.read(P, ["u2"])["u2"] == Stored(b"x" * 5000, (2, "e"), 2, [], 1)
        assert store.append(P, [event("u2", "e", 2), event("u2", "f", 2)], lateness=LATENESS) == [LATE, KEPT]

    def test_an_entity_that_is_forgotten_is_gone(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", "e1", 1), event("ann", "e2", 2), event("bob", "e3", 3)], lateness=LATENESS)
        store.fold(P, [fold_of("ann", store.read(P, ["ann"])["ann"], 1)])
        assert store.forget(P, "ann")
        assert not store.forget(P, "ann")
        assert not store.forget("other", "ann")
        assert list(store.entities(P)) == ["bob"]
        assert store.append(P, [event("ann", "e1", 1)], lateness=LATENESS) == [KEPT]
        assert store.read(P, ["ann"])["ann"].version == 0

    def test_entities_without_new_events_expire(self, store: ProfileStore) -> None:
        events = [event(f"u{i}", "e", i) for i in range(2500)]
        store.append(P, events, lateness=LATENESS)
        store.append("other", events[:3], lateness=LATENESS)
        assert store.expire(P, before=2498) == 2498
        assert store.expire(P, before=2498) == 0
        assert list(store.entities(P)) == ["u2498", "u2499"]
        assert store.stats("other").entities == 3

    def test_entities_are_listed_in_order_from_any_of_them(self, store: ProfileStore) -> None:
        names = [f"u{i}" for i in range(2100)] + ["Z", "ä", "\uffee", "\U0001d49b"]
        store.append(P, [event(name, "e", 1) for name in names], lateness=LATENESS)
        store.append("other", [event("x", "e", 1)], lateness=LATENESS)
        assert list(store.entities(P)) == sorted(names)
        assert list(store.entities(P, after="u5")) == [name for name in sorted(names) if name > "u5"]
        assert list(store.entities("none")) == []

    def test_a_cleared_profile_is_empty_and_others_are_not(self, store: ProfileStore) -> None:
        events = [event(f"u{i}", "e", 100 + i) for i in range(1500)]
        for profile in (P, "other"):
            store.append(profile, [*events, events[0]], lateness=LATENESS, offsets=[Offset("c", "t", 0, 7)])
        store.clear(P)
        assert store.stats(P) == Stats()
        assert (list(store.entities(P)), store.read(P, ["u1"])) == ([], {})
        assert store.stats("other").entities == 1500
        assert store.offsets("c") == {("t", 0): 7}
        assert store.append(P, events, lateness=LATENESS) == [KEPT] * 1500

    def test_offsets_are_kept_with_the_events_they_came_from(self, store: ProfileStore) -> None:
        assert store.offsets("c") == {}
        offsets = [Offset("c", "clicks", 0, 5), Offset("c", "clicks", 1, 9), Offset("d", "clicks", 0, 1)]
        store.append(P, [event("ann", "e1", 1)], lateness=LATENESS, offsets=offsets)
        assert store.append(P, [], lateness=LATENESS, offsets=[Offset("c", "clicks", 0, 6)]) == []
        assert store.offsets("c") == {("clicks", 0): 6, ("clicks", 1): 9}
        assert store.offsets("d") == {("clicks", 0): 1}

    def test_stats_count_what_is_stored(self, store: ProfileStore) -> None:
        assert store.stats(P) == Stats()
        store.append(P, [event("ann", "e1", 1), event("ann", "e2", 2), event("bob", "e3", 3)], lateness=LATENESS)
        before = store.stats(P)
        assert (before.entities, before.pending) == (2, 3)
        store.fold(P, [Fold("ann", 0, 2, b"x" * 10_000, (2, "e2"))])
        after = store.stats(P)
        assert (after.entities, after.pending) == (2, 1)
        assert 9_000 < after.bytes - before.bytes < 10_100

    def test_crowded_entities_are_those_with_more_events(self, store: ProfileStore) -> None:
        store.append(P, [event("ann", f"e{i}", i) for i in range(4)] + [event("bob", "e", 1)], lateness=LATENESS)
        assert store.crowded(P, ["ann", "bob", "nobody"], more_than=3) == ["ann"]
        assert store.crowded(P, ["ann", "bob"], more_than=4) == []
        assert store.crowded(P, [], more_than=0) == []

    def test_many_events_of_one_entity_in_one_call(self, store: ProfileStore) -> None:
        events = [event("ann", f"e{i % 3000}", i) for i in range(6000)]
        assert store.append(P, events, lateness=10_000) == [KEPT] * 3000 + [REPEATED] * 3000
        assert len(store.read(P, ["ann"])["ann"].pending) == 3000

    def test_threads_that_append_the_same_events_keep_each_once(self, store: ProfileStore) -> None:
        calls = [[event(f"u{i % 7}", f"e{i}", i) for i in range(first, first + 10)] for first in range(0, 300, 10)]
        together = threading.Barrier(4)

        def append_all() -> int:
            together.wait()
            return sum(store.append(P, call, lateness=1000).count(KEPT) for call in calls)

        with ThreadPoolExecutor(4) as pool:
            kept = [each.result() for each in [pool.submit(append_all) for _ in range(4)]]
        assert sum(kept) == store.stats(P).pending == 300

    def test_processes_that_append_the_same_events_keep_each_once(self, store: ProfileStore, url: str) -> None:
        kept = appended_by_processes(url, 2)
        entities = list(store.entities(P))
        ids = [id_ for stored in store.read(P, entities).values() for id_ in all_ids(stored)]
        assert sum(kept) == len(ids) == len(set(ids))

    def test_threads_that_fold_while_others_append_lose_nothing(self, store: ProfileStore) -> None:
        ended = threading.Event()

        def append_all() -> int:
            # Each call's events come in falling order, so that folds meet events that belong into them.
            calls = ([event("ann", f"e{i}", i) for i in range(first + 9, first - 1, -1)] for first in range(0, 600, 10))
            return sum(store.append(P, call, lateness=1000).count(KEPT) for call in calls)

        def fold_all() -> int:
            taken = 0
            while not ended.is_set():
                stored = store.read(P, ["ann"]).get("ann", Stored())
                if len(stored.pending) > 3:
                    taken += store.fold(P, [fold_of("ann", stored, len(stored.pending) - 1)])
            return taken

        with ThreadPoolExecutor(3) as pool:
            folders = [pool.submit(fold_all) for _ in range(2)]
            try:
                kept = pool.submit(append_all).result()
            finally:
                ended.set()
            taken = sum(each.result() for each in folders)
        stored = store.read(P, ["ann"])["ann"]
        ids = all_ids(stored)
        assert len(ids) == len(set(ids)) == kept
        assert stored.version == taken
        assert folded_ids(stored) == sorted(folded_ids(stored), key=lambda id_: int(id_[1:]))
