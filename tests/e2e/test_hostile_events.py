"""Events that are far too many, too large or too various for one entity: a bounded cost, and the others go on."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import pytest

import scoreline
from scoreline.v1 import profiles_pb2 as pb
from scoreline.v1 import profiles_pb2_grpc
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.events.spending import SPENDING

_CALL = 10_000
_MOST_BYTES = 64 * 1024
_MOST_PENDING = 256


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    registry = Registry.create(str(folder / "registry"))
    profile = read_profile(SPENDING.replace("lateness: 1h", "lateness: 1m"), source="spending.yaml")
    registry.apply_profile(profile, author="ann", message="first")
    settings = Settings(
        registry=str(folder / "registry"), listen="127.0.0.1:0", drain_seconds=5,
        profile_store=f"sqlite:{folder / 'profiles.sqlite'}", profile_read_seconds=30,
    )  # fmt: skip
    with Server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield profiles_pb2_grpc.ProfileServiceStub(channel)


def request(entity: str, numbers: range, *, start: int, fields: Mapping[str, Any]) -> pb.RecordEventsRequest:
    """A purchase for each number, 1 ms after the one before; ``fields`` with {} for the number."""
    asked = pb.RecordEventsRequest(profile="spending")
    for number in numbers:
        event = asked.events.add(entity_id=entity).event
        event.id, event.type = f"p-{number}", "purchase"
        event.time.FromNanoseconds(start + number * 10**6)
        for name, value in fields.items():
            if isinstance(value, str):
                event.fields[name].text = value.format(number)
            else:
                event.fields[name].number = value
    return asked


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.acceptance)])
def test_a_hot_entity_of_many_categories_takes_bounded_bytes(server: Server, stub: Any, count: int) -> None:
    start = time.time_ns() - (count + 600_000) * 10**6
    hot, calm = f"hot-{count}", f"calm-{count}"
    kept = 0
    for first in range(0, count, _CALL):
        numbers = range(first, first + _CALL)
        fields = {"amount": 1.0, "category": "category {}"}
        kept += stub.RecordEvents(request(hot, numbers, start=start, fields=fields)).kept_count
        kept += stub.RecordEvents(request(calm, numbers[:1], start=start, fields=fields)).kept_count
    calls = count // _CALL
    assert kept == count + calls
    with scoreline.Client(server.address) as client:
        assert client.profile("spending", hot).features["purchases"] == count
        assert client.profile("spending", calm).features["purchases"] == calls
    assert server.profiles is not None
    stored = server.profiles.store.read("spending", [hot])[hot]
    assert len(stored.folded) < _MOST_BYTES
    assert len(stored.pending) <= _MOST_PENDING


def test_an_event_of_ten_megabytes_is_refused_and_others_go_on(stub: Any) -> None:
    for length in (257, 10_000_000):
        long = request("large", range(2), start=time.time_ns(), fields={"category": "food"})
        long.events[0].event.fields["category"].text = "x" * length
        answer = stub.RecordEvents(long)
        (error,) = answer.errors
        assert (error.index, error.field, "256" in error.message, len(error.message) < 300) == (
            0,
            "category",
            True,
            True,
        )
    assert (answer.kept_count, list(answer.repeated_indices)) == (0, [1])
