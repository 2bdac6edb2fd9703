"""Sends queued events on a thread of its own, which lives while there are events."""

import threading
import time
from collections.abc import Callable

from scoreline.batching.event_outcomes import (
    OnRefused,
    as_error,
    closed,
    deliver,
    full,
    log_refused,
    log_unsent,
    unsent,
)
from scoreline.batching.event_queue import EventBatch, EventQueue
from scoreline.calls.event_calls import record_flow
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Transport, run
from scoreline.decoding.profiles import EventsReport
from scoreline.encoding.events import Event, recorded
from scoreline.v1 import profiles_pb2 as pb

PAUSE_SECONDS = 0.5
"""How long a call waits that is made again after all of its retries failed."""

_IDLE_SECONDS = 0.2


class EventSender:
    """Records events over a transport. Safe for threads."""

    def __init__(
        self,
        retrying: RetryingCalls,
        transport: Transport,
        *,
        queue: EventQueue,
        on_refused: OnRefused | None,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._retrying, self._transport = retrying, transport
        self._queue, self._on_refused, self._pause_seconds = queue, on_refused, pause_seconds
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def record(self, profile: str, entity_id: object, event: Event, *, timeout_seconds: float | None) -> str:
        """Queues an event and returns its id. Waits while the queue is full, at most for the timeout.

        Raises OverloadedError where it stays full, InvalidRequestError for an entity id that cannot be one, and
        ClosedError.
        """
        message = recorded(entity_id, event, now=time.time_ns())
        with self._changed:
            if self._queue.is_full:
                self._wait(lambda: self._closed or not self._queue.is_full, timeout_seconds)
            if self._closed:
                raise closed()
            if self._queue.is_full:
                raise full(self._queue)
            self._queue.put(profile, message)
            if self._thread is None or not self._thread.is_alive():
                # Not a daemon: events that are recorded are sent also where the program ends without a flush.
                self._thread = threading.Thread(target=self._run, name="scoreline-events", daemon=False)
                self._thread.start()
            self._changed.notify_all()
        return message.event.id

    def flush(self, *, timeout_seconds: float | None) -> EventsReport:
        """Waits until all events recorded before are answered; what became of those since the last report.

        Raises the error of the last call, or DeadlineError, where that takes longer; the events stay queued.
        """
        with self._changed:
            last = self._queue.last_number
            if not self._wait(lambda: self._closed or self._queue.is_settled(last), timeout_seconds):
                raise unsent(self._queue, self._retrying.deadline(timeout_seconds).seconds)
            if not self._queue.is_settled(last):
                raise closed()
            return self._queue.report()

    def close(self) -> None:
        """Flushes, then refuses events. Raises what ``flush`` raises; what is not sent by then is lost."""
        try:
            if self._queue.last_number and not self._closed:
                log_refused(self.flush(timeout_seconds=None), self._on_refused)
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _wait(self, until: Callable[[], bool], timeout_seconds: float | None) -> bool:
        return self._changed.wait_for(until, self._retrying.deadline(timeout_seconds).seconds)

    def _run(self) -> None:
        while (batch := self._next()) is not None and self._send(batch):
            pass

    def _next(self) -> EventBatch | None:
        """The next call's events; None once none came for a while, and where the client is closed."""
        with self._changed:
            batch = None if self._closed else self._queue.next_batch()
            if batch is None and not self._closed:
                self._changed.wait(_IDLE_SECONDS)
                batch = None if self._closed else self._queue.next_batch()
            if batch is None:
                self._thread = None
            return batch

    def _send(self, batch: EventBatch) -> bool:
        """Makes the call of a batch and settles its events, or queues them again; False where the thread has to end."""
        flow = record_flow(self._retrying, batch.profile, batch.messages)
        try:
            answer, error = run(flow, self._transport), None
        except Exception as failure:  # noqa: BLE001  the thread must live on; the events of the call have this error
            answer, error = pb.RecordEventsResponse(), as_error(failure)
        with self._changed:
            refused = self._queue.failed(batch, error) if error else self._queue.answered(batch, answer)
            self._changed.notify_all()
            if self._queue.error is not None:
                self._changed.wait_for(lambda: self._closed, self._pause_seconds)
                # Nothing can be flushed any more after the end of the program.
                if not threading.main_thread().is_alive():
                    log_unsent(self._queue)
                    self._thread = None
                    return False
        deliver(refused, self._on_refused)
        return True
