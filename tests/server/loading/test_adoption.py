"""A version that is not what was committed never serves, the old one goes on, and the server says why."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.history.changes import SetAlias, SetOwner
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.routes import ROUTE, apply
from tests.server.toys import linear_graph, publish_linear
from tests.server.wire import entity, named
from tests.waiting import wait_until

ANN = named(entity("ann", income=1.0))


@pytest.fixture(autouse=True)
def credit(registry: Registry) -> Registry:
    """Route credit by linear@champion, version 1."""
    publish_linear(registry, "linear", (1.0, 0.0, 0.0), aliases=("champion",))
    apply(registry)
    return registry


def caught_up(status_stub: rpc.StatusServiceStub, registry: Registry) -> pb.GetStatusResponse:
    """The status once the server has read the newest revision."""
    newest = registry.latest().revision
    wait_until(lambda: status_stub.GetStatus(pb.GetStatusRequest()).revision >= newest)
    return status_stub.GetStatus(pb.GetStatusRequest())


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def move_to_2(registry: Registry) -> None:
    registry.commit(SetAlias("linear", "champion", 2), author="tester", message="promote")


def flipped(registry: Registry, root: Path) -> None:
    publish_linear(registry, "linear", (2.0, 0.0, 0.0))
    flip_a_byte(root / "models/linear/2/model.onnx")
    move_to_2(registry)


def not_reproducing(registry: Registry, root: Path) -> None:
    publish_linear(registry, "linear", (2.0, 0.0, 0.0), golden_shift=0.01)
    move_to_2(registry)


def truncated_after(registry: Registry, root: Path) -> None:
    publish_linear(registry, "linear", (2.0, 0.0, 0.0))
    path = root / "models/linear/2/model.onnx"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-50])
    move_to_2(registry)


def published_truncated(registry: Registry, root: Path) -> None:
    half = linear_graph((2.0, 0.0, 0.0)).SerializeToString()[:200]
    publish_linear(registry, "linear", (2.0, 0.0, 0.0), model_bytes=half)
    move_to_2(registry)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flipped, "model.onnx is damaged"),
        (not_reproducing, "golden rows differ: 4 of 4 rows of score"),
        (truncated_after, "model.onnx is damaged"),
        (published_truncated, "ONNX Runtime cannot open model.onnx"),
    ],
)
def test_an_unfit_version_is_refused_and_the_old_one_serves_on(
    credit: Registry,
    tmp_path: Path,
    stub: rpc.ScoringServiceStub,
    status_stub: rpc.StatusServiceStub,
    capfd: pytest.CaptureFixture[str],
    damage: Callable[[Registry, Path], None],
    says: str,
) -> None:
    before = stub.Score(ANN)
    damage(credit, tmp_path / "registry")
    status = caught_up(status_stub, credit)
    after = stub.Score(ANN)
    assert (after.scores[0].version, after.scores[0].score) == (1, before.scores[0].score)
    assert before.revision <= after.revision < credit.latest().revision
    (route,) = status.routes
    assert says in route.problem
    assert route.adopted_revision == after.revision
    states = {model.version: (model.state, model.problem) for model in status.models}
    assert states[1] == (pb.MODEL_STATE_READY, "")
    assert states[2][0] == pb.MODEL_STATE_FAILED
    assert says in states[2][1]
    log: list[str] = []

    def logged() -> bool:
        log.extend(capfd.readouterr())
        return says in "".join(log)

    wait_until(logged)


def test_a_route_that_was_never_adopted_is_unavailable_and_others_serve(
    credit: Registry, stub: rpc.ScoringServiceStub, status_stub: rpc.StatusServiceStub
) -> None:
    publish_linear(credit, "broken", golden_shift=0.5)
    apply(credit, ROUTE.replace("credit", "other").replace("linear@champion", "broken@1"))
    caught_up(status_stub, credit)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Score(named(entity("ann", income=1.0), route="other"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "golden rows differ" in (caught.value.details() or "")
    assert stub.Score(ANN).scores[0].version == 1


def test_a_moved_alias_is_adopted_and_answers_say_the_new_revision(
    credit: Registry, stub: rpc.ScoringServiceStub, status_stub: rpc.StatusServiceStub
) -> None:
    publish_linear(credit, "linear", (2.0, 0.0, 0.0))
    move_to_2(credit)
    caught_up(status_stub, credit)
    answer = stub.Score(ANN)
    assert answer.scores[0].version == 2
    assert answer.revision == credit.latest().revision


def test_a_refused_version_is_tried_again_when_the_registry_changes(
    credit: Registry, tmp_path: Path, stub: rpc.ScoringServiceStub, status_stub: rpc.StatusServiceStub
) -> None:
    publish_linear(credit, "linear", (2.0, 0.0, 0.0))
    path = tmp_path / "registry/models/linear/2/model.onnx"
    whole = path.read_bytes()
    flip_a_byte(path)
    move_to_2(credit)
    assert caught_up(status_stub, credit).routes[0].problem
    path.write_bytes(whole)
    publish_linear(credit, "linear", (3.0, 0.0, 0.0))
    assert not caught_up(status_stub, credit).routes[0].problem
    assert stub.Score(ANN).scores[0].version == 2


def test_an_unreadable_revision_is_reported_and_what_is_loaded_serves_on(
    credit: Registry, tmp_path: Path, stub: rpc.ScoringServiceStub, status_stub: rpc.StatusServiceStub
) -> None:
    newest = credit.latest().revision
    stub.Score(ANN)
    (tmp_path / f"registry/revisions/{newest + 1:08}.json").write_text("{")
    wait_until(lambda: status_stub.GetStatus(pb.GetStatusRequest()).problem != "")
    assert f"{newest + 1:08}" in status_stub.GetStatus(pb.GetStatusRequest()).problem
    assert stub.Score(ANN).scores[0].version == 1
    (tmp_path / f"registry/revisions/{newest + 1:08}.json").unlink()
    wait_until(lambda: status_stub.GetStatus(pb.GetStatusRequest()).problem == "")


def test_an_unreadable_model_is_reported_for_as_long_as_it_is_unreadable(
    credit: Registry, tmp_path: Path, settings: Settings
) -> None:
    publish_linear(credit, "other")
    digest = credit.latest().model_digests["other"]
    (tmp_path / f"registry/documents/{digest}.json").unlink()
    with Server(settings) as server:
        assert digest in server.watcher.catalog.problem
        assert server.watcher.look_now(5)
        assert digest in server.watcher.catalog.problem
        publish_linear(credit, "linear", (2.0, 0.0, 0.0))
        assert server.watcher.look_now(5)
        assert server.watcher.catalog.revision == credit.latest().revision
        assert digest in server.watcher.catalog.problem


def test_a_start_with_a_damaged_champion_serves_the_last_good_revision(
    credit: Registry, tmp_path: Path, settings: Settings
) -> None:
    flipped(credit, tmp_path / "registry")
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        answer = rpc.ScoringServiceStub(channel).Score(ANN)
        assert answer.scores[0].version == 1
        assert answer.revision == credit.latest().revision - 1
        status = rpc.StatusServiceStub(channel).GetStatus(pb.GetStatusRequest())
        assert "model.onnx is damaged" in status.routes[0].problem
        assert status.routes[0].adopted_revision == answer.revision


def test_health_is_not_serving_while_no_route_could_be_adopted(
    credit: Registry, tmp_path: Path, settings: Settings
) -> None:
    flip_a_byte(tmp_path / "registry/models/linear/1/model.onnx")
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)

        def state() -> int:
            return int(health.Check(health_pb2.HealthCheckRequest(service="scoreline.v1.ScoringService")).status)

        assert state() == health_pb2.HealthCheckResponse.NOT_SERVING
        publish_linear(credit, "linear", (2.0, 0.0, 0.0))
        move_to_2(credit)
        wait_until(lambda: state() == health_pb2.HealthCheckResponse.SERVING)


WITH_FALLBACK = ROUTE + "fallback: safe@1\n"


def damaged_model_file(root: Path) -> Path:
    return root / "models/safe/1/model.onnx"


def damaged_entry(root: Path) -> Path:
    return next(path for path in (root / "documents").iterdir() if b'"model":"safe"' in path.read_bytes())


@pytest.mark.parametrize("damaged", [damaged_model_file, damaged_entry])
def test_a_start_with_only_the_fallback_damaged_serves_the_route_without_it_and_says_so(
    credit: Registry, tmp_path: Path, settings: Settings, damaged: Callable[[Path], Path]
) -> None:
    publish_linear(credit, "safe")
    apply(credit, WITH_FALLBACK)
    path = damaged(tmp_path / "registry")
    whole = path.read_bytes()
    flip_a_byte(path)
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        stub, status_stub = rpc.ScoringServiceStub(channel), rpc.StatusServiceStub(channel)
        answer = stub.Score(ANN)
        assert (answer.scores[0].version, answer.revision) == (1, credit.latest().revision)
        status = status_stub.GetStatus(pb.GetStatusRequest())
        assert "route credit is served without its fallback safe@1: " in status.problem
        assert "is damaged" in status.problem
        assert (status.routes[0].adopted_revision, status.routes[0].problem) == (answer.revision, "")
        credit.commit(SetOwner("linear", "risk"), author="tester", message="")
        assert "without its fallback" in caught_up(status_stub, credit).problem
        assert stub.Score(ANN).revision == credit.latest().revision
        path.write_bytes(whole)
        credit.commit(SetOwner("linear", None), author="tester", message="")
        assert caught_up(status_stub, credit).problem == ""
        assert server.watcher.catalog.routes["credit"].fallback == 1


def test_a_route_that_serves_does_not_give_up_its_fallback_for_a_damaged_one(
    credit: Registry, tmp_path: Path, stub: rpc.ScoringServiceStub, status_stub: rpc.StatusServiceStub
) -> None:
    stub.Score(ANN)
    served = credit.latest().revision
    publish_linear(credit, "safe")
    flip_a_byte(damaged_model_file(tmp_path / "registry"))
    apply(credit, WITH_FALLBACK)
    (route,) = caught_up(status_stub, credit).routes
    assert "safe@1" in route.problem
    assert served <= route.adopted_revision < credit.latest().revision
    assert stub.Score(ANN).scores[0].version == 1
