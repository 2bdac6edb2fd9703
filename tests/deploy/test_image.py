"""The container image, built from this tree and run as an engine runs it: ``make image-test``."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

import scoreline
from scoreline.version import __version__
from scoreline_registry.registry import Registry
from tests.deploy.images import Builder, Container, Image
from tests.e2e.load import raw_outcomes
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid
from tests.server.wire import entity, named

pytestmark = pytest.mark.image

PYTHON = "/opt/scoreline/bin/python"
TRAINERS = ("torch", "onnx", "sklearn", "lightgbm", "xgboost", "catboost", "polars", "pip", "grpc_tools")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one route, readable by everyone."""
    folder = tmp_path_factory.mktemp("registry") / "registry"
    registry = Registry.create(folder)
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return folder


@pytest.fixture(scope="module")
def container(builder: Builder, image: Image, folder: Path) -> Iterator[Container]:
    """The image, serving."""
    with builder.serving(image, folder) as running:
        yield running


def test_it_answers_a_caller_outside(container: Container) -> None:
    with scoreline.Client(container.address) as client:
        score = client.score("credit", {"income": 1.0}, entity_id="ann")
        assert client.status().server_version == __version__
    assert score.score == pytest.approx(float(sigmoid(1.0)), abs=1e-6)


def test_its_first_process_is_the_server_without_root_or_capabilities(container: Container) -> None:
    status = dict(
        line.split(":", 1) for line in container.execute("cat", "/proc/1/status").stdout.splitlines() if ":" in line
    )
    assert status["Uid"].split() == status["Gid"].split() == ["10001"] * 4
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"
    command = container.execute("cat", "/proc/1/cmdline").stdout.split("\0")
    assert command[-2:] == ["serve", ""]


@pytest.mark.parametrize("path", ["/opt/scoreline/new", "/new", "/etc/new", "/srv/registry/new", "/usr/bin/new"])
def test_its_root_is_read_only(container: Container, path: str) -> None:
    done = container.execute("sh", "-c", f": > {path}")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_its_health_check_is_its_own_command_and_passes(container: Container, image: Image) -> None:
    kind, *command = image.config["Healthcheck"]["Test"]
    done = container.execute(*command)
    assert (kind, done.returncode) == ("CMD", 0), done.stderr
    assert done.stdout == "ready: 1 of 1 workers serve\n"


def test_it_speaks_utf8_in_english(container: Container) -> None:
    code = "import locale, sys; print(*locale.setlocale(locale.LC_ALL, '').split('.'), sys.stdout.encoding)"
    assert container.execute(PYTHON, "-c", code).stdout.split() == ["en_US", "UTF-8", "utf-8"]


def test_it_brings_nothing_that_trains_or_installs(container: Container) -> None:
    code = f"import importlib.util as u; print([name for name in {TRAINERS!r} if u.find_spec(name)])"
    assert container.execute(PYTHON, "-c", code).stdout == "[]\n"


def test_it_journals_into_its_volume(container: Container, image: Image) -> None:
    (volume,) = image.config["Volumes"]
    with scoreline.Client(container.address) as client:
        client.score("credit", {"income": 1.0}, entity_id="eve")
    done = container.execute("scoreline", "journal", "verify", volume)
    assert done.returncode == 0, done.stderr
    assert container.execute("sh", "-c", f"ls {volume} | wc -l").stdout.strip() != "0"


def test_its_labels_say_what_it_is(image: Image) -> None:
    assert image.config["Labels"]["org.opencontainers.image.title"] == "scoreline"
    assert image.config["Labels"]["org.opencontainers.image.version"] == __version__


def test_sigterm_tells_of_the_end_while_every_call_is_answered(builder: Builder, image: Image, folder: Path) -> None:
    request, stop = named(entity("ann", income=1.0)), threading.Event()
    with (
        builder.serving(image, folder, SCORELINE_DRAIN_DELAY_SECONDS="3") as container,
        ThreadPoolExecutor(4) as threads,
    ):
        callers = [threads.submit(raw_outcomes, container.address, request, stop) for _ in range(4)]
        time.sleep(1)
        container.terminate()
        # As a load balancer does: no more calls once the health check fails, which takes the command's own start.
        while (health := container.execute("scoreline", "health")).returncode == 0:
            time.sleep(0.05)
        stop.set()
        outcomes = [outcome for caller in callers for outcome in caller.result()]
        assert container.ended() == 0
    assert "it drains" in health.stderr
    assert len(outcomes) > 100
    assert set(outcomes) == {grpc.StatusCode.OK}


def test_nothing_of_a_container_is_left_running(builder: Builder, image: Image, folder: Path) -> None:
    with builder.serving(image, folder) as container:
        address = container.address
    never = scoreline.RetryPolicy(max_attempts=1)
    with scoreline.Client(address, retry=never) as client, pytest.raises(scoreline.UnavailableError):
        client.status()
