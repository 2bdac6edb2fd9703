"""Docker, or podman, which has the same commands."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.images import DOCKERFILE, NAME, ROOT, Container, Image, run

_START_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """A running engine by the name of its command."""

    command: str

    def build(self) -> Image:
        """Builds with the engine's own network and cache; the file PIP_CONFIG_FILE names is the secret."""
        pip = os.environ.get("PIP_CONFIG_FILE")
        secret = ["--secret", f"id=pip.conf,src={pip}"] if pip else []
        run(self.command, "build", *secret, "-f", DOCKERFILE, "-t", NAME, ROOT)
        (facts,) = json.loads(run(self.command, "image", "inspect", NAME))
        version = run(self.command, "version", "--format", "{{.Client.Version}}").strip()
        return Image(f"{self.command} {version}", facts["Size"], facts["Config"])

    @contextmanager
    def serving(self, image: Image, registry: Path, **settings: str) -> Iterator[Container]:
        """Runs the image with no more than it needs; the gRPC port is open on the loopback address only."""
        del image
        limits = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
        mount = f"{registry}:/srv/registry:ro"
        given = [f"--env={name}={value}" for name, value in settings.items()]
        started = run(self.command, "run", "--detach", *limits, *given, "-p", "127.0.0.1::50051", "-v", mount, NAME)
        try:
            address = run(self.command, "port", started.strip(), "50051").split()[-1]
            container = EngineContainer(self.command, started.strip(), address)
            container.wait_until_healthy()
            yield container
        finally:
            run(self.command, "rm", "--force", "--volumes", started.strip())

    def remove(self) -> None:
        """The image goes, the engine's cache stays."""
        run(self.command, "image", "rm", NAME)


@dataclass(frozen=True)
class EngineContainer:
    """One container of an engine."""

    command: str
    name: str
    address: str

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """By the engine's exec."""
        inside = [self.command, "exec", self.name, *command]
        return subprocess.run(inside, capture_output=True, text=True, check=False)

    def wait_until_healthy(self) -> None:
        """Raises TimeoutError with the container's log."""
        deadline = time.monotonic() + _START_SECONDS
        while self.execute("scoreline", "health").returncode != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(run(self.command, "logs", self.name))
            time.sleep(0.2)

    def terminate(self) -> None:
        """By the engine's kill."""
        run(self.command, "kill", "--signal", "TERM", self.name)

    def ended(self) -> int:
        """By the engine's wait."""
        return int(run(self.command, "wait", self.name))
