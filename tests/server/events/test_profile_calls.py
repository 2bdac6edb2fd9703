"""ProfileService of a real server: recording alone and in streams, reading and forgetting."""

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.v1 import profiles_pb2 as pb
from scoreline.v1 import profiles_pb2_grpc as rpc
from scoreline.v1 import scoring_pb2, scoring_pb2_grpc
from scoreline_registry.decisions.reservations import Counter
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.errors import LimitStoreError, ProfileStoreError
from scoreline_server.settings import Settings
from tests.server.carriers import connected
from tests.server.events.spending import SECOND, SPENDING, now
from tests.server.limit_stores.contract import granted, total, window
from tests.server.wire import reason_of, value

_numbers = count()


def event(
    entity: str = "", *, at: int | None = None, kind: str = "purchase", name: str = "", **fields: Any
) -> pb.EntityEvent:
    """An event of an entity, now and with an id of its own unless they are given."""
    return pb.EntityEvent(
        entity_id=entity,
        event=scoring_pb2.Event(
            type=kind, id=name or f"e-{next(_numbers)}", time=timestamp(now() if at is None else at),
            fields={name: value(raw) for name, raw in fields.items()},
        ),
    )  # fmt: skip


def timestamp(microseconds: int) -> Timestamp:
    seconds, rest = divmod(microseconds, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def request(*events: pb.EntityEvent, profile: str = "spending") -> pb.RecordEventsRequest:
    return pb.RecordEventsRequest(profile=profile, events=events)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("profiles")
    registry = Registry.create(str(folder / "registry"))
    registry.apply_profile(read_profile(SPENDING, source="spending.yaml"), author="ann", message="first")
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5)
    with Server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[rpc.ProfileServiceStub]:
    with connected(server) as channel:
        yield rpc.ProfileServiceStub(channel)


def features(stub: rpc.ProfileServiceStub, entity: str, **asked: Any) -> pb.GetEntityProfileResponse:
    return stub.GetEntityProfile(pb.GetEntityProfileRequest(profile="spending", entity_id=entity, **asked))


def test_recorded_events_are_in_the_features_at_once(stub: rpc.ProfileServiceStub) -> None:
    start = now() - 60 * SECOND
    answer = stub.RecordEvents(
        request(
            event("ann", at=start, amount=10.0, category="food"),
            event("ann", at=start + SECOND, amount=5.0, category="rent"),
            event("ann", at=start + 2 * SECOND, kind="click", page="cart", cart=True),
            event("ann", at=start + 3 * SECOND, kind="referral", referrer="bob"),
        )
    )
    assert (answer.kept_count, list(answer.errors)) == (4, [])
    found = features(stub, "ann")
    assert found.state == scoring_pb2.PROFILE_STATE_READ
    assert (found.features["purchases"].number, found.features["spent_30d"].number) == (2, 15)
    assert found.features["last_page"].text == "cart"
    assert [dict(step.categories) for step in found.sequences["steps"].steps] == [
        {"category": "food"}, {"category": "rent"},
    ]  # fmt: skip
    assert found.sequences["steps"].steps[0].features["amount"] == 10
    assert list(found.neighbors["referrers"].entity_ids) == ["bob"]
    assert found.features["amount_z"].WhichOneof("kind") is None
    assert (found.pending_count, found.newest_event_time) == (4, timestamp(start + 3 * SECOND))


def test_the_past_and_an_event_at_hand_are_read_without_being_recorded(stub: rpc.ProfileServiceStub) -> None:
    start = now() - 60 * SECOND
    stub.RecordEvents(
        request(*(event("past", at=start + n * SECOND, amount=float(n), category="food") for n in range(4)))
    )
    at_hand = event("past", at=start + 3 * SECOND, amount=9.0, category="rent").event
    at_hand.id = ""
    found = features(stub, "past", event=at_hand)
    assert (found.time, found.features["purchases"].number) == (timestamp(start + 3 * SECOND), 3)
    assert found.features["is_new_category"].number == 1
    assert found.features["amount_z"].number == pytest.approx((9 - 1) / (2 / 3) ** 0.5)
    assert features(stub, "past", time=timestamp(start + SECOND)).features["purchases"].number == 1
    assert features(stub, "past").features["purchases"].number == 4


