"""Reads for scoring end in time, whatever the store does."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

from scoreline_server.errors import ProfileStoreError
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.profile_stores.store import Stored
from scoreline_server.profile_stores.timed_reading import TimedStates
from tests.server.databases.clocks import Clock
from tests.waiting import wait_until

Read = Callable[[str, Sequence[str]], Mapping[str, Stored]]
ANN = {"ann": Stored(newest=1)}


class Store:
    """A store of which a test decides what a read does; ``calls`` are the reads that were begun."""

    def __init__(self) -> None:
        self.calls: list[Sequence[str]] = []
        self.do: Read = lambda _profile, _entities: ANN

    def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, Stored]:
        """What the test decides."""
        self.calls.append(entities)
        return self.do(profile, entities)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end, so that no read hangs longer than its test."""
    event = threading.Event()
    yield event
    event.set()


def reader(store: Store, clock: Clock, metrics: Metrics, *, seconds: float = 30) -> TimedStates:
    return TimedStates(store, seconds=seconds, counting=metrics, clock=clock)


def hang(released: threading.Event) -> Read:
    def read(_profile: str, _entities: Sequence[str]) -> Mapping[str, Stored]:
        released.wait(60)
        return ANN

    return read


def fail(_profile: str, _entities: Sequence[str]) -> Mapping[str, Stored]:
    raise ProfileStoreError("redis://nowhere: connection refused")


def test_a_read_is_answered_and_timed(store: Store, clock: Clock, metrics: Metrics) -> None:
    states = reader(store, clock, metrics)
    assert states.read("spending", ["ann", "bob"]) == ANN
    assert store.calls == [["ann", "bob"]]
    states.used("spending", np.array([1, 1, 2], np.uint8))
    counts = metrics.counts()
    assert counts["scoreline_profile_reads", ("spending", "READ")] == [2]
    assert counts["scoreline_profile_reads", ("spending", "NEW")] == [1]
    assert sum(counts["scoreline_profile_read_seconds", ("spending",)][:-1]) == 1
    states.close()


def test_a_store_that_hangs_costs_three_waits_and_is_then_left_alone(
    store: Store, clock: Clock, metrics: Metrics, released: threading.Event
) -> None:
    states = reader(store, clock, metrics, seconds=0.01)
    store.do = hang(released)
    assert [states.read("spending", ["ann"]) for _ in range(10)] == [None] * 10
    wait_until(lambda: len(store.calls) == 3)
    clock.now = 0.9
    assert states.read("spending", ["ann"]) is None
    clock.now = 1.1
    assert [states.read("spending", ["ann"]) for _ in range(5)] == [None] * 5
    wait_until(lambda: len(store.calls) == 4)
    clock.now = 5.0
    # Every thread waits for the store: no other is added.
    assert [states.read("spending", ["ann"]) for _ in range(5)] == [None] * 5
    assert len(store.calls) == 4


def test_a_store_that_answers_again_is_read_again(
    store: Store, clock: Clock, metrics: Metrics, released: threading.Event, capfd: pytest.CaptureFixture[str]
) -> None:
    states = reader(store, clock, metrics, seconds=0.01)
    store.do = hang(released)
    assert [states.read("spending", ["ann"]) for _ in range(4)] == [None] * 4
    released.set()

    def later() -> Mapping[str, Stored] | None:
        clock.now += 2
        return states.read("spending", ["ann"])

    assert wait_until(later) == ANN
    log = capfd.readouterr().out
    assert log.count("the store of profiles does not answer") == 1
    assert log.count("the store of profiles answers again") == 1


def test_a_store_that_fails_is_left_alone_too(store: Store, clock: Clock, metrics: Metrics) -> None:
    states = reader(store, clock, metrics)
    store.do = fail
    assert [states.read("spending", ["ann"]) for _ in range(10)] == [None] * 10
    assert len(store.calls) == 3
    clock.now = 1.1
    store.do = lambda _profile, _entities: ANN
    assert states.read("spending", ["ann"]) == ANN
    store.do = fail
    assert states.read("spending", ["ann"]) is None
    store.do = lambda _profile, _entities: ANN
    assert states.read("spending", ["ann"]) == ANN


def test_one_failure_is_no_pause(store: Store, clock: Clock, metrics: Metrics) -> None:
    states = reader(store, clock, metrics)
    for _ in range(5):
        store.do = fail
        assert states.read("spending", ["ann"]) is None
        store.do = lambda _profile, _entities: ANN
        assert states.read("spending", ["ann"]) == ANN


def test_reads_of_many_threads_are_each_answered(store: Store, clock: Clock, metrics: Metrics) -> None:
    states = reader(store, clock, metrics)
    store.do = lambda _profile, entities: {entities[0]: Stored(newest=int(entities[0]))}
    found: dict[str, object] = {}

    def read(entity: str) -> None:
        found[entity] = states.read("spending", [entity])

    threads = [threading.Thread(target=read, args=(str(at),)) for at in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {str(at): {str(at): Stored(newest=at)} for at in range(32)}
