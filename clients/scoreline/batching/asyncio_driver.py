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
from scoreline.calls.call_options import Ask
from scoreline.calls.flows import Flows, Key, Question, result
from scoreline.calls.transport import AsyncTransport, run_async
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import Outcome
from scoreline.encoding.entities import Entity
from scoreline.errors import ClosedError, StaleSchemaError

_Wake: TypeAlias = asyncio.Future[Outcome | BaseException]


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
        self._calls: dict[Key, _Calls] = {}

    async def score(self, ask: Ask, entity: Entity) -> Score:
        """Scores one entity. Raises what ``Flows.score`` raises."""
        question = self._flows.ready(ask, entity)
        if question is None:
            question = await run_async(self._flows.question(ask, entity), self._transport)
        try:
            return result(await self._outcome(question))
        except StaleSchemaError:
            question = await run_async(self._flows.repacked(question), self._transport)
        return result(await self._outcome(question))

    @property
    def waiting(self) -> int:
        """How many callers wait for a call to be made."""
        return sum(calls.waiting for calls in [*self._calls.values()])

    def _outcome(self, question: Question) -> Coroutine[Any, Any, Outcome | BaseException]:
        calls = self._calls.get(question.key)
        if calls is None:
            queue: Queue[_Wake] = Queue(*self._limits, joins_crowds=True)
            calls = self._calls[question.key] = _Calls(question.key, self._flows, self._transport, queue)
        return calls.outcome(question)


class _Calls:
    """The calls of one key."""

    def __init__(self, key: Key, flows: Flows, transport: AsyncTransport, queue: Queue[_Wake]) -> None:
        self._key, self._flows, self._transport, self._queue = key, flows, transport, queue
        self._clock = flows.attempts.clock
        self._tasks: dict[Batch[_Wake], asyncio.Task[list[Outcome]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flushes_soon = False

    @property
    def waiting(self) -> int:
        return len(self._queue.waiting)

    def outcome(self, question: Question) -> Coroutine[Any, Any, Outcome | BaseException]:
        return self._alone(question) if self._queue.admit() else self._wait(question)

    async def _alone(self, question: Question) -> Outcome:
        try:
            return await run_async(self._flows.alone(question), self._transport)
        finally:
            self._execute(self._queue.returned_alone(self._clock()))

    async def _wait(self, question: Question) -> Outcome | BaseException:
        wake: _Wake = asyncio.get_running_loop().create_future()
        waiter = Waiter(question.row, question.deadline, queued_at=self._clock(), wake=wake)
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
            if waiter.outcome is not None and not waiter.wake.done():
                waiter.wake.set_result(waiter.outcome)
        for batch in effects.cancel:
            self._tasks[batch].cancel()
        if effects.timer_at is not None and (self._timer is None or effects.timer_at < self._timer_at):
            self._arm(effects.timer_at)
        if effects.flush_soon and not self._flushes_soon:
            self._flushes_soon = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _send(self, batch: Batch[_Wake]) -> None:
        flow = self._flows.together(self._key, batch.rows, batch.leader.deadline)
        task = asyncio.get_running_loop().create_task(run_async(noting_errors(flow, batch), self._transport))
        # Not by the task itself: one that is cancelled before its first step runs nothing.
        task.add_done_callback(partial(self._done, batch))
        self._tasks[batch] = task

    def _done(self, batch: Batch[_Wake], task: "asyncio.Task[list[Outcome]]") -> None:
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
