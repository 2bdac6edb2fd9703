"""A registry in a temporary folder and a real server on a free port."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.loading import loader
from scoreline_server.scoring import engine
from scoreline_server.scoring.results import ScoredBatch
from scoreline_server.settings import Settings
from scoreline_server.stopping import StopLimits
from tests.server.carriers import Gate

StubOf = Callable[[], rpc.ScoringServiceStub]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry on disk."""
    return Registry.create(str(tmp_path / "registry"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a test server of ``registry``: a free port and a quick eye."""
    return Settings(registry=str(tmp_path / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5)


@dataclass
class Observer:
    """Sees what a server scores, before the journal does; a test gives it something to do."""

    do: Callable[[ScoredBatch], None] = lambda _: None

    def __call__(self, scored: ScoredBatch) -> None:
        self.do(scored)


@pytest.fixture
def observer() -> Observer:
    """The observer of ``server``."""
    return Observer()


@pytest.fixture
def stop_limits() -> StopLimits:
    """How long a stop of ``server`` waits."""
    return StopLimits()


@pytest.fixture
def gate() -> Gate:
    """Holds the batches of a server whose test module overrides ``score`` with it."""
    return Gate()


@pytest.fixture
def score() -> engine.Score:
    """How ``server`` scores; override it to hold or fail batches."""
    return engine.score


@pytest.fixture
def load() -> loader.Load:
    """How ``server`` loads versions; override it to set what rows cost."""
    return loader.load


@pytest.fixture
def server(
    registry: Registry,
    settings: Settings,
    score: engine.Score,
    load: loader.Load,
    observer: Observer,
    stop_limits: StopLimits,
) -> Iterator[Server]:
    """A serving server; publish before it starts by asking for ``registry`` first."""
    with Server(settings, score=score, load=load, observers=[observer], stop_limits=stop_limits) as running:
        yield running


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    """A channel to the server."""
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture
def stub_of(registry: Registry, settings: Settings) -> Iterator[StubOf]:
    """Starts a server when called, after the test has published, and gives its scoring service."""
    with ExitStack() as stack:

        def start() -> rpc.ScoringServiceStub:
            server = stack.enter_context(Server(settings))
            return rpc.ScoringServiceStub(stack.enter_context(grpc.insecure_channel(server.address)))

        yield start


@pytest.fixture
def stub(channel: grpc.Channel) -> rpc.ScoringServiceStub:
    """The scoring service."""
    return rpc.ScoringServiceStub(channel)


@pytest.fixture
def status_stub(channel: grpc.Channel) -> rpc.StatusServiceStub:
    """The status service."""
    return rpc.StatusServiceStub(channel)