def test_a_new_entity_is_answered_with_its_defaults(stub: rpc.ProfileServiceStub) -> None:
    found = features(stub, "nobody")
    assert found.state == scoring_pb2.PROFILE_STATE_NEW
    assert (found.features["spent_30d"].number, found.features["purchases"].number) == (0, 0)
    assert (found.HasField("newest_event_time"), found.pending_count) == (False, 0)


def test_repeated_and_late_events_are_told_by_their_index_and_count_once(stub: rpc.ProfileServiceStub) -> None:
    start = now() - 60 * SECOND
    first = event("again", at=start, amount=1.0)
    answer = stub.RecordEvents(request(first, first, event("again", at=start - 2 * 3600 * SECOND), first))
    assert (answer.kept_count, list(answer.repeated_indices), list(answer.late_indices)) == (1, [1, 3], [2])
    assert features(stub, "again").features["purchases"].number == 1


NASTY = {
    "unknown type": (event("bad", kind="refund"), "type", "unknown event type 'refund'"),
    "wrong type": (event("bad", amount="ten"), "amount", "'ten' is not a number"),
    "text for a category": (event("bad", category=1.0), "category", "1.0 is not a text"),
    "infinite": (event("bad", amount=float("inf")), "amount", "finite number"),
    "huge": (event("bad", amount=1e300), "amount", "from -1e30 to 1e30"),
    "long id": (event("bad", name="x" * 300), "id", "has 300 characters; at most 128 are allowed"),
    "long text": (event("bad", category="x" * 300), "category", "has 300 characters; at most 256 are allowed"),
    "unknown field": (event("bad", price=1.0), "price", "unknown field"),
    "future": (event("bad", at=now() + 86_400 * SECOND), "time", "in the future"),
    "before 1970": (event("bad", at=-SECOND), "time", "from 1970 to 2262"),
    "no entity": (event("", amount=1.0), "entity_id", "1 to 256 printable characters"),
    "control characters": (event("a\nb", amount=1.0), "entity_id", "printable"),
    "no time": (pb.EntityEvent(entity_id="bad", event=scoring_pb2.Event(type="click", id="1")), "time", "is required"),
    "nothing": (pb.EntityEvent(), "time", "is required"),
    "megabytes": (
        event("bad", category="x" * 10_000_000),
        "category",
        "has 10,000,000 characters; at most 256",
    ),
}


def test_each_wrong_event_has_one_clear_error_and_the_others_are_kept(stub: rpc.ProfileServiceStub) -> None:
    wrong = [each for each, _, _ in NASTY.values()]
    answer = stub.RecordEvents(request(event("good", amount=1.0), *wrong, event("good", amount=2.0)))
    assert answer.kept_count == 2
    assert [error.index for error in answer.errors] == list(range(1, len(wrong) + 1))
    for name, error in zip(NASTY, answer.errors, strict=True):
        _, field, text = NASTY[name]
        assert (error.reason, error.field) == ("INVALID_EVENT", field), name
        assert text in error.message, name
        assert len(error.message) < 200, name
    assert features(stub, "good").features["spent_30d"].number == 3
    assert features(stub, "bad").state == scoring_pb2.PROFILE_STATE_NEW


