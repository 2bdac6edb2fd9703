"""Calls at a steady rate, however they end, to see how a server does under more than it can do."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc

from scoreline_server.rpc.methods import SCORE
from tests.waiting import wait_until

CHANNELS = 4


@dataclass
class Outcome:
    """How calls ended: how many with each status."""

    sent: int = 0
    codes: Counter[grpc.StatusCode] = field(default_factory=Counter)


class OpenLoop:
    """Callers that send without waiting for answers."""

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
        """Sends ``rate`` calls per second for ``seconds`` and waits until every one has ended."""
        outcome, began = Outcome(), time.perf_counter()
        while (at := outcome.sent / rate) < seconds:
            time.sleep(max(0.0, began + at - time.perf_counter()))
            self._send(outcome)
        wait_until(lambda: outcome.codes.total() == outcome.sent)
        return outcome

    def _send(self, outcome: Outcome) -> None:
        call = self._calls[outcome.sent % CHANNELS]
        outcome.sent += 1
        future: Any = call.future(self._body, timeout=self._deadline_seconds)
        future.add_done_callback(lambda done: self._ended(outcome, done))

    def _ended(self, outcome: Outcome, done: Any) -> None:
        with self._lock:
            outcome.codes[done.code()] += 1
