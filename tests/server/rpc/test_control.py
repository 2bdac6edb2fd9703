"""Assignments without scores, streams of scores, and versions loaded on request."""

import grpc
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner
from scoreline_server.app import Server
from scoreline_server.loading import loader
from scoreline_server.settings import Settings
from tests.server.conftest import StubOf
from tests.server.routes import apply
from tests.server.scoring.test_routing import SPLIT
from tests.server.toys import publish_linear, sigmoid
from tests.server.wire import entity, named, reason_of, value

NAME = "models/linear/versions/{}"


@pytest.fixture
def credit(registry: Registry) -> Registry:
    """Route credit over two models, by a split, a rule and a holdout."""
    publish_linear(registry, "linear", (1.0, 0.0, 0.0), aliases=("champion",))
    publish_linear(registry, "other", (-1.0, 0.0, 0.0), aliases=("champion",))
    apply(registry, SPLIT)
    return registry


def test_an_assignment_is_what_the_registry_says_offline_and_what_scoring_does(
    credit: Registry, stub_of: StubOf
) -> None:
    stub = stub_of()
    assigner = Assigner(credit.latest().routes["credit"])
    for number in range(60):
        unit, segment = f"unit-{number}", "premium" if number % 5 == 0 else "retail"
        told = stub.GetAssignment(
            pb.GetAssignmentRequest(route="credit", entity_id=unit, context={"segment": value(segment)})
        )
        expected = assigner.assign(unit, {"segment": segment})
        assert (told.arm, pb.Reason.Name(told.reason)) == (expected.arm, f"REASON_{expected.reason}")
        assert told.rule == expected.rule
        assert (told.bucket if told.HasField("bucket") else None) == expected.bucket
        scored = stub.Score(named(entity(unit, income=1.0, context={"segment": segment}))).scores[0]
        assert (scored.arm, scored.reason, scored.model, scored.version) == (
            told.arm, told.reason, told.model, told.version,
        )  # fmt: skip


def test_an_assignment_needs_the_unit_and_a_route(credit: Registry, stub_of: StubOf) -> None:
    stub = stub_of()
    for request, reason in (
        (pb.GetAssignmentRequest(route="credit"), "MISSING_UNIT"),
        (pb.GetAssignmentRequest(route="nope", entity_id="a"), "ROUTE_NOT_FOUND"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetAssignment(request)
        assert reason_of(caught.value)[1] == reason


def test_a_stream_answers_in_order_and_survives_a_bad_request(credit: Registry, stub_of: StubOf) -> None:
    requests = [named(entity(f"u{i}", income=float(i))) for i in range(20)]
    requests[7] = named(entity("u7", income=7.0), route="nope")
    for at, request in enumerate(requests):
        request.request_id = f"r{at}"
    answers = list(stub_of().ScoreStream(pb.ScoreStreamRequest(request=request) for request in requests))
    assert [answer.request_id for answer in answers] == [f"r{at}" for at in range(20)]
    assert answers[7].error.reason == "ROUTE_NOT_FOUND"
    good = [answer.response.scores[0] for at, answer in enumerate(answers) if at != 7]
    signs = [1 if score.model == "linear" else -1 for score in good]
    incomes = [at for at in range(20) if at != 7]
    expected = [float(sigmoid(sign * income)) for sign, income in zip(signs, incomes, strict=True)]
    assert [score.score for score in good] == pytest.approx(expected, abs=1e-6)


def test_a_version_that_nothing_reaches_is_loaded_on_request(credit: Registry, settings: Settings) -> None:
    publish_linear(credit, "linear", (3.0, 0.0, 0.0))
    publish_linear(credit, "linear", (4.0, 0.0, 0.0), golden_shift=0.1)
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        control, status = rpc.ModelControlServiceStub(channel), rpc.StatusServiceStub(channel)

        def loaded() -> dict[tuple[str, int], bool]:
            answer = status.GetStatus(pb.GetStatusRequest())
            return {(m.model, m.version): m.on_request for m in answer.models if m.state == pb.MODEL_STATE_READY}

        assert loaded() == {("linear", 1): False, ("other", 1): False}
        model = control.LoadVersion(pb.LoadVersionRequest(name=NAME.format(2))).model
        assert (model.version, model.on_request, model.state) == (2, True, pb.MODEL_STATE_READY)
        assert model.memory_bytes > 0
        assert loaded()["linear", 2]
        for version, code, reason in (
            ("3", grpc.StatusCode.FAILED_PRECONDITION, "SELF_TEST_FAILED"),
            ("9", grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
            ("../1", grpc.StatusCode.INVALID_ARGUMENT, "INVALID"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                control.LoadVersion(pb.LoadVersionRequest(name=NAME.format(version)))
            assert reason_of(caught.value) == (code, reason)
        assert not control.UnloadVersion(pb.UnloadVersionRequest(name=NAME.format(2))).still_served
        assert control.UnloadVersion(pb.UnloadVersionRequest(name=NAME.format(1))).still_served
        assert loaded() == {("linear", 1): False, ("other", 1): False}


def test_the_version_asked_for_least_lately_goes_when_memory_is_needed(
    credit: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_resident_bytes", lambda: 0)  # so that a model takes exactly its file's size
    for _ in range(3):
        publish_linear(credit, "linear", (3.0, 0.0, 0.0))
    with Server(settings) as server:
        for version in (2, 3):
            server.watcher.pins.add(("linear", version))
        assert server.watcher.look_now(5)
        models = server.watcher.catalog.models
        assert {("linear", 2), ("linear", 3)} == server.watcher.catalog.on_request
        budget = sum(model.memory_bytes for model in models.values())
    with Server(settings.model_copy(update={"memory_budget_bytes": budget})) as server:
        for version in (2, 3, 4):
            server.watcher.pins.add(("linear", version))
            assert server.watcher.look_now(5)
        catalog = server.watcher.catalog
        assert ("linear", 4) in catalog.on_request
        assert catalog.memory_bytes <= budget
        assert {("linear", 1), ("other", 1)} <= catalog.models.keys()
        assert "memory budget" in catalog.failures["linear", 2].detail
