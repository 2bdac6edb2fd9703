"""Cheap calls do not wait for dear ones: flushes end in time, and heavy calls are scored beside the lane."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.loading import loader
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Answer, Reply
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.results import Observe
from scoreline_server.settings import Settings
from scoreline_server.stopping import Deadline
from scoreline_server.transport.lane import Lane, LaneLimits
from scoreline_server.transport.slow_pool import SlowPool
from tests.server.carriers import Gate, kept_calls, lane_of, score_by, stopping
from tests.server.frames import RawConnection, whole_call
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.waiting import PATIENCE_SECONDS, wait_until

CHEAP = named(entity("ann", income=1.0))
DEAR = named(entity("ann", income=1.0), route="dear")
LIMITS = LaneLimits(flush_seconds=0.002, slow_call_seconds=0.005, slow_call_threads=1, receive_seconds=20)


class FakePipeline:
    """Admits every call for what it costs and keeps what it is given to score."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.dropped: list[Any] = []
        self.waiting: list[int] = []

    def admit(self, call: "FakeCall") -> Any:
        return call.cost

    def score(self, requests: Sequence[Any], reply: Reply) -> None:
        self.batches.append(list(requests))
        reply([Answer() for _ in requests])

    def drop(self, request: Any, _answer: Answer) -> None:
        self.dropped.append(request)

    def queued(self, change: int) -> None:
        self.waiting.append(change)


class FakeCall:
    """A call that was received by the lane, and the code that it got."""

    def __init__(self, *, seconds: float = 1e-4, rows: int = 1, late: bool = False, gone: bool = False) -> None:
        self.cost = SimpleNamespace(seconds=seconds, rows=range(rows), waits=False)
        self.request: Any = None
        self.message = b""
        self.is_gone = gone
        self.is_watched = False
        self.code: grpc.StatusCode | None = None
        self._late = late

    def is_late(self, _now: float) -> bool:
        return self._late

    def answer(self, answer: Answer) -> None:
        self.code = answer.code

    def watch(self) -> None:
        self.is_watched = True


class FakeQueue:
    """A completion queue that hands out some events, with None for each time that there is none, and then ends."""

    END = object()

    def __init__(self) -> None:
        self.events: Iterator[object] = iter(())

    def request(self, _method: str, _on_event: object) -> bool:
        return False

    def poll(self, _deadline: float) -> object:
        return next(self.events, self.END)

    def is_shutdown(self, event: object) -> bool:
        return event is self.END


def event(tag: Callable[[object], object]) -> object:
    return SimpleNamespace(tag=tag)


def arrival(lane: Lane, call: FakeCall) -> object:
    return event(lambda _: lane.take(call))  # type: ignore[arg-type]


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


def run_lane(pipeline: FakePipeline, events: Callable[[Lane], Iterator[object]]) -> None:
    """Runs a lane on its own thread until it has had all events."""
    queue = FakeQueue()
    lane = Lane(queue, (SCORE,), pipeline, limits=LIMITS, on_death=lambda: None)  # type: ignore[arg-type]
    queue.events = events(lane)
    lane.start()
    assert lane.join(Deadline(PATIENCE_SECONDS))


def flushed(pipeline: FakePipeline, calls: Sequence[FakeCall]) -> None:
    """Has a lane take calls that arrive together, and flush until none is left."""

    def events(lane: Lane) -> Iterator[object]:
        yield from [arrival(lane, call) for call in calls]
        yield from [None] * len(calls)

    run_lane(pipeline, events)


def test_a_flush_ends_at_its_time(pipeline: FakePipeline) -> None:
    flushed(pipeline, [FakeCall(seconds=0.0009) for _ in range(7)])
    assert [len(batch) for batch in pipeline.batches] == [3, 3, 1]


def test_calls_that_one_flush_leaves_to_the_next_are_counted_and_watched(pipeline: FakePipeline) -> None:
    calls = [FakeCall(seconds=0.0009) for _ in range(7)]
    flushed(pipeline, calls)
    assert [call.is_watched for call in calls] == [False] * 3 + [True] * 4
    assert pipeline.waiting == [4, -3, -1]


def test_a_flush_ends_at_its_rows(pipeline: FakePipeline) -> None:
    flushed(pipeline, [FakeCall(seconds=1e-6, rows=1000) for _ in range(12)])
    assert [len(batch) for batch in pipeline.batches] == [5, 5, 2]


