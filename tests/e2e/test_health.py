"""``scoreline health``, which container health checks run, against a real server."""

import subprocess
import sys
from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import running


def health(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scoreline", "health", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_health_passes_while_a_server_is_ready_and_fails_while_it_drains(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    config = tmp_path / "slow.toml"
    config.write_text("drain_delay_seconds = 3\n")
    with running(tmp_path / "registry", tmp_path / "log", "--config", str(config)) as server:
        ready = health("--ops", server.ops.replace("127.0.0.1", "0.0.0.0"))
        assert (ready.returncode, ready.stdout) == (0, "ready: 1 of 1 workers serve\n")
        server.process.terminate()
        server.wait_until(lambda status: status["draining"])
        drains = health("--ops", server.ops, "--json")
        assert drains.returncode == 1
        assert '"ready": false' in drains.stdout
        assert drains.stderr == f"Error: the server with the ops port {server.ops} is not ready: it drains\n"


@pytest.mark.parametrize(
    ("ops", "code", "says"),
    [
        ("127.0.0.1:1", 1, "Error: no ops port answers at 127.0.0.1:1: start a server, or give --ops HOST:PORT\n"),
        ("off", 2, "Error: the server's ops port is off: set ops_listen, or give --ops\n"),
        ("127.0.0.1:0", 2, "Error: 127.0.0.1:0 has no port number: give --ops HOST:PORT\n"),
        ("[::]:1", 1, "Error: no ops port answers at [::1]:1: start a server, or give --ops HOST:PORT\n"),
    ],
)
def test_health_says_in_one_line_why_it_cannot_tell(ops: str, code: int, says: str) -> None:
    done = health("--ops", ops)
    assert done.returncode == code
    assert says in done.stderr
