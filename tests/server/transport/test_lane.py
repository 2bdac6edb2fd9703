"""One contract for both ways that a call to Score can come: the hot lane and gRPC's ordinary handlers."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Answer, Incoming, Pipeline
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.settings import Settings
from scoreline_server.transport import completion_queue
from tests.server.carriers import Gate, connected, has_lane, score_by, stopping
from tests.server.frames import RawConnection, whole_call
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid
from tests.server.wire import entity, named, packed, reason_of
from tests.waiting import wait_until

ANN = named(entity("ann", income=1.0))


@pytest.fixture
def registry(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@pytest.fixture(params=[True, False], ids=["lane", "ordinary"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update={"hot_lane": request.param, "max_message_bytes": 1 << 20})


@pytest.fixture
def score(gate: Gate) -> engine.Score:
    return gate


def raw(channel: grpc.Channel, path: str = SCORE) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    return call


def test_each_of_many_callers_gets_its_own_score(server: Server) -> None:
    incomes = [at / 100 for at in range(400)]
    with connected(server) as channel:
        score = score_by(channel)
        calls = [score.future(named(entity(f"u{at}", income=income)), timeout=20) for at, income in enumerate(incomes)]
        got = [call.result().scores[0].score for call in calls]
    assert got == pytest.approx(sigmoid(incomes).tolist(), abs=1e-6)


def test_both_ways_give_the_same_answers(registry: Registry, settings: Settings) -> None:
    requests = [ANN, named(entity("a", income=1.0), entity("b"), entity("c", income=2.0, age=200.0))]
    answers = []
    for hot_lane in (True, False):
        own = settings.model_copy(update={"hot_lane": hot_lane})
        with Server(own) as server, connected(server) as channel:
            digest = server.watcher.catalog.routes["credit"].layout.digest
            both = [score_by(channel)(request) for request in [*requests, packed(digest, [[1, 2, 3], [4, 5, 6]])]]
        for answer in both:
            answer.call_id = b""
            for row in answer.scores:
                row.prediction_id = ""
        answers.append(both)
    assert answers[0] == answers[1]
    assert answers[0][1].scores[1].error.reason == "MISSING_FEATURE"


def test_calls_come_by_the_way_that_the_settings_say(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary: Counter[str] = Counter()
    handle = Pipeline.handle

    def counted(pipeline: Pipeline, call: Incoming) -> Answer:
        ordinary[call.method] += 1
        return handle(pipeline, call)

    monkeypatch.setattr(Pipeline, "handle", counted)
    for _ in range(4):
        with connected(server) as channel:
            calls = [score_by(channel).future(ANN, timeout=20) for _ in range(50)]
            assert all(call.result().revision for call in calls)
            raw(channel, "/scoreline.v1.StatusService/GetStatus")(b"")
    assert ordinary[SCORE] == (0 if settings.hot_lane else 200)
    assert ordinary["/scoreline.v1.StatusService/GetStatus"] == 4


def test_a_failed_call_carries_code_text_and_details(server: Server, channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        score_by(channel)(named(entity("ann", income=1.0), route="krédit"))
    assert reason_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND")
    assert isinstance(caught.value, grpc.Call)
    assert "krédit" in (caught.value.details() or "")


@pytest.mark.parametrize("body", [b"\xff\xff\xff", ANN.SerializeToString()[:-3]])
def test_bytes_that_are_no_request_are_refused_and_the_next_call_is_answered(
    channel: grpc.Channel, body: bytes
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw(channel)(body)
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    assert score_by(channel)(ANN).scores[0].version == 1


def test_a_message_over_the_limit_is_refused_and_the_next_call_is_answered(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw(channel)(b"\0" * ((1 << 20) + 1))
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert score_by(channel)(ANN).scores[0].version == 1


def test_a_call_that_ends_without_a_message_is_refused_and_the_next_one_is_answered(channel: grpc.Channel) -> None:
    stream: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(SCORE)
    with pytest.raises(grpc.RpcError) as caught:
        stream(iter([]), timeout=10)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert score_by(channel)(ANN).scores[0].version == 1


def test_a_second_message_is_not_read(channel: grpc.Channel) -> None:
    stream: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(SCORE)
    body = ANN.SerializeToString()
    assert pb.ScoreResponse.FromString(stream(iter([body, b"\xff"]), timeout=10)).scores[0].version == 1


def test_the_pipeline_sees_the_callers_metadata(
    server: Server, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Incoming] = []
    admit = Pipeline.admit

    def watched(pipeline: Pipeline, call: Incoming) -> DecodedRequest | Answer:
        seen.append(call)
        return admit(pipeline, call)

    monkeypatch.setattr(Pipeline, "admit", watched)
    sent = (("x-team", "risk"), ("x-trace-bin", b"\x00\xff"))
    score_by(channel)(ANN, metadata=sent)
    assert set(sent) <= {tuple(pair) for pair in seen[0].metadata}
    assert seen[0].caller().peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_request_is_read(channel: grpc.Channel, compression: grpc.Compression) -> None:
    many = named(*(entity(f"u{row}", income=row / 10) for row in range(100)))
    scores = score_by(channel)(many, compression=compression).scores
    assert [row.score for row in scores] == pytest.approx(sigmoid([row / 10 for row in range(100)]).tolist(), abs=1e-6)


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw(channel, SCORE + "s")(b"")
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_and_reflection_answer_while_every_score_waits(
    server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    gate.shut()
    waiting = score_by(channel).future(ANN, timeout=20)
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="scoreline.v1.ScoringService")
    (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=5)
    assert answer.file_descriptor_response.file_descriptor_proto
    gate.open()
    assert waiting.result().scores[0].version == 1


def test_a_failure_that_nobody_expected_fails_its_calls_only(channel: grpc.Channel, gate: Gate) -> None:
    gate.failure = RuntimeError("planted: secret")
    calls = [score_by(channel).future(ANN, timeout=10) for _ in range(3)]
    errors = [call.exception() for call in calls]
    gate.failure = None
    for error in errors:
        assert isinstance(error, grpc.RpcError)
        assert reason_of(error) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "secret" not in str(error)
    assert score_by(channel)(ANN).scores[0].version == 1


@pytest.mark.parametrize("broken", ["admit", "score"])
def test_even_a_pipeline_that_raises_leaves_no_call_without_a_status(
    channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(Pipeline, broken, fail)
        with pytest.raises(grpc.RpcError) as caught:
            score_by(channel)(ANN, timeout=5)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
    assert score_by(channel)(ANN).scores[0].version == 1


def test_a_burst_behind_one_slow_batch_is_answered_whole(server: Server, channel: grpc.Channel, gate: Gate) -> None:
    gate.shut()
    first, body = score_by(channel).future(ANN, timeout=60), ANN.SerializeToString()
    each = 1000 if server.settings.hot_lane else 100
    with ExitStack() as stack:
        crowd = [stack.enter_context(RawConnection(server.address, window=1 << 20)) for _ in range(6)]
        for connection in crowd:
            connection.send(b"".join(whole_call(1 + 2 * at, body) for at in range(each)))
        gate.open()
        assert [connection.count_answers(each) for connection in crowd] == [each] * 6
    assert first.result().scores[0].version == 1


def test_a_stop_answers_every_call_that_was_taken_in(
    server: Server, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[DecodedRequest | Answer] = []
    admit = Pipeline.admit

    def counted(pipeline: Pipeline, call: Incoming) -> DecodedRequest | Answer:
        taken.append(admit(pipeline, call))
        return taken[-1]

    monkeypatch.setattr(Pipeline, "admit", counted)
    done = threading.Event()

    def call_until_gone() -> Counter[grpc.StatusCode]:
        codes: Counter[grpc.StatusCode] = Counter()
        with connected(server) as channel:
            while not done.is_set():
                codes[score_by(channel).future(ANN, timeout=10).code()] += 1
        return codes

    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(call_until_gone) for _ in range(8)]
        wait_until(lambda: gate.calls >= 200)
        server.stop()
        done.set()
        codes = sum((caller.result(20) for caller in callers), Counter())
    assert codes[grpc.StatusCode.OK] == len(taken) >= 200
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def test_a_stop_waits_for_a_call_that_is_scored(server: Server, channel: grpc.Channel, gate: Gate) -> None:
    gate.shut()
    waiting = score_by(channel).future(ANN, timeout=20)
    wait_until(lambda: gate.entered == 1)
    with stopping(server) as stop:
        assert stop.is_alive()
        gate.open()
        assert waiting.result().scores[0].version == 1


def test_without_the_names_that_the_lane_needs_calls_come_the_ordinary_way(
    registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion_queue, "missing_names", lambda _: ["cygrpc.CompletionQueue"])
    with Server(settings) as server, connected(server) as channel:
        assert not has_lane(server)
        assert score_by(channel)(ANN).scores[0].version == 1


def test_the_docs_say_which_methods_interceptors_do_not_see() -> None:
    page = (Path(__file__).parents[3] / "docs/guides/operations.md").read_text()
    (paragraph,) = [part for part in page.split("\n\n") if "interceptor" in part]
    assert SCORE in paragraph