def test_a_call_dearer_than_a_flush_is_flushed_alone(pipeline: FakePipeline) -> None:
    flushed(pipeline, [FakeCall(seconds=0.004), FakeCall(seconds=0.004)])
    assert [len(batch) for batch in pipeline.batches] == [1, 1]


def test_calls_that_nobody_waits_for_are_told_so_and_cost_nothing(pipeline: FakePipeline) -> None:
    late, gone, good = FakeCall(seconds=0.004, late=True), FakeCall(gone=True), FakeCall()
    flushed(pipeline, [late, gone, good])
    assert [len(batch) for batch in pipeline.batches] == [1]
    assert pipeline.dropped == [late.cost, gone.cost]
    codes = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED, grpc.StatusCode.OK)
    assert (late.code, gone.code, good.code) == codes


def test_one_answer_that_cannot_be_sent_keeps_no_other_from_its_caller(pipeline: FakePipeline) -> None:
    class Broken(FakeCall):
        def answer(self, answer: Answer) -> None:
            raise RuntimeError("planted")

    good = FakeCall()
    flushed(pipeline, [Broken(), good])
    assert good.code is grpc.StatusCode.OK


def test_a_flood_of_refused_calls_does_not_keep_those_taken_in_from_scoring(pipeline: FakePipeline) -> None:
    refused = 0

    def events(lane: Lane) -> Iterator[object]:
        nonlocal refused
        yield arrival(lane, FakeCall())
        while not pipeline.batches and refused < 2000:
            refused += 1
            yield event(lambda _: None)

    run_lane(pipeline, events)
    assert len(pipeline.batches) == 1
    assert refused < 1000


def test_a_heavy_batch_ends_at_its_time_and_every_job_is_done_before_the_end() -> None:
    batches: list[list[str]] = []
    begun, go = threading.Event(), threading.Event()

    def score(jobs: Sequence[str], _now: float) -> None:
        begun.set()
        go.wait(5)
        batches.append(list(jobs))
        if "bad" in jobs:
            raise RuntimeError("planted")

    pool: SlowPool[str] = SlowPool(score, threads=1)
    pool.put("first", 0.006)
    assert begun.wait(5)
    for job, seconds in [("a", 0.006), ("b", 0.006), ("c", 0.012), ("d", 0.5), ("bad", 0.006), ("e", 0.5)]:
        pool.put(job, seconds)
    go.set()
    assert pool.close(Deadline(5))
    assert batches == [["first"], ["a", "b", "c"], ["d"], ["bad", "e"]]


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """Two routes, ``credit`` to the model linear and ``dear`` to the model burner."""
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "burner", aliases=("champion",))
    apply(registry)
    apply(registry, ROUTE.replace("route: credit", "route: dear").replace("linear@", "burner@"))
    return registry


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_queue_seconds": 1000.0})


@pytest.fixture
def row_seconds(request: pytest.FixtureRequest) -> Mapping[str, float]:
    """What the server believes that a row of each model takes; a test says otherwise by its marker ``parametrize``."""
    return {"linear": 1e-6, "burner": 0.02} | getattr(request, "param", {})


@pytest.fixture
def load(row_seconds: Mapping[str, float]) -> loader.Load:
    def load(registry: Registry, name: str, version: int) -> LoadedModel:
        return replace(loader.load(registry, name, version), row_microseconds=1e6 * row_seconds[name])

    return load


