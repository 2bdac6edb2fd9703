"""Calls at a steady rate, whatever becomes of them: what tells how a server does under more than it can do."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc

from scoreline_server.rpc.methods import SCORE

CHANNELS = 4


@dataclass
class Outcome:
    """What became of calls that were sent for ``seconds``; ``taken`` are the seconds of those answered with OK."""

    seconds: float
    sent: int = 0
    ended: int = 0
    taken: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Calls per second that were answered in time."""
        return len(self.taken) / self.seconds


class OpenLoop:
    """A crowd that does not wait for answers before it asks again."""

    def __init__(self, address: str, body: bytes, *, deadline_seconds: float) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.insecure_channel(address, own) for _ in range(CHANNELS)]
        self._calls: list[grpc.UnaryUnaryMultiCallable[bytes, bytes]] = [
            channel.unary_unary(SCORE) for channel in self._channels
        ]
        self._body, self._deadline_seconds = body, deadline_seconds
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels:
            channel.close()

    def run(self, rate: float, seconds: float) -> Outcome:
        """Sends ``rate`` calls per second for ``seconds`` and waits for what becomes of them."""
        outcome, began = Outcome(seconds), time.perf_counter()
        while (at := outcome.sent / rate) < seconds:
            time.sleep(max(0.0, began + at - time.perf_counter()))
            self._send(outcome)
        over = time.perf_counter() + self._deadline_seconds + 10
        while outcome.ended < outcome.sent and time.perf_counter() < over:
            time.sleep(0.01)
        return outcome

    def _send(self, outcome: Outcome) -> None:
        call, started = self._calls[outcome.sent % CHANNELS], time.perf_counter()
        outcome.sent += 1
        future: Any = call.future(self._body, timeout=self._deadline_seconds)
        future.add_done_callback(lambda done: self._ended(outcome, done, time.perf_counter() - started))

    def _ended(self, outcome: Outcome, done: Any, taken: float) -> None:
        with self._lock:
            outcome.ended += 1
            if done.code() is grpc.StatusCode.OK:
                outcome.taken.append(taken)
