"""Connections that break off at every point of a call leave nothing behind, by both ways."""

import ctypes
import gc
import random
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.results import Observe
from scoreline_server.settings import Settings
from tests.server.carriers import connected, kept_calls, lane_of, score_by
from tests.server.frames import (
    CANCEL,
    DATA,
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
from tests.server.wire import entity, named
from tests.waiting import wait_until

ANN = named(*(entity(f"u{row}", income=1.0) for row in range(10)))
BODY = ANN.SerializeToString()
RST = frame(RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))

# What is sent before the connection goes: a call cut off at each point where it can be.
CUTS: tuple[bytes, ...] = (
    b"",
    call_headers(1)[:20],
    call_headers(1),
    call_headers(1) + RST,
    call_headers(1) + frame(DATA, 0, 1, message(BODY)[:3]),
    call_headers(1) + frame(DATA, 0, 1, message(BODY)[:50]),
    (call_headers(1) + frame(DATA, 0, 1, message(BODY)))[:-50],
    call_headers(1) + frame(DATA, 0, 1, message(BODY)),
    call_headers(1) + frame(DATA, 0, 1, message(BODY)) + RST,
    whole_call(1, BODY),
    whole_call(1, BODY) + RST,
    b"".join(whole_call(stream, BODY) for stream in range(1, 21, 2)),
    whole_call(1, BODY, timeout="1m"),
    whole_call(1, BODY) + frame(GOAWAY, 0, 0, bytes(8)),
    call_headers(1) + frame(DATA, 0, 1, message(b"no request")),
    b"".join(call_headers(stream) + frame(DATA, 0, stream, message(BODY)) for stream in range(1, 41, 2)) + RST,
    call_headers(1) + b"\xff" * 100,
)


@pytest.fixture
def registry(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@pytest.fixture(params=["lane", "ordinary"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Both ways of a call; a busy server refuses calls and scores all of them on the threads of heavy ones."""
    busy = {"heavy_seconds": 150e-6, "max_queue_seconds": 0.002} if "busy" in request.param else {}
    return settings.model_copy(update={"hot_lane": "lane" in request.param, **busy})


def cut_off(address: str, rng: random.Random) -> None:
    """A connection that breaks off, by the end of its stream or by a reset."""
    connection = RawConnection(address)
    try:
        connection.send(rng.choice(CUTS))
    except ConnectionError:
        # The server may hang up on nonsense first.
        return
    finally:
        (connection.abort if rng.random() < 0.5 else connection.socket.close)()


def kill_channel(server: Server) -> None:
    """A channel of gRPC's own that is closed in the middle of its calls."""
    with connected(server) as channel:
        for _ in range(5):
            score_by(channel).future(ANN)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def live_objects() -> int:
    """How many objects the collector knows of that are reachable."""
    gc.collect()
    return len(gc.get_objects())


def resident_bytes() -> int:
    """This process's memory without what its allocator merely keeps for later."""
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def gauges(server: Server) -> dict[str, float]:
    """What is being answered and what waits, as metrics say."""
    counts = {family: numbers[0] for (family, _), numbers in server.metrics.counts().items()}
    return {name: counts.get(name, 0) for name in ("scoreline_calls_in_flight", "scoreline_calls_queued")}


@pytest.fixture
def settled(server: Server, channel: grpc.Channel) -> Callable[[], None]:
    """Waits until no call is open."""

    def is_scored() -> bool:
        """Whether the server scores; a busy one may still be refusing calls."""
        try:
            return score_by(channel)(ANN, timeout=20).scores[0].version == 1
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return False

    def settle() -> None:
        wait_until(is_scored)
        wait_until(lambda: server.pipeline.queued_seconds == 0)
        if server.settings.hot_lane:
            wait_until(lambda: lane_of(server).open_calls == 0)
        wait_until(lambda: gauges(server) == {"scoreline_calls_in_flight": 0, "scoreline_calls_queued": 0})
        gc.collect()

    return settle


# About 300 bytes per connection stay in gRPC's core by either way; a call that leaked would be 4 KiB at the least.
MOST_BYTES = 10 << 20


class Unsteady:
    """Scores slowly and fails now and then, until it is steady."""

    def __init__(self) -> None:
        self.rng, self.is_steady = random.Random(8), True

    def __call__(self, requests: Sequence[DecodedRequest], observe: Observe | None = None) -> list[engine.Response]:
        if not self.is_steady:
            time.sleep(self.rng.choice((0.0, 0.001, 0.02)))
            if self.rng.random() < 0.05:
                raise MemoryError("planted")
        return engine.score(requests, observe)


@pytest.fixture
def score() -> Unsteady:
    return Unsteady()


@pytest.mark.parametrize("settings", ["busy lane", "busy ordinary"], indirect=True)
def test_connections_that_break_off_behind_slow_batches_leave_nothing_behind(
    server: Server, settled: Callable[[], None], score: Unsteady
) -> None:
    score.is_steady = False
    with capture_logs():
        for _ in range(300):
            cut_off(server.address, score.rng)
        for _ in range(5):
            kill_channel(server)
        wait_until(lambda: server.pipeline.queued_seconds == 0)
    score.is_steady = True
    settled()


@pytest.mark.parametrize("connections", [300, pytest.param(10_000, marks=pytest.mark.acceptance)])
def test_aborted_connections_leave_nothing_behind(
    server: Server, settled: Callable[[], None], connections: int
) -> None:
    rng = random.Random(7)

    def abort(times: int) -> tuple[int, int, int]:
        for at in range(times):
            if at % 30 == 0:
                kill_channel(server)
            else:
                cut_off(server.address, rng)
        settled()
        return open_files(), live_objects(), resident_bytes()

    # Pools of threads and the like grow once.
    files, objects, memory = abort(max(200, connections // 3))
    more_files, more_objects, more_memory = abort(connections)
    print(
        f"after {connections} aborted connections: {more_files - files} files, {more_objects - objects} objects, "
        f"{(more_memory - memory) / 1024:.0f} KiB more"
    )
    wait_until(lambda: open_files() <= files + 2)
    wait_until(lambda: live_objects() < objects + connections // 3)
    assert more_memory - memory < MOST_BYTES
    if server.settings.hot_lane:
        wait_until(lambda: not kept_calls(lane_of(server)))
