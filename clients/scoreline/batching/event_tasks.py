"""Sends queued events on an event loop, by a task that lives while there are events."""

import asyncio
import time
from collections.abc import Callable

from scoreline.batching.event_outcomes import OnRefused, as_error, closed, deliver, full, log_refused, unsent
from scoreline.batching.event_queue import EventBatch, EventQueue
from scoreline.batching.event_threads import PAUSE_SECONDS
from scoreline.calls.event_calls import record_flow
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import AsyncTransport, run_async
from scoreline.decoding.profiles import EventsReport
from scoreline.encoding.events import Event, recorded


class AioEventSender:
    """Records events over a transport, on one event loop."""

    def __init__(
        self,
        retrying: RetryingCalls,
        transport: AsyncTransport,
        *,
        queue: EventQueue,
        on_refused: OnRefused | None,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._retrying, self._transport = retrying, transport
        self._queue, self._on_refused, self._pause_seconds = queue, on_refused, pause_seconds
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def record(self, profile: str, entity_id: object, event: Event, *, timeout_seconds: float | None) -> str:
        """Queues an event and returns its id, as EventSender.record does."""
        message = recorded(entity_id, event, now=time.time_ns())
        if self._queue.is_full:
            await self._wait(lambda: self._closed or not self._queue.is_full, timeout_seconds)
        if self._closed:
            raise closed()
        if self._queue.is_full:
            raise full(self._queue)
        self._queue.put(profile, message)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return message.event.id

    async def flush(self, *, timeout_seconds: float | None) -> EventsReport:
        """Waits until all events recorded before are answered, as EventSender.flush does."""
        last = self._queue.last_number
        if not await self._wait(lambda: self._closed or self._queue.is_settled(last), timeout_seconds):
            raise unsent(self._queue, self._retrying.deadline(timeout_seconds).seconds)
        if not self._queue.is_settled(last):
            raise closed()
        return self._queue.report()

    async def close(self) -> None:
        """Flushes, then refuses events, as EventSender.close does."""
        try:
            if self._queue.last_number and not self._closed:
                log_refused(await self.flush(timeout_seconds=None), self._on_refused)
        finally:
            self._closed = True
            self._notify()
            if self._task is not None:
                self._task.cancel()

    async def _wait(self, until: Callable[[], bool], timeout_seconds: float | None) -> bool:
        """Waits until a condition holds; False where it does not within the time."""
        try:
            async with asyncio.timeout(self._retrying.deadline(timeout_seconds).seconds):
                while not until():
                    await self._changed.wait()
        except TimeoutError:
            return until()
        return True

    def _notify(self) -> None:
        """Wakes all who wait, and lets them wait anew."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self) -> None:
        try:
            while not self._closed and (batch := self._queue.next_batch()) is not None:
                await self._send(batch)
        finally:
            self._task = None

    async def _send(self, batch: EventBatch) -> None:
        """Makes the call of a batch and settles its events, or queues them again."""
        flow = record_flow(self._retrying, batch.profile, batch.messages)
        try:
            refused = self._queue.answered(batch, await run_async(flow, self._transport))
        except asyncio.CancelledError:
            self._queue.failed(batch, closed())
            raise
        except Exception as failure:  # noqa: BLE001  the task must live on; the events of the call have this error
            refused = self._queue.failed(batch, as_error(failure))
        self._notify()
        deliver(refused, self._on_refused)
        if self._queue.error is not None:
            await asyncio.sleep(self._pause_seconds)
