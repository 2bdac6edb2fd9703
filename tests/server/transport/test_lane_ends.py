"""How calls end that do not end well, by both ways: deadlines, cancellation, silence, callers that do not read."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.rpc.methods import SCORE
from scoreline_server.scoring import engine
from scoreline_server.settings import Settings
from scoreline_server.stopping import Deadline
from scoreline_server.transport import lane
from tests.server.carriers import Gate, connected, kept_calls, lane_of, score_by, stopping
from tests.server.frames import (
    CANCEL,
    DATA,
    END_STREAM,
    GOAWAY,
    RST_STREAM,
    RawConnection,
    call_headers,
    frame,
    message,
    whole_call,
)
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named, reason_of
from tests.waiting import wait_until

ANN = named(entity("ann", income=1.0))
DEADLINE_EXCEEDED = b"grpc-status\x014"


@pytest.fixture
def registry(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@pytest.fixture(params=[True, False], ids=["lane", "ordinary"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """One thread, so that calls queue up behind the gate by either way."""
    return settings.model_copy(update={"hot_lane": request.param, "threads": 1, "receive_seconds": 0.3})


@pytest.fixture
def score(gate: Gate) -> engine.Score:
    return gate


@contextmanager
def held(channel: grpc.Channel, gate: Gate) -> Iterator[None]:
    """One call is being scored, and is answered after the block."""
    gate.shut()
    first = score_by(channel).future(ANN, timeout=20)
    wait_until(lambda: gate.entered == 1)
    try:
        yield
    finally:
        gate.open()
    assert first.result().scores[0].version == 1


def open_files() -> list[Path]:
    """The files and sockets of this process, of which the server is a part."""
    return list(Path("/proc/self/fd").iterdir())


def assert_nothing_is_left(server: Server) -> None:
    wait_until(lambda: server.pipeline.queued_seconds == 0)
    if server.settings.hot_lane:
        wait_until(lambda: lane_of(server).open_calls == 0)
        wait_until(lambda: not kept_calls(lane_of(server)))


def test_a_call_whose_deadline_has_passed_is_told_so_unscored(
    server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    with RawConnection(server.address) as connection:
        with held(channel, gate):
            connection.send(whole_call(1, ANN.SerializeToString(), timeout="1m"))
            connection.settle()
        _, trailers = connection.until_end()
        assert DEADLINE_EXCEEDED in trailers
    assert gate.calls == 1
    assert_nothing_is_left(server)


def test_a_deadline_that_passes_in_the_queue_ends_the_call_unscored(
    server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    with held(channel, gate):
        calls = [score_by(channel).future(ANN, timeout=0.3) for _ in range(20)]
        assert {call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert score_by(channel)(ANN).scores[0].version == 1
    assert gate.calls == 2
    assert_nothing_is_left(server)


def test_a_call_that_is_cancelled_in_the_queue_is_not_scored(server: Server, channel: grpc.Channel, gate: Gate) -> None:
    with RawConnection(server.address) as connection, held(channel, gate):
        for stream in range(1, 40, 2):
            connection.send(whole_call(stream, ANN.SerializeToString()))
        connection.settle()
        for stream in range(1, 40, 2):
            connection.send(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))
        connection.settle()
    assert score_by(channel)(ANN).scores[0].version == 1
    assert gate.calls == 2
    assert_nothing_is_left(server)


def test_a_call_that_is_cancelled_while_it_is_scored_does_no_harm(
    server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    gate.shut()
    call = score_by(channel).future(ANN, timeout=20)
    wait_until(lambda: gate.entered == 1)
    assert call.cancel()
    gate.open()
    assert score_by(channel)(ANN).scores[0].version == 1
    assert_nothing_is_left(server)


def test_a_connection_that_is_lost_while_its_calls_wait_does_no_harm(
    server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    with held(channel, gate):
        files = open_files()
        connection = RawConnection(server.address)
        for stream in range(1, 40, 2):
            connection.send(whole_call(stream, ANN.SerializeToString()))
        connection.settle()
        connection.abort()
        wait_until(lambda: len(open_files()) <= len(files))
    assert score_by(channel)(ANN).scores[0].version == 1
    assert gate.calls == 2
    assert_nothing_is_left(server)


def test_who_does_not_read_its_answer_holds_up_nobody(server: Server, channel: grpc.Channel) -> None:
    many = named(*(entity(f"u{row}", income=1.0) for row in range(400)))
    with RawConnection(server.address, window=100) as slow:
        for stream in (1, 3, 5, 7):
            slow.send(whole_call(stream, many.SerializeToString()))
        for _ in range(50):
            assert score_by(channel)(ANN, timeout=10).scores[0].version == 1
        slow.more(1 << 20)
        data, _ = slow.until_end()
        assert len(pb.ScoreResponse.FromString(data[5:]).scores) == 400
    assert_nothing_is_left(server)


@pytest.mark.parametrize("settings", [True], indirect=True)
@pytest.mark.parametrize("busy", [False, True])
def test_a_call_that_sends_nothing_is_ended_even_under_load(server: Server, busy: bool) -> None:
    done = threading.Event()

    def keep_busy() -> None:
        with connected(server) as channel:
            while not done.is_set():
                score_by(channel)(ANN, timeout=10)

    load = threading.Thread(target=keep_busy if busy else done.wait)
    load.start()
    try:
        with connected(server) as channel:
            stream: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(SCORE)
            sent = threading.Event()

            def nothing() -> Iterator[bytes]:
                sent.wait(10)
                return
                yield b""

            with pytest.raises(grpc.RpcError) as caught:
                stream(nothing(), timeout=10)
            sent.set()
        assert reason_of(caught.value) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert isinstance(caught.value, grpc.Call)
        assert "no message" in (caught.value.details() or "")
    finally:
        done.set()
        load.join(10)
    assert_nothing_is_left(server)


@pytest.mark.parametrize("settings", [True], indirect=True)
def test_a_message_that_comes_too_late_is_not_scored(server: Server, channel: grpc.Channel, gate: Gate) -> None:
    body = ANN.SerializeToString()
    with RawConnection(server.address) as connection:
        connection.send(call_headers(1))
        _, trailers = connection.until_end()
        assert DEADLINE_EXCEEDED in trailers
        connection.send(frame(DATA, END_STREAM, 1, message(body)))
        assert score_by(channel)(ANN).scores[0].version == 1
    assert gate.calls == 1
    assert_nothing_is_left(server)


@pytest.mark.parametrize("settings", [True], indirect=True)
def test_calls_that_were_answered_are_forgotten_under_load(server: Server, channel: grpc.Channel) -> None:
    score = score_by(channel)
    for _ in range(300):
        score(ANN)
    assert len(kept_calls(lane_of(server))) <= 2


@pytest.mark.parametrize("settings", [True], indirect=True)
def test_calls_that_are_opened_and_send_nothing_hold_up_nobody(
    server: Server, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "_IDLE_SECONDS", 30.0)
    # Ends the lane's present wait.
    assert score_by(channel)(ANN, timeout=5).scores[0].version == 1
    with RawConnection(server.address) as silent:
        silent.send(b"".join(call_headers(1 + 2 * at) for at in range(lane._POSTED)))
        wait_until(lambda: lane_of(server).open_calls == lane._POSTED)
        assert score_by(channel)(ANN, timeout=5).scores[0].version == 1
        monkeypatch.undo()
    assert score_by(channel)(ANN, timeout=5).scores[0].version == 1
    assert_nothing_is_left(server)


def test_callers_that_never_half_close_are_answered_and_forgotten(server: Server) -> None:
    body = message(ANN.SerializeToString())
    with RawConnection(server.address) as connection:
        for stream in range(1, 400, 2):
            connection.send(call_headers(stream) + frame(DATA, 0, stream, body))
            data, _ = connection.until_end(stream)
            assert pb.ScoreResponse.FromString(data[5:]).scores[0].version == 1
        # The connection is open still.
        assert_nothing_is_left(server)


def test_a_reset_at_any_moment_does_no_harm(server: Server, channel: grpc.Channel) -> None:
    body = ANN.SerializeToString()
    with RawConnection(server.address) as connection:
        for at in range(300):
            stream = 1 + 2 * at
            connection.send(whole_call(stream, body))
            time.sleep(at * 5e-6)
            connection.send(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))
        connection.send(frame(GOAWAY, 0, 0, bytes(8)))
        assert score_by(channel)(ANN, timeout=5).scores[0].version == 1
        assert_nothing_is_left(server)


@pytest.mark.parametrize("settings", [True], indirect=True)
def test_a_stop_ends_calls_in_every_state(server: Server, channel: grpc.Channel, gate: Gate) -> None:
    body = ANN.SerializeToString()
    with RawConnection(server.address) as connection:
        gate.shut()
        connection.send(whole_call(1, body))
        wait_until(lambda: gate.entered == 1)
        # Behind a slow flush calls are watched: some half-open, some whole, some cancelled.
        connection.send(call_headers(3) + call_headers(5) + whole_call(7, body) + whole_call(9, body))
        connection.send(frame(RST_STREAM, 0, 9, CANCEL.to_bytes(4, "big")))
        connection.settle()
        with stopping(server):
            gate.open()
            data, _ = connection.until_end(1)
            assert pb.ScoreResponse.FromString(data[5:]).scores[0].version == 1
    assert lane_of(server).open_calls == 0
    assert lane_of(server).join(Deadline(0))
