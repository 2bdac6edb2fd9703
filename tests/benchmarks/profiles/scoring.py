"""Scoring from state: calls at a steady rate while another process records."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.rpc.methods import SCORE
from tests.benchmarks.load import LoadError
from tests.benchmarks.pace import Figures
from tests.benchmarks.processes import Program, program
from tests.benchmarks.profiles.workload import Workload
from tests.waiting import wait_until

RATE = 500
"""Calls of Score per second."""

_CHANNELS = 4
_WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Beside:
    """What goes on beside scoring: events per second, and the entities that they are of."""

    events_per_second: int
    entities: int


def scored(
    address: str, server: Program, workload: Workload, beside: Beside, *, seconds: float, folder: Path
) -> Figures:
    """Latencies of calls to Score that are sent at fixed times, from the time when each was due."""
    bodies = workload.scores(int(RATE * (seconds + _WARM_UP_SECONDS)))
    with recording_beside(address, beside, folder), _Caller(address) as caller:
        caller.run(bodies[: int(RATE * _WARM_UP_SECONDS)])
        spent, began = server.processor_seconds(), time.perf_counter()
        calls = caller.run(bodies[int(RATE * _WARM_UP_SECONDS) :])
        spent, lasted = server.processor_seconds() - spent, time.perf_counter() - began
    times = {f"p{quantile} ms": 1e3 * float(np.percentile(calls.seconds, quantile)) for quantile in (50, 99, 99.9)}
    states = Counter(_state(answer) for answer in calls.answers)
    read = states[pb.PROFILE_STATE_READ] + states[pb.PROFILE_STATE_NEW]
    return {
        **times,
        "answered from state: %": 100 * read / len(calls.answers),
        "server's CPU, of one core: %": 100 * spent / lasted,
    }


@contextmanager
def recording_beside(address: str, beside: Beside, folder: Path) -> Iterator[None]:
    """Another process records until the block ends. Raises LoadError where it does not last so long."""
    command = [
        sys.executable, "-m", "tests.benchmarks.profiles.background", address, str(beside.events_per_second),
        str(beside.entities),
    ]  # fmt: skip
    log = folder / "background.log"
    with program(command, log=log) as process:
        if process.line() != "ready":
            raise LoadError(f"recording beside scoring failed: {log.read_text()[-1000:]}")
        yield
        if process.ended():
            raise LoadError(f"recording beside scoring ended: {log.read_text()[-1000:]}")


@dataclass
class _Calls:
    """Calls that ended: their seconds and answers."""

    seconds: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def count(self) -> int:
        return len(self.answers) + len(self.failed)


class _Caller:
    """Sends without waiting for answers."""

    def __init__(self, address: str) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.insecure_channel(address, own) for _ in range(_CHANNELS)]
        self._methods: list[Any] = [channel.unary_unary(SCORE) for channel in self._channels]
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels:
            channel.close()

    def run(self, bodies: Sequence[bytes]) -> _Calls:
        """Sends each body when it is due, and waits for all answers. Raises LoadError where a call failed."""
        calls, began = _Calls(), time.perf_counter()
        for number, body in enumerate(bodies):
            due = began + number / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            self._send(calls, body, due, number)
        wait_until(lambda: calls.count() == len(bodies))
        if calls.failed:
            raise LoadError(f"{len(calls.failed):,} of {len(bodies):,} calls to Score failed: {calls.failed[0]}")
        return calls

    def _send(self, calls: _Calls, body: bytes, due: float, number: int) -> None:
        sent = self._methods[number % _CHANNELS].future(body, timeout=10)

        def ended(done: Any) -> None:
            taken = time.perf_counter() - due
            with self._lock:
                if done.code() is grpc.StatusCode.OK:
                    calls.seconds.append(taken)
                    calls.answers.append(done.result())
                else:
                    calls.failed.append(f"{done.code().name}: {done.details()}")

        sent.add_done_callback(ended)


def _state(answer: bytes) -> int:
    score = pb.ScoreResponse.FromString(answer).scores[0]
    if score.HasField("error"):
        raise LoadError(f"an entity was not scored: {score.error.message}")
    return score.quality.profile_state
