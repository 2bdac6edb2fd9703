"""Cheap calls do not wait for dear ones: flushes end in time, and heavy calls are scored beside the lane."""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Answer, Reply
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.results import Observe
from scoreline_server.stopping import Deadline
from scoreline_server.transport import completion_queue
from scoreline_server.transport.lane import Lane, LaneLimits
from scoreline_server.transport.lane_call import LaneCall
from scoreline_server.transport.slow_pool import SlowPool
from tests.e2e.conftest import running
from tests.server.burns import burning_model
from tests.server.carriers import Gate, lane_of, score_by
from tests.server.conftest import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.waiting import wait_until

CHEAP = named(entity("ann", income=1.0))
DEAR = named(entity("ann", income=1.0), route="dear")
LIMITS = LaneLimits(flush_seconds=0.002, slow_call_seconds=0.005, slow_call_threads=1, receive_seconds=20)


class FakePipeline:
    """Keeps what it is given to score."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.dropped: list[Any] = []
        self.waiting = 0
        self.admits: Any = None

    def admit(self, _call: object) -> Any:
        return self.admits

    def score(self, requests: Sequence[Any], reply: Reply) -> None:
        self.batches.append(list(requests))
        reply([Answer() for _ in requests])

    def drop(self, request: Any, _answer: Answer) -> None:
        self.dropped.append(request)

    def queued(self, change: int) -> None:
        self.waiting += change


class FakeCall:
    """A call that waits in the lane, and the code that it got."""

    def __init__(self, *, seconds: float = 1e-4, rows: int = 1, late: bool = False, gone: bool = False) -> None:
        self.request = SimpleNamespace(seconds=seconds, rows=range(rows))
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


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


@pytest.fixture
def lane(pipeline: FakePipeline) -> Iterator[Lane]:
    """A lane that never starts; its parts are called by hand."""
    server = grpc.server(ThreadPoolExecutor(1))
    lane = Lane(server, (SCORE,), pipeline, limits=LIMITS, on_death=lambda: None)  # type: ignore[arg-type]
    # Requests no calls of its server, which never starts either.
    lane.close()
    yield lane
    assert lane.join(Deadline(5))
    server.stop(None)


def flushed(lane: Lane, calls: Sequence[FakeCall]) -> None:
    lane._pending.extend(calls)  # type: ignore[arg-type]
    while lane._pending:
        lane._flush(time.time())


def test_a_flush_ends_at_its_time(lane: Lane, pipeline: FakePipeline) -> None:
    flushed(lane, [FakeCall(seconds=0.0009) for _ in range(7)])
    assert [len(batch) for batch in pipeline.batches] == [3, 3, 1]


def test_calls_that_one_flush_leaves_to_the_next_are_counted_and_watched(lane: Lane, pipeline: FakePipeline) -> None:
    calls = [FakeCall(seconds=0.0009) for _ in range(7)]
    lane._pending.extend(calls)  # type: ignore[arg-type]
    lane._flush(time.time())
    assert (pipeline.waiting, [call.is_watched for call in calls]) == (4, [False] * 3 + [True] * 4)
    flushed(lane, [])
    assert pipeline.waiting == 0


def test_a_flush_ends_at_its_rows(lane: Lane, pipeline: FakePipeline) -> None:
    flushed(lane, [FakeCall(seconds=1e-6, rows=1000) for _ in range(12)])
    assert [len(batch) for batch in pipeline.batches] == [5, 5, 2]


def test_a_call_dearer_than_a_flush_is_flushed_alone(lane: Lane, pipeline: FakePipeline) -> None:
    flushed(lane, [FakeCall(seconds=0.004), FakeCall(seconds=0.004)])
    assert [len(batch) for batch in pipeline.batches] == [1, 1]


def test_calls_that_nobody_waits_for_are_told_so_and_cost_nothing(lane: Lane, pipeline: FakePipeline) -> None:
    late, gone, good = FakeCall(seconds=0.004, late=True), FakeCall(gone=True), FakeCall()
    expected = [late.request, gone.request]
    flushed(lane, [late, gone, good])
    assert [len(batch) for batch in pipeline.batches] == [1]
    assert pipeline.dropped == expected
    codes = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED, grpc.StatusCode.OK)
    assert (late.code, gone.code, good.code) == codes


def test_one_answer_that_cannot_be_sent_keeps_no_other_from_its_caller(lane: Lane) -> None:
    class Broken(FakeCall):
        def answer(self, answer: Answer) -> None:
            raise RuntimeError("planted")

    good = FakeCall()
    flushed(lane, [Broken(), good])
    assert good.code is grpc.StatusCode.OK


def test_a_flood_of_refused_calls_does_not_keep_those_taken_in_from_scoring(
    lane: Lane, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0

    def refused(_event: object) -> None:
        nonlocal seen
        seen += 1
        assert seen < 2000, "the call that was taken in is still not scored"

    def poll(_deadline: float) -> Any:
        return SimpleNamespace(tag=refused, last=bool(pipeline.batches))

    monkeypatch.setattr(lane._queue, "poll", poll)
    monkeypatch.setattr(completion_queue, "is_shutdown", lambda event: event.last)
    lane._pending.append(FakeCall())  # type: ignore[arg-type]
    lane._loop()
    assert len(pipeline.batches) == 1
    assert seen < 1000


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
    """Two routes, of which ``server`` takes one for dear."""
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "burner", aliases=("champion",))
    apply(registry)
    apply(registry, ROUTE.replace("route: credit", "route: dear").replace("linear@", "burner@"))
    return registry


def think_dear(server: Server, route: str, row_seconds: float) -> None:
    """Has a server believe that a row of a route takes that long."""
    served = server.watcher.catalog.routes[route]
    served.__dict__["row_seconds"] = row_seconds


@pytest.fixture
def server(server: Server) -> Server:
    think_dear(server, "dear", 0.02)
    return server


class NamingGate(Gate):
    """Tells which thread scored each route."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, set[str]] = {}

    def __call__(self, requests: Sequence[DecodedRequest], observe: Observe | None = None) -> list[engine.Response]:
        for request in requests:
            self.threads.setdefault(request.route.name, set()).add(threading.current_thread().name)
        return super().__call__(requests, observe)


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


