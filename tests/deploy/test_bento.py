"""A Bento of the demo's route serves by itself what the registry's own server serves, over HTTP and over gRPC."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import scoreline
from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.settings import Settings
from scoreline_trainers.demo.propensity.scenario import ROUTE, run_demo
from scoreline_trainers.progress import Lines
from scoreline_trainers.synthetic import GENERATORS
from tests.deploy.bentos import Bento, Serving, Store, install_requirements, serving
from tests.deploy.dockerfile import read_stages
from tests.deploy.releases import build_wheel, install
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

ROWS = 10_000
Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of this module is."""
    return tmp_path_factory.mktemp("bento")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    """The demo's registry."""
    run_demo(folder / "registry", customers=100, rows=5000, progress=Lines(lambda _: None))
    return Registry.open(folder / "registry")


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    """An empty store, and an installed Scoreline that builds."""
    (folder / "home").mkdir()
    return Store(folder / "home", install(build_wheel(folder), folder / "builder", extra="bento"))


@pytest.fixture(scope="module")
def bento(store: Store, registry: Registry) -> Bento:
    """The demo's route."""
    return store.build(Path(str(registry.storage)), ROUTE)


@pytest.fixture(scope="module")
def python(bento: Bento, folder: Path) -> Path:
    """The environment that the Bento asks for."""
    return install_requirements(bento, folder / "environment")


@pytest.fixture(scope="module")
def served(store: Store, bento: Bento, python: Path, folder: Path) -> Iterator[Serving]:
    """The Bento with two workers."""
    with serving(store, bento, python, folder / "serving.log", SCORELINE_WORKERS="2") as running:
        yield running


@pytest.fixture(scope="module")
def rows(registry: Registry) -> Rows:
    """New customers."""
    names = registry.latest().routes[ROUTE].input_schema.kinds
    table = GENERATORS[ROUTE](ROWS, seed=7)
    return [
        {"entity_id": f"customer-{number}", "features": row}
        for number, row in enumerate(table.select(list(names)).to_dicts())
    ]


def bits(numbers: Sequence[float]) -> bytes:
    """The numbers as float32."""
    return np.array(numbers, np.float32).tobytes()


def over_grpc(address: str, rows: Rows) -> list[scoreline.Score]:
    """The answers of a gRPC server."""
    with scoreline.Client(address) as client:
        return [client.score(ROUTE, row["features"], entity_id=row["entity_id"]) for row in rows]