def test_calls_that_are_wrong_as_a_whole_keep_nothing(stub: rpc.ProfileServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.RecordEvents(request(*[event("many")] * 10_001))
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_EVENTS")
    with pytest.raises(grpc.RpcError) as caught:
        stub.RecordEvents(request(event("ann"), profile="spnding"))
    assert reason_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert "did you mean 'spending'?" in str(caught.value.details())
    with pytest.raises(grpc.RpcError) as caught:
        features(stub, "ann", event=event(kind="refund").event)
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_EVENT")
    for call in (lambda: features(stub, ""), lambda: stub.ForgetEntity(pb.ForgetEntityRequest())):
        with pytest.raises(grpc.RpcError, match="entity_id is required"):
            call()
    assert features(stub, "many").state == scoring_pb2.PROFILE_STATE_NEW


def test_a_message_above_the_limit_is_refused_and_the_server_goes_on(stub: rpc.ProfileServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.RecordEvents(request(event("ann", category="x" * 20_000_000)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.RecordEvents(request(event("ann", amount=1.0))).kept_count == 1


def test_a_time_before_folded_events_is_refused(stub: rpc.ProfileServiceStub) -> None:
    start = now() - 86_400 * SECOND
    for number in range(20):
        stub.RecordEvents(request(event("old", at=start + number * 3600 * SECOND)))
    with pytest.raises(grpc.RpcError) as caught:
        features(stub, "old", time=timestamp(start + SECOND))
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID")
    assert "are folded together: ask for a later time" in str(caught.value.details())


@pytest.mark.parametrize("seconds", [-1, 10**15])
def test_a_time_that_no_event_may_have_is_refused(stub: rpc.ProfileServiceStub, seconds: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        features(stub, "nobody", time=Timestamp(seconds=seconds))
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID")
    assert caught.value.details() == "time: write a time from 1970 to 2262"


def test_batches_of_a_stream_are_answered_in_order_and_fail_alone(stub: rpc.ProfileServiceStub) -> None:
    batches = [
        pb.RecordEventStreamRequest(batch_id="1", request=request(event("flow", amount=1.0))),
        pb.RecordEventStreamRequest(batch_id="2", request=request(event("flow"), profile="nothing")),
        pb.RecordEventStreamRequest(batch_id="3", request=request(event("flow", kind="no"), event("flow", amount=2.0))),
    ]
    first, second, third = stub.RecordEventStream(iter(batches))
    assert (first.batch_id, first.response.kept_count) == ("1", 1)
    assert (second.batch_id, second.error.reason, second.error.code) == ("2", "NOT_FOUND", 5)
    assert (third.batch_id, third.response.kept_count, len(third.response.errors)) == ("3", 1, 1)
    assert features(stub, "flow").features["spent_30d"].number == 3


def test_forgetting_removes_all_and_says_what_remains(server: Server, stub: rpc.ProfileServiceStub) -> None:
    stub.RecordEvents(request(event("gone", amount=1.0)))
    answer = stub.ForgetEntity(pb.ForgetEntityRequest(entity_id="gone"))
    assert list(answer.profiles) == ["spending"]
    assert "are removed in the background" in answer.remaining[0]
    assert "Journals of other hosts" in answer.remaining[1]
    assert features(stub, "gone").state == scoring_pb2.PROFILE_STATE_NEW
    alone = stub.ForgetEntity(pb.ForgetEntityRequest(profile="spending", entity_id="gone"))
    assert (list(alone.profiles), len(alone.remaining)) == ([], 2)
    assert f"{Path(server.settings.registry).name}-journal keeps the inputs" in alone.remaining[0]


def test_forgetting_removes_what_limits_count_of_an_entity(server: Server, stub: rpc.ProfileServiceStub) -> None:
    assert server.limits is not None
    for unit in ("gone", "other"):
        assert granted(server.limits, window("daily", 1, unit=unit), total("campaign", 9))
    stub.ForgetEntity(pb.ForgetEntityRequest(profile="spending", entity_id="gone"))
    assert not granted(server.limits, window("daily", 1, unit="gone"))
    stub.ForgetEntity(pb.ForgetEntityRequest(entity_id="gone"))
    counters = [Counter("daily", "gone"), Counter("daily", "other"), Counter("campaign")]
    gone, other, campaign = server.limits.read(counters)
    assert (gone.times, len(other.times), campaign.total) == ((), 1, 2)


def test_a_store_of_limits_that_fails_is_unavailable_and_the_entity_may_be_forgotten_again(
    server: Server, stub: rpc.ProfileServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_unit: str) -> bool:
        raise LimitStoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(server.limits, "forget", fail)
        with pytest.raises(grpc.RpcError, match="the disk is full") as caught:
            stub.ForgetEntity(pb.ForgetEntityRequest(entity_id="gone"))
    assert reason_of(caught.value) == (grpc.StatusCode.UNAVAILABLE, "LIMIT_STORE_FAILED")
    assert list(stub.ForgetEntity(pb.ForgetEntityRequest(entity_id="gone")).profiles) == []


def test_a_store_that_fails_is_unavailable_and_the_next_call_works(
    server: Server, stub: rpc.ProfileServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ProfileStoreError("the store is full")

    assert server.profiles is not None
    with monkeypatch.context() as broken:
        broken.setattr(server.profiles.store, "append", fail)
        with pytest.raises(grpc.RpcError) as caught:
            stub.RecordEvents(request(event("later", amount=1.0)))
        assert reason_of(caught.value) == (grpc.StatusCode.UNAVAILABLE, "PROFILE_STORE_FAILED")
        [answer] = stub.RecordEventStream(iter([pb.RecordEventStreamRequest(request=request(event("later")))]))
        assert answer.error.reason == "PROFILE_STORE_FAILED"
    assert stub.RecordEvents(request(event("later", amount=1.0))).kept_count == 1
    assert server.metrics.counts()["scoreline_profile_failures", ("spending",)] == [2.0]


def test_calls_that_wait_for_the_store_leave_a_thread_for_others(
    server: Server, stub: rpc.ProfileServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.profiles is not None
    entered, leave = threading.Semaphore(0), threading.Event()
    append = server.profiles.store.append

    def held(*args: Any, **kwargs: Any) -> Any:
        entered.release()
        assert leave.wait(60)
        return append(*args, **kwargs)

    monkeypatch.setattr(server.profiles.store, "append", held)
    waiting = [stub.RecordEvents.future(request(event("slow", amount=1.0))) for _ in range(server.settings.threads - 1)]
    try:
        for _ in waiting:
            assert entered.acquire(timeout=60)
        with pytest.raises(grpc.RpcError, match="other calls wait for the store of profiles: try again"):
            stub.RecordEvents(request(event("slow", amount=1.0)))
        with connected(server) as channel:
            scoring_pb2_grpc.StatusServiceStub(channel).GetStatus(scoring_pb2.GetStatusRequest(), timeout=60)
    finally:
        leave.set()
    assert [call.result(60).kept_count for call in waiting] == [1, 1, 1]


def test_profiles_that_are_off_say_how_to_have_them(tmp_path: Path) -> None:
    Registry.create(str(tmp_path / "registry"))
    settings = Settings(registry=str(tmp_path / "registry"), listen="127.0.0.1:0", profile_store="off")
    with Server(settings) as server, connected(server) as channel, pytest.raises(grpc.RpcError) as caught:
        rpc.ProfileServiceStub(channel).RecordEvents(request(event("ann")))
    assert reason_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "PROFILES_OFF")
    assert "set profile_store" in str(caught.value.details())


def test_a_sender_that_is_faster_than_the_store_is_held_up(
    server: Server, stub: rpc.ProfileServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.profiles is not None
    append, permits, sent = server.profiles.store.append, threading.Semaphore(0), []
    megabyte = event("fast", category="x" * 1_000_000)

    def held(*args: Any, **kwargs: Any) -> Any:
        assert permits.acquire(timeout=60)
        return append(*args, **kwargs)

    def messages() -> Iterator[pb.RecordEventStreamRequest]:
        for number in range(60):
            sent.append(number)
            yield pb.RecordEventStreamRequest(batch_id=str(number), request=request(event("fast"), megabyte))

    monkeypatch.setattr(server.profiles.store, "append", held)
    answers = stub.RecordEventStream(messages())
    ahead = []
    for answered in range(60):
        permits.release()
        assert next(answers).batch_id == str(answered)
        ahead.append(len(sent) - answered)
    assert max(ahead) < 30
