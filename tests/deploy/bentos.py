"""Builds Bentos and serves them, each in an environment that has no source tree on its path."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.images import run
from tests.deploy.releases import CLEAN, pip

_READY_SECONDS = 60


@dataclass(frozen=True)
class Bento:
    """A Bento in a store."""

    tag: str
    path: Path
    bytes: int
    revision: int
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Store:
    """BentoML's home, and the Python that builds into it."""

    home: Path
    python: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables for whoever uses the store."""
        return {**CLEAN, "BENTOML_HOME": str(self.home), "BENTOML_DO_NOT_TRACK": "True"}

    def build(self, registry: Path, route: str, *flags: str) -> Bento:
        """Builds by the command."""
        command: list[str | Path] = [
            self.python,
            "-m",
            "scoreline",
            "bento",
            "build",
            "--json",
            "--registry",
            registry,
            "--route",
            route,
        ]
        done = subprocess.run(
            [*command, *flags], env=self.environment, cwd=self.home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        built = json.loads(done.stdout[done.stdout.index("{\n") :])
        digests = {f"{one['model']}@{one['version']}": one["sha256"] for one in built["versions"]}
        return Bento(built["tag"], Path(built["path"]), built["bytes"], built["revision"], digests)


def install_requirements(bento: Bento, folder: Path) -> Path:
    """A fresh environment made of the Bento's own requirements, as its Dockerfile makes one; its Python."""
    run("python3", "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    requirements = (bento.path / "env" / "python" / "requirements.txt").read_text()
    absolute = requirements.replace("./wheels/", f"{bento.path}/src/wheels/")
    (folder / "requirements.txt").write_text(absolute)
    pip("--python", python, "install", "-r", folder / "requirements.txt")
    return python


@dataclass(frozen=True)
class Serving:
    """A Bento that serves."""

    process: subprocess.Popen[bytes]
    http: int
    grpc: str
    ready_seconds: float

    def get(self, path: str) -> tuple[int, str]:
        """Code and body of a page."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.http}{path}"))

    def post(self, path: str, body: object = None) -> tuple[int, Any]:
        """Code and JSON of an endpoint's answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}{path}",
            data=json.dumps({} if body is None else body).encode(),
            headers={"content-type": "application/json"},
        )
        code, text = self._ask(request)
        return code, json.loads(text)

    @staticmethod
    def _ask(request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def resident_bytes(self) -> int:
        """The memory of all its processes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]


@contextmanager
def serving(store: Store, bento: Bento, python: Path, log: Path, **settings: str) -> Iterator[Serving]:
    """Runs the entry point of the Bento's image in an environment; ends it by SIGTERM if the test has not."""
    http, grpc = free_port(), free_port()
    environment = {
        **store.environment,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "BENTO_PATH": str(bento.path),
        "SCORELINE_LISTEN": f"127.0.0.1:{grpc}",
        **settings,
    }
    command = ["bash", str(bento.path / "env" / "docker" / "entrypoint.sh"), "serve", "--host", "127.0.0.1"]
    begun = time.monotonic()
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, "--port", str(http)], env=environment, cwd="/", stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            running = Serving(process, http, f"127.0.0.1:{grpc}", 0.0)
            _wait_until_ready(running, log)
            yield Serving(process, http, f"127.0.0.1:{grpc}", time.monotonic() - begun)
        finally:
            process.terminate()
            process.wait(40)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_until_ready(running: Serving, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            if running.get("/readyz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])
