"""The consumer against mock brokers and the embedded store."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs the extra kafka")

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from scoreline_registry.profiles.events import Event, EventError
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.errors import ProfileStoreError
from scoreline_server.events.definitions import Definitions
from scoreline_server.events.inspection import newest_event, profile_digest
from scoreline_server.events.kafka.consumer import DeadLetters, KafkaConsumer, Source
from scoreline_server.events.kafka.dead_letters import LoggedLetters, TopicLetters
from scoreline_server.events.kafka.messages import MessageReader, Received
from scoreline_server.events.live import LiveProfiles
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import Offset, Receipt
from tests.server.events.kafka.brokers import Cluster, cluster, purchase
from tests.server.events.spending import SPENDING, Counted

WAIT_SECONDS = 120.0
# The mock broker lets a member into a group that another one has left after the session's time less a second.
SESSION = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}


@pytest.fixture(scope="module")
def kafka() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry.create(str(tmp_path / "registry"))
    made.apply_profile(read_profile(SPENDING, source="spending.yaml"), author="ann", message="first")
    return made


class Tally(Counted):
    """Counts what a consumer reports, and sets ``reached`` once it has seen so many messages."""

    def __init__(self, messages: int) -> None:
        super().__init__()
        self.left, self.reached = messages, threading.Event()
        self.lag: dict[tuple[str, int], int] = {}
        self.dead = 0

    def consumed(self, topic: str, partition: int, *, lag: int) -> None:
        self.lag[topic, partition] = lag

    def dead_lettered(self, topic: str, count: int) -> None:
        self.dead += count

    def recorded(self, messages: int) -> None:
        self.left -= messages
        if self.left <= 0:
            self.reached.set()


def consumed(
    kafka: Cluster, registry: Registry, store: SqliteStore, topic: str, messages: int, *, group: str = "g",
    dead_letters: Callable[[Source], DeadLetters] = lambda _: LoggedLetters(),
) -> Tally:  # fmt: skip
    """Consumes until so many messages are recorded."""
    tally, stop = Tally(messages), threading.Event()
    profiles = LiveProfiles(Definitions(registry), store, counting=tally)
    source = Source(kafka.brokers, [topic], group, options=SESSION)
    consumer = KafkaConsumer(
        source, profiles, "spending", lambda profile: MessageReader(profile, columns={}, fields={}),
        dead_letters=dead_letters(source), counting=tally, on_recorded=tally.recorded,
    )  # fmt: skip
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    assert tally.reached.wait(WAIT_SECONDS)
    stop.set()
    thread.join()
    return tally


def digest(registry: Registry, store: SqliteStore) -> str:
    newest = newest_event(store, "spending")
    assert newest is not None
    return profile_digest(store, Definitions(registry).require("spending"), at=newest + 1)


def clean_replay(registry: Registry, folder: Path, events: Sequence[dict[str, object]]) -> str:
    """The digest of a store to which the events came once and in order."""
    store = SqliteStore(folder / "clean.sqlite")
    profiles = LiveProfiles(Definitions(registry), store, counting=Counted())
    profile = profiles.definitions.require("spending")
    profiles.record(profile, [of_message(profiles, each) for each in events])
    found = digest(registry, store)
    store.close()
    return found


def of_message(profiles: LiveProfiles, value: dict[str, object]) -> Event | EventError:
    reader = MessageReader(profiles.definitions.require("spending"), columns={}, fields={})
    return reader.event(Received("", 0, 0, b"", json.dumps(value).encode(), -1))


class Failing(SqliteStore):
    """A store whose first appends fail, as one does that cannot be reached."""

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(path)
        self.failures = failures

    def append(
        self, profile: str, events: Sequence[Event], *, lateness: int, offsets: Sequence[Offset] = ()
    ) -> list[Receipt]:
        if self.failures > 0:
            self.failures -= 1
            raise ProfileStoreError("the store is away")
        return super().append(profile, events, lateness=lateness, offsets=offsets)


def test_events_and_offsets_are_kept_together_and_read_once(kafka: Cluster, registry: Registry, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "profiles.sqlite")
    events = [purchase(f"unit-{at % 5}", at, at) for at in range(50)]
    kafka.send("once", events[:30])
    first = consumed(kafka, registry, store, "once", 30)
    assert first.results["kept"] == 30
    kafka.send("once", events[30:])
    second = consumed(kafka, registry, store, "once", 20)
    assert second.results == {"kept": 20, "repeated": 0, "late": 0, "refused": 0}
    assert sum(store.offsets("g").values()) == 50
    assert set(second.lag.values()) == {0}
    assert digest(registry, store) == clean_replay(registry, tmp_path, events)
    store.close()


def test_messages_that_are_no_events_go_to_their_topic_and_a_store_that_fails_is_tried_again(
    kafka: Cluster, registry: Registry, tmp_path: Path
) -> None:
    store = Failing(tmp_path / "profiles.sqlite", failures=2)
    future = {**purchase("ann", 3, 3), "time": "2261-01-01T00:00:00Z"}
    kafka.send("mixed", [purchase("ann", 1, 1), b"broken", future, purchase("ann", 2, 2)], partition=0)
    tally = consumed(
        kafka, registry, store, "mixed", 4, group="mixed",
        dead_letters=lambda source: TopicLetters(source, "mixed-dead"),
    )  # fmt: skip
    assert (tally.results["kept"], tally.results["refused"], tally.dead) == (2, 2, 2)
    assert (tally.failed, store.failures) == (2, 0)
    reader = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "letters"})
    reader.assign([TopicPartition("mixed-dead", partition, OFFSET_BEGINNING) for partition in range(4)])
    letters: list[tuple[bytes | str | None, dict[str, bytes]]] = []
    while len(letters) < 2:
        sound = [letter for letter in reader.consume(2, 1.0) if letter.error() is None]
        letters += [(letter.value(), dict(letter.headers() or ())) for letter in sound]  # type: ignore[arg-type]
    reader.close()
    found = dict(letters)
    assert found[b"broken"]["scoreline.offset"] == b"1"
    assert found[b"broken"]["scoreline.error"] == b"message: is not JSON"
    (ahead,) = (headers for value, headers in letters if value != b"broken")
    assert b"in the future" in ahead["scoreline.error"]
    store.close()


def test_events_of_a_damaged_entity_are_dead_letters_and_the_others_are_kept(
    kafka: Cluster, registry: Registry, tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "profiles.sqlite")
    kafka.send("damage", [purchase("ann", 1, 1)], partition=0)
    consumed(kafka, registry, store, "damage", 1, group="damage")
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE entities SET pending = x'c1'")
    connection.close()
    kafka.send("damage", [purchase(name, at, at) for at in (2, 3) for name in ("ann", "bob")], partition=0)
    tally = consumed(kafka, registry, store, "damage", 4, group="damage")
    assert (tally.results["kept"], tally.results["refused"], tally.dead, tally.failed) == (2, 2, 2, 0)
    assert store.offsets("damage") == {("damage", 0): 5}
    store.close()


@pytest.mark.acceptance
def test_two_consumers_share_the_partitions(kafka: Cluster, registry: Registry, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "profiles.sqlite")
    events = [purchase(f"unit-{at % 20}", at, at) for at in range(400)]
    command = _command(kafka, tmp_path, "shared")
    kafka.send("shared", events[:1], partition=0)
    others = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        for part in range(4):
            kafka.send("shared", [each for at, each in enumerate(events) if at % 20 % 4 == part], partition=part)
        _until(lambda: sum(store.offsets("scoreline").values()) == len(events) + 1)
    finally:
        for each in others:
            each.send_signal(signal.SIGTERM)
    assert [each.wait(WAIT_SECONDS) for each in others] == [0, 0]
    assert store.stats("spending").repeated == 1
    assert digest(registry, store) == clean_replay(registry, tmp_path, events)
    store.close()


@pytest.mark.acceptance
def test_killed_consumers_lose_nothing_and_count_nothing_twice(
    kafka: Cluster, registry: Registry, tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "profiles.sqlite")
    events = [purchase(f"unit-{at % 20}", at, at) for at in range(3500)]
    for part in range(4):
        kafka.send("killed", [each for at, each in enumerate(events) if at % 20 % 4 == part], partition=part)
    command = _command(kafka, tmp_path, "killed")
    seen = 0
    while seen < len(events):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _until(lambda seen=seen: sum(store.offsets("scoreline").values()) > seen)  # type: ignore[misc]
        finally:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
        seen = sum(store.offsets("scoreline").values())
    assert digest(registry, store) == clean_replay(registry, tmp_path, events)
    # Another group begins anew, and nothing counts twice.
    before = digest(registry, store)
    again = consumed(kafka, registry, store, "killed", len(events), group="other")
    assert (again.results["kept"], digest(registry, store)) == (0, before)
    store.close()


def _command(kafka: Cluster, folder: Path, topic: str) -> list[str]:
    return [
        sys.executable, "-m", "scoreline", "events", "consume", topic, "--profile", "spending",
        "--brokers", kafka.brokers, "--option", "session.timeout.ms=6000", "--registry", str(folder / "registry"),
        "--store", f"sqlite:{folder / 'profiles.sqlite'}",
    ]  # fmt: skip


def _until(is_so: Callable[[], bool]) -> None:
    """Waits until something holds."""
    ended = threading.Event()
    waited = 0.0
    while not is_so():
        ended.wait(0.05)
        waited += 0.05
        assert waited < WAIT_SECONDS
