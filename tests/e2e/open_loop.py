"""Callers that do not wait for each other: calls are sent at a rate, whatever becomes of those before.

Sends frames by hand, because gRPC's Python client takes as long for a call as the model under test, and on a machine of
few cores it would be the client that is measured.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Self

from tests.server.frames import DATA, END_STREAM, HEADERS, RST_STREAM, RawConnection, whole_call

_CONNECTIONS = 4
_WINDOW = 1 << 30


@dataclass
class Outcome:
    """What became of calls: how many were sent, and the seconds of each that was answered within its deadline."""

    seconds: float
    sent: int = 0
    ended: int = 0
    taken: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Calls per second that were answered in time."""
        return len(self.taken) / self.seconds


class OpenLoop:
    """Connections that carry the same call again and again."""

    def __init__(self, address: str, body: bytes, *, deadline_seconds: float) -> None:
        self._body = body
        self._deadline = deadline_seconds
        self._connections = [RawConnection(address, window=_WINDOW) for _ in range(_CONNECTIONS)]
        for connection in self._connections:
            connection.more(_WINDOW, stream=0)
        self._next_stream = 1

    def run(self, rate: float, seconds: float) -> Outcome:
        """Sends ``rate`` calls per second and waits until all have ended."""
        outcome, sent_at = Outcome(seconds), [dict[int, float]() for _ in self._connections]
        done = threading.Event()
        readers = [
            threading.Thread(target=self._read, args=(connection, own, outcome, done))
            for connection, own in zip(self._connections, sent_at, strict=True)
        ]
        for reader in readers:
            reader.start()
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            while outcome.sent < elapsed * rate:
                at = outcome.sent % _CONNECTIONS
                sent_at[at][self._next_stream] = time.perf_counter()
                timeout = f"{self._deadline * 1000:.0f}m"
                self._connections[at].send(whole_call(self._next_stream, self._body, timeout=timeout))
                self._next_stream += 2
                outcome.sent += 1
            time.sleep(0.001)
        outcome.seconds = time.perf_counter() - start
        done.set()
        for reader in readers:
            reader.join(30)
        return outcome

    def _read(
        self, connection: RawConnection, sent_at: dict[int, float], outcome: Outcome, done: threading.Event
    ) -> None:
        connection.socket.settimeout(0.1)
        while sent_at or not done.is_set():
            try:
                kind, flags, stream, _ = connection.next_frame()
            except TimeoutError:
                continue
            if kind == DATA and time.perf_counter() - sent_at[stream] <= self._deadline:
                outcome.taken.append(time.perf_counter() - sent_at[stream])
            if kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
                outcome.ended += sent_at.pop(stream, None) is not None

    def close(self) -> None:
        """Closes the connections."""
        for connection in self._connections:
            connection.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