class NamingGate(Gate):
    """Tells which thread scored each route, and can stand before one route only."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, set[str]] = {}
        self.routes = {"credit", "dear"}

    def __call__(self, requests: Sequence[DecodedRequest], observe: Observe | None = None) -> list[engine.Response]:
        routes = {request.route.name for request in requests}
        for route in routes:
            self.threads.setdefault(route, set()).add(threading.current_thread().name)
        return super().__call__(requests, observe) if routes & self.routes else engine.score(requests, observe)


@pytest.fixture
def gate() -> NamingGate:
    return NamingGate()


@pytest.fixture
def score(gate: NamingGate) -> engine.Score:
    return gate


def test_heavy_calls_are_answered_from_the_pool_and_cheap_ones_by_the_lane(
    server: Server, channel: grpc.Channel, gate: NamingGate
) -> None:
    score = score_by(channel)
    calls = [score.future(request, timeout=20) for request in [DEAR, CHEAP] * 4]
    assert [call.result().scores[0].model for call in calls] == ["burner", "linear"] * 4
    assert gate.threads == {"dear": {"slow-call"}, "credit": {"hot-lane"}}


@pytest.mark.parametrize("row_seconds", [{"linear": 2e-5}], indirect=True)
def test_a_call_of_many_rows_is_heavy_too(channel: grpc.Channel, gate: NamingGate) -> None:
    score_by(channel)(named(*(entity(f"u{row}", income=1.0) for row in range(600))))
    assert gate.threads == {"credit": {"slow-call"}}


def test_heavy_calls_that_nobody_waits_for_are_not_scored(
    server: Server, channel: grpc.Channel, gate: NamingGate
) -> None:
    gate.shut()
    first = score_by(channel).future(DEAR, timeout=20)
    wait_until(lambda: gate.entered == 1)
    late = [score_by(channel).future(DEAR, timeout=0.2) for _ in range(5)]
    cancelled = [score_by(channel).future(DEAR, timeout=20) for _ in range(5)]
    assert {call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert all(call.cancel() for call in cancelled)
    # A later call of the same connection is read after the cancellations.
    with pytest.raises(grpc.RpcError):
        score_by(channel)(named(entity("ann"), route="unknown"), timeout=20)
    gate.open()
    assert first.result().scores[0].model == "burner"
    wait_until(lambda: lane_of(server).open_calls == 0)
    assert gate.calls == 1
    assert server.pipeline.queued_seconds == 0


def test_a_heavy_call_that_comes_after_a_slow_flush_leaves_nothing_behind(
    server: Server, channel: grpc.Channel, gate: NamingGate
) -> None:
    gate.shut()
    slow = score_by(channel).future(CHEAP, timeout=20)
    wait_until(lambda: gate.entered == 1)
    with RawConnection(server.address) as connection:
        connection.send(whole_call(1, DEAR.SerializeToString()))
        connection.settle()
        gate.open()
        data, _ = connection.until_end()
    assert pb.ScoreResponse.FromString(data[5:]).scores[0].model == "burner"
    assert slow.code() is grpc.StatusCode.OK
    wait_until(lambda: lane_of(server).open_calls == 0)
    wait_until(lambda: not kept_calls(lane_of(server)))


def test_a_drain_waits_for_heavy_calls(server: Server, channel: grpc.Channel, gate: NamingGate) -> None:
    gate.shut()
    calls = [score_by(channel).future(DEAR, timeout=20) for _ in range(10)]
    wait_until(lambda: lane_of(server).open_calls == 10)
    with stopping(server):
        gate.open()
        assert [call.code() for call in calls] == [grpc.StatusCode.OK] * 10


@pytest.mark.parametrize("row_seconds", [{"burner": 100.0}], indirect=True)
def test_heavy_work_in_hand_is_no_reason_to_refuse_a_cheap_call_in_a_hurry(
    server: Server, channel: grpc.Channel, gate: NamingGate
) -> None:
    score = score_by(channel)
    gate.shut()
    heavy = [score.future(DEAR) for _ in range(4)]
    wait_until(lambda: lane_of(server).open_calls == 4)
    cheap = score.future(CHEAP, timeout=200)
    wait_until(lambda: gate.entered == 2)
    gate.open()
    assert cheap.code() is grpc.StatusCode.OK
    assert {call.code() for call in heavy} == {grpc.StatusCode.OK}


def test_cheap_calls_are_answered_while_dear_ones_are_scored(
    server: Server, channel: grpc.Channel, gate: NamingGate
) -> None:
    score = score_by(channel)
    gate.routes = {"dear"}
    gate.shut()
    dear = [score.future(DEAR) for _ in range(8)]
    wait_until(lambda: lane_of(server).open_calls == 8)
    assert [score(CHEAP, timeout=PATIENCE_SECONDS).scores[0].model for _ in range(50)] == ["linear"] * 50
    assert not any(call.done() for call in dear)
    gate.open()
    assert [call.result().scores[0].model for call in dear] == ["burner"] * 8