def test_the_bento_scores_over_http_and_grpc_what_the_registrys_own_server_scores(
    registry: Registry, bento: Bento, served: Serving, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(registry=str(registry.storage), listen="127.0.0.1:0", journal_dir="off")
    with Server(settings) as server:
        own = over_grpc(server.address, rows)
    by_grpc, by_http = over_grpc(served.grpc, rows), []
    for start in range(0, ROWS, 500):
        code, answer = served.post("/score_many", {"entities": rows[start : start + 500]})
        assert code == 200, answer
        by_http += answer["scores"]
    expected = bits([score.score for score in own])
    assert bits([score.score for score in by_grpc]) == expected
    assert bits([score["score"] for score in by_http]) == expected
    arms = [(score.arm, score.version) for score in own]
    assert len(set(arms)) > 1
    assert [(score.arm, score.version) for score in by_grpc] == arms
    assert [(score["arm"], score["version"]) for score in by_http] == arms
    with capsys.disabled():
        print(
            f"\nBento: {bento.bytes / 2**20:.2f} MiB, ready in {served.ready_seconds:.1f} s, "
            f"{served.resident_bytes / 2**20:.0f} MiB resident with 2 workers"
        )


def test_every_endpoint_answers_and_refusals_say_why(served: Serving, bento: Bento, rows: Rows) -> None:
    assert served.post("/score", rows[0])[1]["score"]["model"].startswith(ROUTE)
    assert served.post("/schema")[1]["route"] == ROUTE
    assert served.post("/assignment", {"entity_id": "customer-1"})[1]["arm"].startswith(ROUTE)
    health = served.post("/health")[1]
    assert (health["ready"], health["revision"], health["models"]) == (True, bento.revision, dict(bento.digests))
    code, refused = served.post("/score", {"entity_id": "a", "features": {"nonsense": 1}})
    assert (code, refused["reason"]) == (400, "UNKNOWN_FEATURE")
    code, refused = served.post("/decide", {"policy": "nobody", "entity_id": "a"})
    assert (code, refused["reason"]) == (404, "POLICY_NOT_FOUND")
    assert served.get("/readyz")[0] == served.get("/livez")[0] == 200
    assert 'scoreline_calls_total{code="OK",method="/scoreline.v1.ScoringService/Score"}' in served.get("/metrics")[1]


@pytest.mark.parametrize("path", ["/score", "/score_many", "/assignment"])
def test_the_examples_of_openapi_are_answered(served: Serving, path: str) -> None:
    described = json.loads(served.get("/docs.json")[1])["paths"][path]["post"]["requestBody"]
    code, answer = served.post(path, described["content"]["application/json"]["schema"]["example"])
    assert code == 200, answer


def test_what_is_too_long_or_misshapen_is_refused_at_once_and_not_logged(served: Serving, folder: Path) -> None:
    code, answer = served.post("/score_many", {"entities": [{"entity_id": "x" * 2**20}] * 17})
    assert code == 413
    assert "max_message_bytes" in answer["error"]
    code, answer = served.post("/score_many", {"entities": [{}] * 1025})
    assert (code, answer["detail"][0]["type"]) == (400, "too_long")
    assert served.post("/score", {"entity_id": ["whose secret is kept"]})[0] == 400
    logged = (folder / "serving.log").read_text()
    assert "entity_id\n" in logged
    assert "secret" not in logged


def test_a_port_in_use_ends_the_start_with_one_line(store: Store, bento: Bento, python: Path, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(AssertionError) as failed,
            serving(store, bento, python, folder / "refused.log", SCORELINE_LISTEN=listen),
        ):
            pass
    *_, last = str(failed.value).splitlines()
    assert last.startswith(f"Error: cannot listen on {listen}")
    assert "Traceback" not in str(failed.value)


def frozen_files(bento: Bento) -> dict[Path, bytes]:
    """The registry in a Bento."""
    folder = bento.path / "src" / "registry"
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bento_keeps_its_route_while_the_registry_moves_on(store: Store, registry: Registry, bento: Bento) -> None:
    newest = registry.latest()
    again = store.build(Path(str(registry.storage)), ROUTE, "--revision", str(bento.revision))
    assert (again.digests, again.revision) == (bento.digests, bento.revision)
    ref = newest.routes[ROUTE].arms[0]
    spec = f"route: {ROUTE}\nschema: {{like: {ref}}}\nrules:\n  - split: {{{ref}: 100}}\n"
    registry.apply_route(read_route(spec, source="test"), author="tester", message="one arm")
    fresh = store.build(Path(str(registry.storage)), ROUTE)
    assert fresh.revision == newest.revision + 1
    assert set(fresh.digests) == {"{}@{}".format(*newest.resolve(ref))} < set(bento.digests)
    assert frozen_files(again) == frozen_files(bento)


def test_the_dockerfile_copies_what_is_there_and_starts_what_is_there(bento: Bento) -> None:
    (stage,) = read_stages(bento.path / "env" / "docker" / "Dockerfile")
    copies = [source for copy in stage.all("COPY") for source in copy.words[:-1]]
    assert copies
    assert [source for source in copies if not (bento.path / source).exists()] == []
    home = stage.pairs("ARG")["BENTO_PATH"]
    (entry,) = stage.last("ENTRYPOINT").words
    assert (bento.path / Path(entry).relative_to(home)).is_file()


class Load:
    """Callers on both ports who go on until their port is closed; what was answered, by prediction id."""

    def __init__(self, served: Serving, row: Mapping[str, Any]) -> None:
        self._served, self._row = served, row
        self.answered: dict[str, list[str]] = {"http": [], "grpc": []}
        self._threads = [threading.Thread(target=run) for run in (self._http, self._http, self._grpc, self._grpc)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _http(self) -> None:
        body = json.dumps(self._row)
        # Connects again by itself where an answer asked for that.
        with closing(http.client.HTTPConnection("127.0.0.1", self._served.http, timeout=30)) as connection:
            while True:
                try:
                    connection.request("POST", "/score", body, {"content-type": "application/json"})
                    answer = connection.getresponse()
                except OSError:
                    return
                self.answered["http"].append(json.loads(answer.read())["score"]["prediction_id"])

    def _grpc(self) -> None:
        features = {name: _value(value) for name, value in self._row["features"].items()}
        entity = pb.Entity(entity_id=self._row["entity_id"], features=features)
        with grpc.insecure_channel(self._served.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = rpc.ScoringServiceStub(channel)
            while True:
                try:
                    answer = stub.Score(pb.ScoreRequest(route=ROUTE, entities=[entity]), timeout=30)
                except grpc.RpcError:
                    return
                self.answered["grpc"].append(answer.scores[0].prediction_id)


def _value(value: Any) -> pb.Value:
    if value is None:
        return pb.Value()
    return pb.Value(text=value) if isinstance(value, str) else pb.Value(number=float(value))


def test_all_that_was_started_is_answered_on_both_ports_when_it_is_told_to_end(
    store: Store, bento: Bento, python: Path, rows: Rows, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = folder / "journal"
    settings = {"SCORELINE_WORKERS": "2", "SCORELINE_JOURNAL_DIR": str(journal), "SCORELINE_DRAIN_DELAY_SECONDS": "0.5"}
    with serving(store, bento, python, folder / "draining.log", **settings) as running:
        load = Load(running, rows[0])
        load.start()
        wait_until(lambda: all(len(ids) > 100 for ids in load.answered.values()))
        running.process.terminate()
        load.join()
        assert running.process.wait(40) == 0
    started = {one for records in read_records([journal]) for one in records.prediction_ids}
    answered = {port: set(ids) for port, ids in load.answered.items()}
    assert all(len(ids) > 100 for ids in answered.values())
    assert answered["http"] | answered["grpc"] == started
    with capsys.disabled():
        print(
            f"\nstarted {len(started)} = answered {len(answered['http'])} over HTTP + {len(answered['grpc'])} over gRPC"
        )
