"""A server of sums, and clients of both kinds for it."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import scoreline
from scoreline import RetryPolicy
from tests.clients.sums import Running, Sums, start

QUICK = RetryPolicy(initial_backoff_seconds=0.005, max_backoff_seconds=0.02)
Start = Callable[..., Running]


@pytest.fixture(name="start")
def start_fixture() -> Iterator[Start]:
    """Starts servers, and stops them at the end."""
    started: list[Running] = []

    def begin(sums: Sums | None = None, **options: Any) -> Running:
        started.append(start(sums or Sums(), **options))
        return started[-1]

    yield begin
    for running in started:
        running.server.stop(0).wait()


@pytest.fixture
def running(start: Start) -> Running:
    """A server of this test's own."""
    return start()


class Awaited:
    """AsyncClient with the methods of Client, so that one suite holds both to the same behaviour."""

    def __init__(self, target: str, **options: Any) -> None:
        self.runner = asyncio.Runner()
        self._client = scoreline.AsyncClient(target, **options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self.runner.run(method(*args, **options))


Connect = Callable[..., scoreline.Client]


@pytest.fixture(params=[scoreline.Client, Awaited], ids=["threads", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of either kind and closes them at the end."""
    opened: list[scoreline.Client] = []

    def make(target: str, **options: Any) -> scoreline.Client:
        opened.append(request.param(target, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()
        if isinstance(client, Awaited):
            client.runner.close()


@pytest.fixture
def client(connect: Connect, running: Running) -> scoreline.Client:
    """A client of the running server that retries without much waiting."""
    return connect(running.target, retry=QUICK)


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca, server (for scoring.internal) and client as NAME.crt and NAME.key."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "2", cwd=folder)
    for name, host in (("server", "scoring.internal"), ("client", "batch.internal")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}", cwd=folder)
        (folder / "names").write_text(f"subjectAltName=DNS:{host}\n")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", "2", "-extfile", "names", cwd=folder,
        )  # fmt: skip
    return folder
