"""Starting, health, reflection, and ending without losing a call."""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from scoreline.v1 import profiles_pb2, registry_pb2, scoring_pb2
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.errors import StartError
from scoreline_server.settings import Settings, misspelled, read_settings
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

ANN = named(entity("ann", income=1.0))


@pytest.fixture
def credit(registry: Registry) -> Registry:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


def test_health_serves_each_service_and_tells_of_the_drain(credit: Registry, settings: Settings) -> None:
    with Server(settings.model_copy(update={"drain_delay_seconds": 0.5})) as server:
        channel = grpc.insecure_channel(server.address)
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "scoreline.v1.ScoringService", "scoreline.v1.StatusService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stopping = threading.Thread(target=server.stop)
        states = health.Watch(health_pb2.HealthCheckRequest(service=""))
        assert next(states).status == health_pb2.HealthCheckResponse.SERVING
        stopping.start()
        assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert rpc.ScoringServiceStub(channel).Score(ANN).scores[0].version == 1
        states.cancel()
        stopping.join()
        channel.close()


def test_reflection_lists_the_services(credit: Registry, channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (answer,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in answer.list_services_response.service}
    assert {"scoreline.v1.ScoringService", "scoreline.v1.StatusService", "grpc.health.v1.Health"} <= names


def code_of(channel: grpc.Channel, path: str) -> grpc.StatusCode:
    """What an empty message to a method is answered with, at the latest after a second."""
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
    stream = call(iter([b""]), timeout=1)
    with contextlib.suppress(grpc.RpcError):
        list(stream)
    return stream.code()


def test_every_announced_method_is_served(server: Server, channel: grpc.Channel) -> None:
    services = [
        s for file in (scoring_pb2, registry_pb2, profiles_pb2) for s in file.DESCRIPTOR.services_by_name.values()
    ]
    paths = [f"/{service.full_name}/{method.name}" for service in services for method in service.methods]
    codes = {path: code_of(channel, path) for path in paths}
    assert len(codes) > 15
    assert grpc.StatusCode.UNIMPLEMENTED not in codes.values(), codes


def test_sigterm_under_load_answers_every_call_that_was_accepted(credit: Registry, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scoreline_server", "--registry", str(tmp_path / "registry")]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--ops-listen", "off"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    outcomes: list[grpc.StatusCode] = []
    enough, done = threading.Event(), threading.Event()

    def call_until_gone() -> None:
        with grpc.insecure_channel(address) as channel:
            stub = rpc.ScoringServiceStub(channel)
            while not done.is_set():
                try:
                    assert stub.Score(ANN, timeout=10).scores[0].version == 1
                    outcomes.append(grpc.StatusCode.OK)
                except grpc.RpcError as error:
                    outcomes.append(error.code())
                    return
                if len(outcomes) > 100:
                    enough.set()

    callers = [threading.Thread(target=call_until_gone) for _ in range(4)]
    for caller in callers:
        caller.start()
    assert enough.wait(20)
    process.terminate()
    _, log = process.communicate(timeout=20)
    done.set()
    for caller in callers:
        caller.join(15)
        assert not caller.is_alive()
    assert process.returncode == 0, log
    assert set(outcomes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert '"event": "stopped"' in log


def test_a_folder_without_a_registry_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scoreline_server", "--registry", str(tmp_path / "none"), "--ops-listen", "off"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "scoreline init" in done.stderr


def test_a_taken_port_is_one_clear_error(credit: Registry, server: Server, settings: Settings) -> None:
    with pytest.raises(StartError, match="cannot listen on"):
        Server(settings.model_copy(update={"listen": server.address}))


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "scoreline.toml"
    config.write_text('threads = 2\nlisten = "127.0.0.1:1"\nregistry = "file"\n')
    monkeypatch.setenv("SCORELINE_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("SCORELINE_REGISTRY", "environment")
    settings = read_settings(config=config, registry="flag", threads=None)
    assert (settings.threads, settings.listen, settings.registry) == (2, "127.0.0.1:2", "flag")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lisen = 'x'", "{config}: unknown setting 'lisen'; did you mean 'listen'?"),
        ("threads = 0", "{config}: threads must be a whole number from 1 to 256, not 0"),
        ("poll_seconds = 0", "{config}: poll_seconds must be a number above 0, not 0"),
        ("log_format = 'xml'", "{config}: log_format must be 'auto' or 'console' or 'json', not 'xml'"),
        ("tls_key_file = 3", "{config}: tls_key_file must be a path, not 3"),
        ("tls_key_file = 'a.key'", "tls_certificate_file and tls_key_file go together"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place_and_what_is_accepted(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "scoreline.toml"
    config.write_text(text)
    with pytest.raises(StartError) as caught:
        read_settings(config=config)
    assert str(caught.value) == says.format(config=config)


def test_a_wrong_environment_variable_and_a_wrong_flag_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORELINE_WORKERS", "many")
    with pytest.raises(StartError) as caught:
        read_settings(poll_seconds="soon")
    assert str(caught.value).split("; ") == [
        "the environment variable SCORELINE_WORKERS must be a whole number from 1 to 256 or 'auto', not 'many'",
        "--poll-seconds must be a number above 0, not 'soon'",
    ]


def test_a_variable_that_is_nearly_a_setting_is_found() -> None:
    others = ("SCORELINE_WORKERS", "SCORELINE_SERVER", "SCORELINE_REGISTRY_PORT", "SCORELINE_SERVICE_HOST", "WORKRES")
    found = misspelled(["SCORELINE_WORKRES", "SCORELINE_JOURNAL_KEEP_DAY", *others])
    assert found == {
        "SCORELINE_WORKRES": "SCORELINE_WORKERS",
        "SCORELINE_JOURNAL_KEEP_DAY": "SCORELINE_JOURNAL_KEEP_DAYS",
    }


def test_a_config_that_is_no_toml_is_named(tmp_path: Path) -> None:
    config = tmp_path / "scoreline.toml"
    config.write_text("=")
    with pytest.raises(StartError, match=r"scoreline\.toml: "):
        read_settings(config=config)
