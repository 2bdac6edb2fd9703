"""Callers of one process who share calls, as threads and as tasks, over a transport whose answers a test holds."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.protobuf.message import Message

from scoreline import Entity, RetryPolicy, Score
from scoreline.batching.asyncio_driver import AioCoalescer
from scoreline.batching.threading_driver import Coalescer
from scoreline.calls.call_options import CallOptions
from scoreline.calls.flows import Flows
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Method, Send
from scoreline.v1 import scoring_pb2 as pb
from tests.clients.sums import make_schema, sums

NEVER = 3600.0
Failure = Callable[[pb.ScoreRequest], None]


@dataclass
class Script:
    """Answers with sums. ``holds`` are the events that the first calls wait for; ``fail`` may raise."""

    holds: Sequence[threading.Event] = ()
    fail: Failure = lambda request: None
    calls: list[Send] = field(default_factory=list)
    most_at_once: int = 0
    cancelled: int = 0
    _open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> list[pb.ScoreRequest]:
        return [call.request for call in self.calls if isinstance(call.request, pb.ScoreRequest)]

    @property
    def sizes(self) -> list[int]:
        """How many entities each call had."""
        return [len(request.packed.entity_ids) for request in self.requests]

    @contextmanager
    def opened(self, call: Send) -> Iterator[threading.Event | None]:
        """What the call waits for."""
        with self._lock:
            place = len(self.calls)
            self.calls.append(call)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            yield self.holds[place] if place < len(self.holds) else None
        finally:
            with self._lock:
                self._open -= 1

    def answer(self, call: Send) -> Message:
        assert isinstance(call.request, pb.ScoreRequest)
        self.fail(call.request)
        packed = call.request.packed
        count = len(packed.entity_ids)
        arm = pb.ServedArm(model="credit")
        scores = sums(packed).tobytes()
        answer = pb.PackedScores(scores=scores, served=[arm], served_index=bytes(2 * count), reasons=b"\1" * count)
        return pb.ScoreResponse(packed=answer)


class ThreadTransport:
    """The script for threads."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def send(self, call: Send) -> Message:
        if call.method is Method.SCHEMA:
            return make_schema()
        with self._script.opened(call) as hold:
            if hold:
                hold.wait()
            return self._script.answer(call)

    def pause(self, seconds: float) -> None:
        """Waits for nothing."""

    def close(self) -> None:
        """Nothing is open."""


class TaskTransport:
    """The script for tasks."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def send(self, call: Send) -> Message:
        if call.method is Method.SCHEMA:
            return make_schema()
        with self._script.opened(call) as hold:
            try:
                while hold and not hold.is_set():
                    await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                self._script.cancelled += 1
                raise
            return self._script.answer(call)

    async def close(self) -> None:
        """Nothing is open."""


class Callers(Protocol):
    """Starts callers; each one's score or error is in its future."""

    script: Script

    def start(self, count: int = 1, *, timeout_seconds: float = NEVER, **entity: Any) -> "list[Future[Score]]": ...

    @property
    def waiting(self) -> int:
        """How many wait for a call."""
        ...

    def close(self) -> None:
        """Ends what runs them."""
        ...


def _flows() -> Flows:
    return Flows(RetryingCalls(timeout_seconds=NEVER, retry=RetryPolicy()))


class Threads:
    """A thread for each caller."""

    def __init__(self, script: Script, **options: Any) -> None:
        self.script = script
        self._coalescer = Coalescer(_flows(), ThreadTransport(script), max_open=2, **options)
        self._pool = ThreadPoolExecutor(256)

    def start(self, count: int = 1, *, timeout_seconds: float = NEVER, **entity: Any) -> list[Future[Score]]:
        ask = CallOptions(route="credit", timeout_seconds=timeout_seconds)
        return [self._pool.submit(self._coalescer.score, ask, Entity(**entity)) for _ in range(count)]

    @property
    def waiting(self) -> int:
        return self._coalescer.waiting

    def close(self) -> None:
        self._pool.shutdown()


class Tasks:
    """A task for each caller, on a loop that runs on a thread."""

    def __init__(self, script: Script, **options: Any) -> None:
        self.script = script
        self._coalescer = AioCoalescer(_flows(), TaskTransport(script), max_open=2, **options)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def start(self, count: int = 1, *, timeout_seconds: float = NEVER, **entity: Any) -> list[Future[Score]]:
        ask = CallOptions(route="credit", timeout_seconds=timeout_seconds)
        coroutines = [self._coalescer.score(ask, Entity(**entity)) for _ in range(count)]
        return [asyncio.run_coroutine_threadsafe(coroutine, self.loop) for coroutine in coroutines]

    @property
    def waiting(self) -> int:
        return self._coalescer.waiting

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end_tasks(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
