"""What happens once callers have their answers: it is counted and journaled whatever fails, stops or breaks off."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.results import Observe, ScoredBatch
from scoreline_server.settings import Settings
from scoreline_server.stopping import StopLimits
from tests.server.carriers import Gate, connected, score_by, stopping
from tests.server.conftest import Observer
from tests.server.frames import RawConnection, whole_call
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named, reason_of
from tests.waiting import wait_until

ANN = named(entity("ann", income=1.0))
BOB = named(entity("bob", income=2.0))
POISON = named(entity("poison", income=1.0))
ELSEWHERE = named(entity("eve", income=1.0), route="other")


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    """What is logged; tracebacks as structlog shows them unless told otherwise take seconds."""
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def registry(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    apply(registry, ROUTE.replace("credit", "other"))
    return registry


@pytest.fixture(params=["lane", "heavy", "ordinary"])
def settings(settings: Settings, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The lane's thread, a heavy one, or the ordinary way."""
    return settings.model_copy(
        update={
            "hot_lane": "ordinary" not in request.param,
            "max_queue_seconds": 100e-6 if "short-queue" in request.param else settings.max_queue_seconds,
            "heavy_seconds": 1e-9 if request.param == "heavy" else 1.0,
            "journal_dir": str(tmp_path / "journal"),
        }
    )


def count(server: Server, name: str, *labels: str) -> float:
    """What was counted under a name and some of its labels."""
    counts = server.metrics.counts().items()
    return sum(
        numbers[0] for (family, of), numbers in counts if family == f"scoreline_{name}" and set(labels) <= set(of)
    )


def journaled(tmp_path: Path) -> set[str]:
    return {id_ for records in read_records([tmp_path / "journal"]) for id_ in records.columns["prediction_id"]}


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("planted")


def assert_balanced(server: Server) -> None:
    """Nothing is in hand, in flight or waiting."""
    wait_until(lambda: server.pipeline.queued_seconds == 0)
    wait_until(lambda: count(server, "calls_in_flight") == count(server, "calls_queued") == 0)


