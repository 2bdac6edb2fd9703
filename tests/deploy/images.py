"""What can build the image and run it: docker or podman where an engine runs, else buildah."""

import shutil
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
NAME = "localhost/scoreline-image-test"


@dataclass(frozen=True)
class Image:
    """A built image: how it was built, its size, and its own configuration as docker writes it."""

    way: str
    size_bytes: int
    config: Mapping[str, Any]


class Container(Protocol):
    """A running container whose root is read-only and whose processes have no capabilities."""

    @property
    def address(self) -> str:
        """Where its gRPC port is asked from outside."""

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as the image's user and in its environment."""

    def terminate(self) -> None:
        """Sends the image's stop signal to its first process."""

    def ended(self) -> int:
        """Waits for its end; the exit code."""


class Builder(Protocol):
    """What builds the Dockerfile and runs what it built."""

    def build(self) -> Image:
        """Builds the image from the repository."""

    def serving(self, image: Image, registry: Path, **settings: str) -> AbstractContextManager[Container]:
        """Serves a registry, mounted read-only, until the block ends; ``settings`` are variables over the image's."""

    def remove(self) -> None:
        """Gives back all that it stored."""


def run(*command: str | Path) -> str:
    """Runs a command and returns what it prints. Raises RuntimeError with the end of its errors."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Whether a command is there and ends well."""
    if not shutil.which(command[0]):
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0