def test_a_call_of_many_rows_is_heavy_too(server: Server, channel: grpc.Channel, gate: NamingGate) -> None:
    think_dear(server, "credit", 2e-5)
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
    time.sleep(0.2)
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
    heavy = score_by(channel).future(DEAR, timeout=20)
    time.sleep(0.05)
    gate.open()
    assert {slow.code(), heavy.code()} == {grpc.StatusCode.OK}
    wait_until(lambda: lane_of(server).open_calls == 0)
    gc.collect()
    wait_until(lambda: not [each for each in gc.get_objects() if type(each) is LaneCall])


def test_a_drain_waits_for_heavy_calls(server: Server, channel: grpc.Channel, gate: NamingGate) -> None:
    gate.shut()
    calls = [score_by(channel).future(DEAR, timeout=20) for _ in range(10)]
    wait_until(lambda: lane_of(server).open_calls == 10)
    stop = threading.Thread(target=server.stop)
    stop.start()
    time.sleep(0.2)
    gate.open()
    assert [call.code() for call in calls] == [grpc.StatusCode.OK] * 10
    stop.join(10)
    assert not stop.is_alive()


def test_heavy_work_in_hand_is_no_reason_to_refuse_a_cheap_call_in_a_hurry(
    server: Server, channel: grpc.Channel, gate: NamingGate
) -> None:
    score = score_by(channel)
    think_dear(server, "dear", 0.2)
    gate.shut()
    heavy = [score.future(DEAR, timeout=20) for _ in range(4)]
    wait_until(lambda: lane_of(server).open_calls == 4)
    cheap = score.future(CHEAP, timeout=0.7)
    wait_until(lambda: gate.entered == 2)
    gate.open()
    assert cheap.code() is grpc.StatusCode.OK
    assert {call.code() for call in heavy} == {grpc.StatusCode.OK}


def latencies(address: str, seconds: float, *, dear_callers: int) -> tuple[list[float], list[float]]:
    """Seconds that each call took: of 8 callers of the cheap route, and of some of the dear one."""
    done = threading.Event()

    def call(request: Any) -> list[float]:
        taken: list[float] = []
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            while not done.is_set():
                start = time.perf_counter()
                score_by(channel)(request, timeout=20)
                taken.append(time.perf_counter() - start)
        return taken

    with ThreadPoolExecutor(8 + dear_callers) as pool:
        cheap = [pool.submit(call, CHEAP) for _ in range(8)]
        dear = [pool.submit(call, DEAR) for _ in range(dear_callers)]
        time.sleep(seconds)
        done.set()
        return [each for call in cheap for each in call.result()], [each for call in dear for each in call.result()]


@pytest.mark.parametrize("seconds", [1.5, pytest.param(10.0, marks=pytest.mark.acceptance)])
def test_a_route_of_20_ms_does_not_hold_up_one_of_20_us(registry: Registry, tmp_path: Path, seconds: float) -> None:
    slow = burning_model((1.0, 0.0, 0.0), 0.02)
    publish_linear(registry, "burner", aliases=("champion",), model_bytes=slow)
    with running(tmp_path / "registry", tmp_path / "log") as server:
        alone, _ = latencies(server.address, seconds, dear_callers=0)
        beside, dear = latencies(server.address, seconds, dear_callers=8)
    for name, taken in (("cheap alone", alone), ("cheap beside dear", beside), ("dear", dear)):
        p50, p90, p99 = 1000 * np.percentile(taken, [50, 90, 99])
        print(f"{name}: {len(taken) / seconds:.0f}/s, p50 {p50:.1f} ms, p90 {p90:.1f} ms, p99 {p99:.1f} ms")
    assert len(dear) > 8
    # Behind the dear route's eight callers a cheap call would take 160 ms.
    assert np.percentile(beside, 50) < 0.02
    assert np.percentile(beside, 99) < 0.08
