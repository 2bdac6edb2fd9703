"""Tasks of one event loop that share calls."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from google.protobuf.message import Message

from scoreline.batching.policy import MOST_ROWS, PATIENCE_SECONDS, Group, Line, Traveller
from scoreline.calls.call_options import Ask
from scoreline.calls.flows import Flows, Key, Question, result
from scoreline.calls.transport import AsyncTransport, Send, run_async
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import Outcome
from scoreline.encoding.entities import Entity
from scoreline.errors import ClosedError, ScorelineError, StaleSchemaError

_Wake: TypeAlias = asyncio.Future[Outcome]
_Caller: TypeAlias = Traveller[_Wake]


@dataclass(slots=True, eq=False)
class _AioLine(Line[_Wake]):
    """A line with its shared calls, and the timer that looks after those who wait."""

    calls: dict[Group[_Wake], asyncio.Task[None]] = field(default_factory=dict)
    is_called: bool = False
    timer: asyncio.TimerHandle | None = None
    timer_ends: float = 0.0


class AioCoalescer:
    """Scores single entities over a transport, several callers' in one call where they come at the same time.

    ``most_open`` calls of a key are open at once, with at most ``most_rows`` entities each. A call that every member
    has left is cancelled.
    """

    def __init__(self, flows: Flows, transport: AsyncTransport, *, most_open: int, most_rows: int = MOST_ROWS) -> None:
        self._flows, self._transport = flows, transport
        self._most_open, self._most_rows = most_open, most_rows
        self._lines: defaultdict[Key, _AioLine] = defaultdict(_AioLine)

    async def score(self, ask: Ask, entity: Entity) -> Score:
        """Scores one entity. Raises what ``Flows.score`` raises."""
        question = self._flows.ready(ask, entity)
        if question is None:
            question = await run_async(self._flows.question(ask, entity), self._transport)
        try:
            return result(await self._travel(question))
        except StaleSchemaError:
            question = await run_async(self._flows.repacked(question), self._transport)
        return result(await self._travel(question))

    def _travel(self, question: Question) -> Coroutine[Any, Any, Outcome]:
        line = self._lines[question.key]
        # Where the last call was shared, others are about to come in this turn of the loop, which costs nobody time.
        if line.crowded or line.waiting or line.open >= self._most_open:
            return self._wait(question, line)
        line.open += 1
        return self._go_alone(question, line)

    async def _go_alone(self, question: Question, line: _AioLine) -> Outcome:
        try:
            return await run_async(self._flows.alone(question), self._transport)
        finally:
            line.open -= 1
            self._send_waiting(question.key, line)

    async def _wait(self, question: Question, line: _AioLine) -> Outcome:
        loop = asyncio.get_running_loop()
        caller: _Caller = Traveller(question.row, question.deadline, queued=time.monotonic(), wake=loop.create_future())
        line.waiting.append(caller)
        if line.open < self._most_open and not line.is_called:
            line.is_called = True
            loop.call_soon(self._send_waiting, question.key, line)
        if line.timer is None or caller.deadline.ends < line.timer_ends:
            self._look_after(question.key, line, min(caller.deadline.ends, caller.queued + PATIENCE_SECONDS))
        try:
            return await caller.wake
        except asyncio.CancelledError:
            self._leave(line, caller)
            raise

    def _leave(self, line: _AioLine, caller: _Caller) -> None:
        caller.left = True
        if caller.group in line.calls and caller.group.is_deserted:
            line.calls[caller.group].cancel()

    def _send_waiting(self, key: Key, line: _AioLine) -> None:
        line.is_called = False
        while line.waiting and line.open < self._most_open:
            self._send_one(key, line)

    def _send_one(self, key: Key, line: _AioLine) -> None:
        group = line.board(self._most_rows, time.monotonic())
        if group is not None:
            line.calls[group] = asyncio.get_running_loop().create_task(self._call(key, line, group))

    async def _call(self, key: Key, line: _AioLine, group: Group[_Wake]) -> None:
        flow = self._flows.together(key, group.rows, group.last.deadline)
        try:
            outcomes = await run_async(flow, _Watched(self._transport, group))
        except BaseException as error:
            # A defect is every caller's to see; a cancelled call has nobody left who waits, unless the loop ends.
            cause = ClosedError("the call was broken off") if isinstance(error, asyncio.CancelledError) else error
            for member in group.members:
                if not member.wake.done():
                    member.wake.set_exception(cause)
            raise
        else:
            for member, outcome in zip(group.members, outcomes, strict=True):
                if not member.wake.done():
                    member.wake.set_result(outcome)
        finally:
            del line.calls[group]
            line.open -= 1
            self._send_waiting(key, line)

    def _look_after(self, key: Key, line: _AioLine, when: float) -> None:
        if line.timer is not None:
            line.timer.cancel()
        line.timer_ends = when
        line.timer = asyncio.get_running_loop().call_later(max(when - time.monotonic(), 0.0), self._look, key, line)

    def _look(self, key: Key, line: _AioLine) -> None:
        """Ends the wait of those whose time is over, and sends a group where the line has not moved for too long."""
        line.timer = None
        now = time.monotonic()
        waiting = [*line.waiting, *(member for group in line.calls for member in group.members)]
        for caller in waiting:
            if caller.deadline.ends <= now and not caller.wake.done():
                caller.wake.set_result(caller.out_of_time())
                self._leave(line, caller)
        if line.waiting and line.impatient_at <= now:
            self._send_one(key, line)
        ends = [caller.deadline.ends for caller in waiting if not caller.wake.done()]
        if ends:
            self._look_after(key, line, min(*ends, now + PATIENCE_SECONDS))


class _Watched:
    """A transport that tells a group what its last attempt failed with."""

    def __init__(self, transport: AsyncTransport, group: Group[_Wake]) -> None:
        self._transport, self._group = transport, group

    async def send(self, call: Send) -> Message:
        """Makes the call."""
        try:
            answer = await self._transport.send(call)
        except ScorelineError as error:
            self._group.error = error
            raise
        self._group.error = None
        return answer

    async def close(self) -> None:
        """Is for the other's owner to do."""
