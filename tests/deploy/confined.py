"""An image's file system run without an engine: namespaces, a read-only root, the image's user and environment."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import free_port
from tests.deploy.images import Image

_CONFINE = Path(__file__).with_name("confine")
_END_SECONDS = 60


@dataclass(frozen=True)
class Confined:
    """A process tree in namespaces of its own, on the network of this machine."""

    address: str
    user: str
    environment: Mapping[str, str]
    process: subprocess.Popen[str]

    @property
    def first(self) -> int:
        """The process that is number 1 inside, by its number outside."""
        (child,) = _children(self.process)
        return child

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Enters the namespaces as the image's user."""
        user, _, group = self.user.partition(":")
        enter = ["nsenter", "--target", str(self.first), "--mount", "--pid", "--ipc", "--uts", "--root", "--wd"]
        inside = [*enter, "--setuid", user, "--setgid", group, "env", "-i", *_assignments(self.environment), *command]
        return subprocess.run(inside, capture_output=True, text=True, check=False, timeout=60)

    def terminate(self) -> None:
        """What an engine does at the first."""
        os.kill(self.first, signal.SIGTERM)

    def ended(self) -> int:
        """The code of the first process, which unshare ends with too."""
        return self.process.wait(_END_SECONDS)


@contextmanager
def confined(root: Path, image: Image, registry: Path, settings: Mapping[str, str], *, log: Path) -> Iterator[Confined]:
    """Runs the image's command; ends it by force if the test has not."""
    config = image.config
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    environment |= settings
    # The network is this machine's, where nothing else may be reached.
    environment |= {"SCORELINE_LISTEN": f"127.0.0.1:{free_port()}", "SCORELINE_OPS_LISTEN": f"127.0.0.1:{free_port()}"}
    user, _, group = config["User"].partition(":")
    (volume,) = config["Volumes"]
    command = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", str(_CONFINE)]
    command += [str(root), str(registry), volume, user, group, *_assignments(environment)]
    command += [*config["Entrypoint"], *config["Cmd"]]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            container = Confined(environment["SCORELINE_LISTEN"], config["User"], environment, process)
            _wait_until_it_serves(container, log)
            yield container
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Kills the first process, with which its namespace ends; unshare itself cannot, once its child is another user."""
    for child in _children(process):
        os.kill(child, signal.SIGKILL)
    process.wait(_END_SECONDS)


def _children(process: subprocess.Popen[str]) -> list[int]:
    """None once it has ended."""
    if process.poll() is not None:
        return []
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def _wait_until_it_serves(container: Confined, log: Path) -> None:
    assert container.process.stdout is not None
    # The server prints its address once it is open, and nothing before.
    line = container.process.stdout.readline().strip()
    assert line == container.address, log.read_text()


def _assignments(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]
