"""Events survive what happens to the workers that record them, and count once."""

import itertools
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from scoreline.v1 import profiles_pb2 as pb
from scoreline.v1 import profiles_pb2_grpc as rpc
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.events.inspection import newest_event, profile_digest
from scoreline_server.events.replaying import replay
from scoreline_server.profile_stores.opening import FILE_NAME
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from tests.server.events.spending import SECOND, SPENDING, now, purchase, spending
from tests.serving import Running, running
from tests.waiting import wait_until

BATCH = 60
ENTITIES = 4


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """The folder of a registry with one profile."""
    folder = tmp_path / "registry"
    definition = read_profile(SPENDING, source="spending.yaml")
    Registry.create(str(folder)).apply_profile(definition, author="ann", message="first")
    return folder


@dataclass
class Sender:
    """Sends batches of events of its own entities, each until it is answered."""

    address: str
    name: int
    begun: int = field(default_factory=now)
    answered: list[Event] = field(default_factory=list)
    unanswered: int = 0

    def run(self, stop: threading.Event) -> None:
        """Sends until the event is set and the last batch is answered."""
        for number in itertools.count():
            if stop.is_set():
                return
            events = self._batch(number)
            request = pb.RecordEventsRequest(profile="spending", events=map(_message, events))
            while not self._send(request):
                self.unanswered += 1
            self.answered += events

    def _batch(self, number: int) -> list[Event]:
        numbers = range(number * BATCH, (number + 1) * BATCH)
        return [
            purchase(f"{self.name}-{each % ENTITIES}", each, self.begun - 86_400 * SECOND + each * SECOND, each / 7)
            for each in numbers
        ]

    def _send(self, request: pb.RecordEventsRequest) -> bool:
        """Whether a batch was answered. A connection of its own, because the worker of another may be gone."""
        with grpc.insecure_channel(self.address) as channel:
            try:
                answer = rpc.ProfileServiceStub(channel).RecordEvents(request, timeout=20)
            except grpc.RpcError:
                return False
        assert not answer.errors
        assert answer.kept_count + len(answer.repeated_indices) + len(answer.late_indices) == BATCH
        return True


def _message(event: Event) -> pb.EntityEvent:
    message = pb.EntityEvent(entity_id=event.entity)
    message.event.type, message.event.id = event.type, event.id
    message.event.time.FromMicroseconds(event.time)
    message.event.fields["amount"].number = float(event.fields["amount"])
    message.event.fields["category"].text = str(event.fields["category"])
    return message


@contextmanager
def sending(address: str, senders: int) -> Iterator[list[Sender]]:
    """Senders that send while the block runs."""
    crowd, stop = [Sender(address, name) for name in range(senders)], threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in crowd]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)


def answered(crowd: list[Sender]) -> list[Event]:
    return [event for sender in crowd for event in list(sender.answered)]


def wait_for_more(crowd: list[Sender], more: int) -> None:
    goal = len(answered(crowd)) + more
    wait_until(lambda: len(answered(crowd)) >= goal)


def kill_a_worker(server: Running) -> None:
    workers = [worker for worker in server.status()["workers"] if worker["state"] == "serving"]
    os.kill(random.choice(workers)["pid"], signal.SIGKILL)


@pytest.mark.parametrize("deaths", [1, pytest.param(10, marks=pytest.mark.acceptance)])
def test_killed_workers_lose_no_event_that_was_answered_and_count_none_twice(
    registry: Path, tmp_path: Path, deaths: int
) -> None:
    with running(registry, tmp_path / "log", "--workers", "2") as server, sending(server.address, 3) as crowd:
        for _ in range(deaths):
            wait_for_more(crowd, 10 * BATCH + random.randrange(10 * BATCH))
            server.wait_until(lambda status: any(worker["state"] == "serving" for worker in status["workers"]))
            kill_a_worker(server)
        wait_for_more(crowd, 3 * BATCH)
    profile, events = spending(), answered(crowd)
    clean = SqliteStore(tmp_path / "clean.sqlite", synchronous="normal")
    replay(clean, profile, [events], now=now())
    live = SqliteStore(registry.with_name("registry-journal") / FILE_NAME)
    newest = newest_event(live, "spending")
    assert newest == max(event.time for event in events)
    assert profile_digest(live, profile, at=newest + 1) == profile_digest(clean, profile, at=newest + 1)
    live.close()
    clean.close()
