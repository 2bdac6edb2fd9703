"""A server of sums, and clients of both kinds for it."""

import asyncio
from collections.abc import Callable, Iterator
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
