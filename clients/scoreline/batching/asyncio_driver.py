"""Executes the batching policy on an event loop: a task per batch, a timer per queue."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeAlias

from scoreline.batching.policy import (
    MAX_BATCH_ROWS,
    MAX_QUEUE_DELAY_SECONDS,
    Batch,
    Effects,
    Queue,
    Waiter,
    noting_errors,
)
from scoreline.calls.call_options import CallOptions
from scoreline.calls.flows import BatchKey, Flows, PackedRow, score_of
from scoreline.calls.transport import AsyncTransport, run_async
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import RowResult
from scoreline.encoding.entities import Entity
from scoreline.errors import ClosedError, StaleSchemaError

_Wake: TypeAlias = asyncio.Future[RowResult | BaseException]


class AioCoalescer:
    """Scores single entities over a transport, several callers' in one call where they come at the same time.

    ``max_open`` calls of a key are open at once, with at most ``max_rows`` entities each. A call that every member has
    left is cancelled.
    """

    def __init__(
        self,
        flows: Flows,
        transport: AsyncTransport,
        *,
        max_open: int,
        max_rows: int = MAX_BATCH_ROWS,
        max_delay_seconds: float = MAX_QUEUE_DELAY_SECONDS,
    ) -> None:
        self._flows, self._transport = flows, transport
        self._limits = (max_open, max_rows, max_delay_seconds)
        self._calls: dict[BatchKey, _Calls] = {}

    async def score(self, options: CallOptions, entity: Entity) -> Score:
        """Scores one entity. Raises what ``Flows.score`` raises."""
        packed = self._flows.packed_if_plain(options, entity)
        if packed is None:
            packed = await run_async(self._flows.packed_row(options, entity), self._transport)
        try:
            return score_of(await self._result(packed))
        except StaleSchemaError:
            packed = await run_async(self._flows.repacked(packed), self._transport)
        return score_of(await self._result(packed))

    @property
    def waiting(self) -> int:
        """How many callers wait for a call to be made."""
        return sum(calls.waiting for calls in [*self._calls.values()])

    def _result(self, packed: PackedRow) -> Coroutine[Any, Any, RowResult | BaseException]:
        calls = self._calls.get(packed.key)
        if calls is None:
            queue: Queue[_Wake] = Queue(*self._limits, joins_crowds=True)
            calls = self._calls[packed.key] = _Calls(packed.key, self._flows, self._transport, queue)
        return calls.result(packed)


class _Calls:
    """The calls of one key."""

    def __init__(self, key: BatchKey, flows: Flows, transport: AsyncTransport, queue: Queue[_Wake]) -> None:
        self._key, self._flows, self._transport, self._queue = key, flows, transport, queue
        self._clock = flows.retrying.clock
        self._tasks: dict[Batch[_Wake], asyncio.Task[list[RowResult]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flushes_soon = False

    @property
    def waiting(self) -> int:
        return len(self._queue.waiting)

    def result(self, packed: PackedRow) -> Coroutine[Any, Any, RowResult | BaseException]:
        return self._alone(packed) if self._queue.admit() else self._wait(packed)

    async def _alone(self, packed: PackedRow) -> RowResult:
        try:
            return await run_async(self._flows.score_row(packed), self._transport)
        finally:
            self._execute(self._queue.returned_alone(self._clock()))

    async def _wait(self, packed: PackedRow) -> RowResult | BaseException:
        wake: _Wake = asyncio.get_running_loop().create_future()
        waiter = Waiter(packed.row, packed.deadline, queued_at=self._clock(), wake=wake)
        self._execute(self._queue.join(waiter))
        try:
            return await wake
        except asyncio.CancelledError:
            self._execute(self._queue.leave(waiter))
            raise

    def _execute(self, effects: Effects[_Wake]) -> None:
        for batch in effects.send:
            self._send(batch)
        for waiter in effects.wake:
            if waiter.result is not None and not waiter.wake.done():
                waiter.wake.set_result(waiter.result)
        for batch in effects.cancel:
            self._tasks[batch].cancel()
        if effects.timer_at is not None and (self._timer is None or effects.timer_at < self._timer_at):
            self._arm(effects.timer_at)
        if effects.flush_soon and not self._flushes_soon:
            self._flushes_soon = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _send(self, batch: Batch[_Wake]) -> None:
        flow = self._flows.score_rows(self._key, batch.rows, batch.leader.deadline)
        task = asyncio.get_running_loop().create_task(run_async(noting_errors(flow, batch), self._transport))
        # A callback, since a task that is cancelled before its first step runs no code of its own.
        task.add_done_callback(partial(self._done, batch))
        self._tasks[batch] = task

    def _done(self, batch: Batch[_Wake], task: "asyncio.Task[list[RowResult]]") -> None:
        del self._tasks[batch]
        now = self._clock()
        error = ClosedError("the call was cancelled") if task.cancelled() else task.exception()
        if error is None:
            self._execute(self._queue.returned(batch, task.result(), now))
        else:
            self._execute(self._queue.failed(batch, error, now))

    def _flush(self) -> None:
        self._flushes_soon = False
        self._execute(self._queue.flush(self._clock()))

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(at - self._clock(), 0.0)
        self._timer_at, self._timer = at, asyncio.get_running_loop().call_later(delay, self._check)

    def _check(self) -> None:
        self._timer = None
        self._execute(self._queue.check_all(self._clock()))
