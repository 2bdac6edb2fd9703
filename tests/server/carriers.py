"""The two ways that a call to Score can come, and a gate before the models so that calls can be made to wait."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import grpc
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.app import Server
from scoreline_server.rpc.methods import SCORE
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.results import Observe
from scoreline_server.transport.lane import Lane
from scoreline_server.transport.lane_call import LaneCall
from tests.waiting import PATIENCE_SECONDS, wait_until

BOTH_WAYS = pytest.mark.parametrize("hot_lane", [True, False], ids=["lane", "ordinary"])

Score = Callable[..., pb.ScoreResponse]


def score_by(channel: grpc.Channel) -> "grpc.UnaryUnaryMultiCallable[pb.ScoreRequest, pb.ScoreResponse]":
    """Calls Score."""
    call: grpc.UnaryUnaryMultiCallable[pb.ScoreRequest, pb.ScoreResponse] = channel.unary_unary(
        SCORE, pb.ScoreRequest.SerializeToString, pb.ScoreResponse.FromString
    )
    return call


@contextmanager
def connected(server: Server, **options: object) -> Iterator[grpc.Channel]:
    """A channel of its own to a server; ``options`` with _ for the dots after grpc."""
    arguments = [("grpc.use_local_subchannel_pool", 1), *((f"grpc.{name}", value) for name, value in options.items())]
    with grpc.insecure_channel(server.address, arguments) as channel:
        yield channel


@contextmanager
def stopping(server: Server) -> Iterator[threading.Thread]:
    """Stops a server on another thread: the block runs once connections are refused, the stop is over at its end."""
    stop = threading.Thread(target=server.stop)
    stop.start()
    wait_until(lambda: _is_refused(server.address))
    try:
        yield stop
    finally:
        stop.join(PATIENCE_SECONDS)
    assert not stop.is_alive()


def _is_refused(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except ConnectionError:
        return True
    return False


def lane_of(server: Server) -> Lane:
    """The server's lane."""
    lane = server._endpoint._lane
    assert lane is not None
    return lane


def has_lane(server: Server) -> bool:
    """Whether the server answers Score by a hot lane."""
    return server._endpoint._lane is not None


def kept_calls(lane: Lane) -> list[LaneCall]:
    """A lane's calls that something still refers to; calls in cycles of their own are collected first."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is LaneCall and each._lane is lane]


class Gate:
    """Stands before the models: while it is shut, whoever scores waits here.

    ``entered`` counts batches that came to the gate, ``calls`` the calls that went through. While there is a
    ``failure`` it is raised in place of scoring.
    """

    def __init__(self) -> None:
        self.entered = 0
        self.calls = 0
        self.failure: Exception | None = None
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        """Lets nobody through."""
        self._open.clear()

    def open(self) -> None:
        """Lets all through."""
        self._open.set()

    def __call__(self, requests: Sequence[DecodedRequest], observe: Observe | None = None) -> list[engine.Response]:
        """Scores once the gate is open."""
        self.entered += 1
        assert self._open.wait(20)
        self.calls += len(requests)
        if self.failure is not None:
            raise self.failure
        return engine.score(requests, observe)