@pytest.mark.parametrize("part", ["begun", "calls", "scored", "queued", "ended"])
def test_what_cannot_be_counted_is_answered_and_journaled(
    server: Server, channel: grpc.Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    with monkeypatch.context() as planted:
        planted.setattr(Metrics, part, broken)
        if server.settings.hot_lane or part != "queued":
            answers = [score_by(channel)(ANN, timeout=5) for _ in range(5)]
        else:
            # grpc's pool counts its queue before the pipeline has the call.
            answers = []
    answers.append(score_by(channel)(ANN, timeout=5))
    server.stop()
    assert journaled(tmp_path) == {answer.scores[0].prediction_id for answer in answers}
    assert server.pipeline.queued_seconds == 0


def test_an_observer_that_fails_costs_neither_answers_nor_other_observers(
    server: Server, channel: grpc.Channel, tmp_path: Path, observer: Observer
) -> None:
    observer.do = broken
    answers = [score_by(channel)(ANN, timeout=5) for _ in range(5)]
    assert_balanced(server)
    assert count(server, "rows") == 5
    server.stop()
    assert journaled(tmp_path) == {answer.scores[0].prediction_id for answer in answers}


def test_a_stop_journals_what_was_answered_just_before(server: Server, tmp_path: Path, observer: Observer) -> None:
    begun, go = threading.Event(), threading.Event()

    def wait(_scored: ScoredBatch) -> None:
        begun.set()
        assert go.wait(20)

    observer.do = wait
    with connected(server) as channel:
        future = score_by(channel).future(ANN, timeout=20)
        assert begun.wait(10)
        with stopping(server) as stop:
            assert stop.is_alive()
            go.set()
            answer = future.result()
    assert journaled(tmp_path) == {answer.scores[0].prediction_id}
    assert_balanced(server)


@pytest.mark.parametrize("settings", ["lane", "heavy"], indirect=True)
@pytest.mark.parametrize("stop_limits", [StopLimits(calls_seconds=0.1, answers_seconds=0.1)])
def test_a_stop_does_not_wait_for_ever_and_says_and_counts_what_is_not_journaled(
    settings: Settings, server: Server, tmp_path: Path, logs: list[EventDict], observer: Observer
) -> None:
    go = threading.Event()

    def wait(_scored: ScoredBatch) -> None:
        assert go.wait(20)

    observer.do = wait
    with connected(server) as channel:
        assert score_by(channel)(ANN, timeout=5).scores[0].version == 1
        server.stop()
    assert [entry["part"] for entry in logs if "part" in entry] == ["calls", "answers"]
    go.set()
    wait_until(lambda: count(server, "journal_dropped") == 1)
    assert not journaled(tmp_path)


def test_rows_that_come_after_the_journals_end_are_counted_as_dropped(
    server: Server, channel: grpc.Channel, tmp_path: Path
) -> None:
    score_by(channel)(ANN, timeout=5)
    assert server.journal is not None
    wait_until(lambda: count(server, "journal_rows") == 1)
    server.journal.close()
    score_by(channel)(ANN, timeout=5)
    wait_until(lambda: count(server, "journal_dropped") == 1)
    assert len(journaled(tmp_path)) == 1


class Poisoned(Gate):
    """Fails every batch with a poisoned entity in it, after the rows were seen by the observers of other routes."""

    def __call__(self, requests: Sequence[DecodedRequest], observe: Observe | None = None) -> list[engine.Response]:
        responses = super().__call__(requests, observe)
        if any("poison" in request.rows.ids for request in requests):
            raise RuntimeError("planted")
        return responses


@pytest.fixture
def gate() -> Poisoned:
    return Poisoned()


@pytest.fixture
def score(gate: Poisoned) -> engine.Score:
    return gate


def test_a_call_that_breaks_the_engine_breaks_no_other_of_its_batch(
    server: Server, channel: grpc.Channel, gate: Poisoned, tmp_path: Path
) -> None:
    gate.shut()
    score = score_by(channel)
    calls = [score.future(ANN, timeout=20)]
    wait_until(lambda: gate.entered == 1)
    calls += [score.future(request, timeout=20) for request in (ANN, ELSEWHERE, POISON, BOB, ELSEWHERE, POISON, ANN)]
    gate.open()
    results = [call.exception() for call in calls]
    failures = [error for error in results if isinstance(error, grpc.RpcError)]
    assert [error is not None for error in results] == [False, False, False, True, False, False, True, False]
    assert [reason_of(error) for error in failures] == [(grpc.StatusCode.INTERNAL, "INTERNAL")] * 2
    assert_balanced(server)
    server.stop()
    told = {call.result().scores[0].prediction_id for call, error in zip(calls, results, strict=True) if not error}
    assert journaled(tmp_path) == told
    assert count(server, "rows") == 6


@pytest.mark.parametrize("settings", ["heavy"], indirect=True)
def test_calls_that_end_unscored_while_they_wait_are_counted(server: Server, channel: grpc.Channel, gate: Gate) -> None:
    gate.shut()
    first = score_by(channel).future(ANN, timeout=20)
    wait_until(lambda: gate.entered == 1)
    late = [score_by(channel).future(ANN, timeout=0.2) for _ in range(3)]
    left = [score_by(channel).future(ANN, timeout=20) for _ in range(4)]
    assert {call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert all(call.cancel() for call in left)
    # A later call of the same connection is read after the cancellations.
    with pytest.raises(grpc.RpcError):
        score_by(channel)(named(entity("ann"), route="unknown"), timeout=20)
    gate.open()
    first.result()
    assert_balanced(server)
    wait_until(lambda: count(server, "calls") == 9)
    assert count(server, "calls", "OK") == 1
    assert gate.calls == 1


@pytest.mark.parametrize("settings", ["short-queue lane", "short-queue ordinary"], indirect=True)
def test_refused_and_malformed_calls_give_back_what_they_took(
    server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    two_forms = named(entity("ann", income=1.0))
    two_forms.packed.entity_ids.append("ann")
    unknown = named(entity("ann", income=1.0), extras=["no such output"])
    malformed = (two_forms, unknown, named(), named(*(entity("ann") for _ in range(1025))))
    for request in malformed * 3:
        with pytest.raises(grpc.RpcError) as caught:
            score_by(channel)(request, timeout=5)
        assert reason_of(caught.value)[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert_balanced(server)
    gate.shut()
    first = score_by(channel).future(ANN, timeout=20)
    wait_until(lambda: gate.entered == 1)
    with RawConnection(server.address) as connection:
        requests = [request.SerializeToString() for request in (ANN, *malformed) * 5]
        connection.send(b"".join(whole_call(1 + 2 * at, body) for at, body in enumerate(requests)))
        connection.settle()
        gate.open()
        connection.count_answers(len(requests))
    assert first.code() is grpc.StatusCode.OK
    assert_balanced(server)
