"""What waits at a stop, and for how long."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.scoring.results import ScoredBatch
from scoreline_server.settings import Settings
from scoreline_server.stopping import InFlight, StopLimits
from tests.server.burns import burning_model
from tests.server.carriers import BOTH_WAYS, Gate, connected, score_by
from tests.server.conftest import Observer
from tests.server.frames import DATA, END_STREAM, RawConnection, call_headers, frame, message
from tests.server.journals import SlowDisk, catalog_of, journal_in, scored
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named, reason_of
from tests.waiting import wait_until

ANN = named(entity("ann", income=1.0))
HEALTH = "/grpc.health.v1.Health/"
UNREADABLE = b"\xff\xff\xff"


@pytest.fixture
def registry(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"journal_dir": str(tmp_path / "journal")})


def journaled(tmp_path: Path) -> set[str]:
    return {id_ for records in read_records([tmp_path / "journal"]) for id_ in records.columns["prediction_id"]}


def in_flight(server: Server) -> float:
    """Calls that are being scored, as the metrics count them."""
    return sum(
        numbers[0] for (name, _), numbers in server.metrics.counts().items() if name == "scoreline_calls_in_flight"
    )


@pytest.mark.parametrize(
    "path",
    [
        HEALTH + "Check",
        HEALTH + "Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/scoreline.v1.ScoringService/Score",
        "/scoreline.v1.ScoringService/ScoreStream",
        "/scoreline.v1.RegistryService/WatchRevisions",
        "/scoreline.v1.ProfileService/RecordEventStream",
    ],
)
def test_bytes_that_are_no_request_are_refused_alike_by_every_service_and_a_stop_ends(
    settings: Settings, registry: Registry, path: str
) -> None:
    with Server(settings.model_copy(update={"drain_seconds": 60})) as server, connected(server) as channel:
        call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([UNREADABLE]), timeout=20))
        assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


def test_a_caller_that_watches_the_health_and_does_not_read_holds_up_neither_others_nor_a_stop(
    server: Server, channel: grpc.Channel
) -> None:
    with RawConnection(server.address, window=0) as deaf:
        body = health_pb2.HealthCheckRequest().SerializeToString()
        deaf.send(call_headers(1, HEALTH + "Watch") + frame(DATA, END_STREAM, 1, message(body)))
        wait_until(lambda: bool(server.health._send_response_callbacks.get("")))
        server.leave()
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


@BOTH_WAYS
def test_a_score_that_outlasts_a_stop_is_neither_answered_nor_journaled_and_earlier_ones_are_both(
    settings: Settings, registry: Registry, tmp_path: Path, gate: Gate, hot_lane: bool
) -> None:
    seen: list[ScoredBatch] = []
    own = settings.model_copy(update={"drain_seconds": 0.1, "hot_lane": hot_lane})
    limits = StopLimits(calls_seconds=0.1)
    with Server(own, score=gate, stop_limits=limits, observers=[seen.append]) as server, connected(server) as channel:
        first = score_by(channel)(ANN, timeout=20)
        wait_until(lambda: len(seen) == 1)
        gate.shut()
        late = score_by(channel).future(ANN, timeout=20)
        wait_until(lambda: gate.entered == 2)
        with capture_logs() as logs:
            server.stop()
        assert journaled(tmp_path) == {first.scores[0].prediction_id}
        gate.open()
        assert late.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
        wait_until(lambda: in_flight(server) == 0)
    assert [entry["part"] for entry in logs if "part" in entry] == (["calls"] if hot_lane else [])
    assert len(seen) == 1


def test_of_a_flood_of_slow_calls_at_a_stop_those_answered_are_journaled_and_all_get_a_status(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    slow = burning_model((1.0, 0.0, 0.0), 0.002)
    publish_linear(registry, "slow", aliases=("champion",), model_bytes=slow)
    apply(registry, ROUTE.replace("linear", "slow"))
    many = named(*(entity(f"u{row}", income=1.0) for row in range(10)))
    own = settings.model_copy(update={"drain_seconds": 0.2, "max_queue_seconds": 60.0})
    with Server(own) as server, connected(server) as channel:
        calls = [score_by(channel).future(many, timeout=60) for _ in range(100)]
        calls[0].result()
        server.stop()
        codes = [call.code() for call in calls]
        answers = [call.result() for call, code in zip(calls, codes, strict=True) if code is grpc.StatusCode.OK]
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    assert grpc.StatusCode.OK in codes
    assert {row.prediction_id for answer in answers for row in answer.scores} <= journaled(tmp_path)


def test_a_stop_waits_for_the_journal_of_rows_that_are_observed_late(
    server: Server, tmp_path: Path, observer: Observer
) -> None:
    observing, go = threading.Event(), threading.Event()

    def wait(_scored: ScoredBatch) -> None:
        observing.set()
        assert go.wait(20)

    observer.do = wait
    with connected(server) as channel, ThreadPoolExecutor(1) as pool:
        answer = score_by(channel)(ANN, timeout=20)
        assert observing.wait(20)
        stopping = pool.submit(server.stop)
        go.set()
        stopping.result(20)
    assert journaled(tmp_path) == {answer.scores[0].prediction_id}


def test_a_disk_that_hangs_does_not_hold_up_the_journals_end(registry: Registry, tmp_path: Path) -> None:
    disk, metrics = SlowDisk(), Metrics()
    journal = journal_in(tmp_path / "journal", disk=disk, metrics=metrics)
    _, seen = scored(catalog_of(registry), ANN)
    journal(seen[0])
    assert not journal.close(0.05)
    disk.go.set()
    assert journal.close(20)


def test_sections_are_closed_once_the_last_one_has_ended() -> None:
    work = InFlight()
    with work as is_open:
        assert is_open
        assert not work.close(0.01)
    assert work.close(0)
    with work as is_open:
        assert not is_open


def test_the_limits_of_a_stop_add_up() -> None:
    limits = StopLimits(calls_seconds=1, answers_seconds=2, shadows_seconds=4, journal_seconds=8, watcher_seconds=16)
    assert limits.total_seconds == 31
