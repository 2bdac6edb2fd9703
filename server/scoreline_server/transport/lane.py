"""The hot lane: serves Score on a completion queue and a thread of its own.

grpcio's ordinary server hands every call from its polling thread to a pool, which costs more than a small model. Here
one thread polls, decodes, scores and answers. It batches without waiting for a batch: it receives calls for as long as
they keep arriving, then admits and scores those it has, so a batch holds the calls that queued up while the last one
ran. Each step is done for all calls before the next step begins, because code that has just run costs a third of code
that has not.

Every call gets exactly one status. A lane that fails logs why and ends its process.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import grpc

from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.failure_log import log_failure
from scoreline_server.rpc.pipeline import Answer, Pipeline, failed
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.stopping import Deadline
from scoreline_server.transport import completion_queue
from scoreline_server.transport.lane_call import LaneCall
from scoreline_server.transport.slow_pool import SlowPool

Job: TypeAlias = tuple[LaneCall, DecodedRequest]

_POSTED = 128
_IDLE_SECONDS = 0.25
_FLUSH_ROWS = 4096
# A call is three events. Without a limit a flood of refused calls would keep admitted ones from being scored.
_INTAKE_EVENTS = 256
# Noticing that a caller is gone costs a call a tenth of its time; it pays where calls wait for longer than this.
_WATCH_SECONDS = 0.005
_LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How a lane shares its time.

    Attributes:
        flush_seconds: about how much work is scored before new calls are received again.
        slow_call_seconds: calls that cost more are scored by the threads of a pool, so that others do not wait. Calls
            that read profiles always are, because a store may hang, and so are those that want reasons.
        slow_call_threads: the number of those threads.
        receive_seconds: how long a call may be open without sending its message.
    """

    flush_seconds: float
    slow_call_seconds: float
    slow_call_threads: int
    receive_seconds: float


class Lane:
    """Serves some methods of a server through a pipeline."""

    def __init__(
        self,
        queue: completion_queue.CallQueue,
        methods: Sequence[str],
        pipeline: Pipeline,
        *,
        limits: LaneLimits,
        on_death: Callable[[], None],
    ) -> None:
        """Serves calls once it is started; no other handler of the server may have the methods.

        Args:
            queue: hands out calls of the ordinary server, whose port, credentials and limits the lane shares.
            methods: the paths that the queue has registered.
            pipeline: answers the calls.
            limits: how the lane shares its time.
            on_death: called on the lane's thread when it fails.
        """
        self._queue = queue
        self._methods = tuple(methods)
        self._pipeline = pipeline
        self._limits = limits
        self._on_death = on_death
        self._slow_pool = SlowPool(self._score_slow, threads=limits.slow_call_threads)
        self._on_call = {method: partial(self._called, method) for method in self._methods}
        self._unposted = [method for method in self._methods for _ in range(_POSTED)]
        self._arrived: list[LaneCall] = []
        self._pending: deque[LaneCall] = deque()
        # A dict, because it keeps the order of arrival and drops a call as soon as its message is there.
        self._awaiting_message: dict[LaneCall, None] = {}
        self._looked = 0.0
        self._was_slow = False
        self._counted_waiting = 0
        self._open = 0
        self._posted = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="hot-lane", daemon=True)

    def start(self) -> None:
        """Begins to receive calls; must come after the server has started."""
        self._request_calls()
        self._thread.start()

    def close(self) -> None:
        """Receives no more calls; must come before the server stops."""
        self._queue.close()

    def end(self) -> None:
        """Lets the thread end after the last call; must come after the server began to stop."""
        self._stopping = True

    def join(self, deadline: Deadline) -> bool:
        """Waits until every call has ended and was counted; False when that takes longer."""
        if self._thread.is_alive():
            self._thread.join(deadline.remaining_seconds)
        return self._slow_pool.close(deadline) and not self._thread.is_alive()

    @property
    def open_calls(self) -> int:
        """Calls that have not ended."""
        return self._open

    def _request_calls(self) -> None:
        """Requests a call for each one received; none once the queue is closed."""
        for method in self._unposted:
            if self._queue.request(method, self._on_call[method]):
                self._posted += 1
        self._unposted.clear()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            log_failure("the hot lane died", error)
            log_failure.flush(_LAST_WORDS_SECONDS)
            self._on_death()
            raise

    def _loop(self) -> None:
        poll, is_shutdown = self._queue.poll, self._queue.is_shutdown
        handled = 0
        while True:
            event = poll(time.time() + _IDLE_SECONDS if self._is_idle else 0.0)
            if event is not None:
                if is_shutdown(event):
                    return
                try:
                    event.tag(event)
                except Exception as error:  # noqa: BLE001  one call's failure must not be another's
                    log_failure("an event of a call failed", error)
                # A kept event would keep its call alive while the queue is polled.
                event = None
                handled += 1
                if handled < _INTAKE_EVENTS:
                    continue
            handled = 0
            self._admit_all()
            now = time.time()
            if self._pending:
                self._flush(now)
            # Not earlier: callers that were answered do not wait for it.
            self._request_calls()
            if self._is_over():
                self._queue.shutdown()
            if now > self._looked + _IDLE_SECONDS:
                self._close_silent_calls(now)

    @property
    def _is_idle(self) -> bool:
        """Whether there is nothing to do before the next event; without requested calls there may be none."""
        return not (self._arrived or self._pending or len(self._unposted) >= _POSTED)

    def _is_over(self) -> bool:
        return self._stopping and not self._open and not self._posted

    def _called(self, method: str, event: completion_queue.Event) -> None:
        self._posted -= 1
        if not event.success:
            return
        self._unposted.append(method)
        self._open += 1
        call = LaneCall(self, method, event)
        self._awaiting_message[call] = None
        if self._was_slow:
            call.watch()
        completion_queue.receive(event.call, call.received)

    def message_received(self, call: LaneCall) -> None:
        """The message of a call was received, or the call ended before it was."""
        self._awaiting_message.pop(call, None)

    def take(self, call: LaneCall) -> None:
        """Queues a received call for admission."""
        self._arrived.append(call)

    def _admit_all(self) -> None:
        """Admits each received call, answers it or passes it to the slow pool."""
        arrived, self._arrived = self._arrived, []
        for call in arrived:
            try:
                self._admit(call)
            except Exception as error:  # noqa: BLE001  every caller gets a status
                _reply(call, failed(error))

    def _admit(self, call: LaneCall) -> None:
        taken = self._pipeline.admit(call)
        call.message = b""
        if isinstance(taken, Answer):
            call.answer(taken)
        elif taken.seconds >= self._limits.slow_call_seconds or taken.waits:
            call.watch()
            self._pipeline.queued(1)
            self._slow_pool.put((call, taken), taken.seconds)
        else:
            call.request = taken
            self._pending.append(call)

    def lost(self, call: LaneCall) -> None:
        """The caller of a waiting call is gone: gives up the call and its estimated time."""
        if call.request is not None:
            request, call.request = call.request, None
            self._pipeline.drop(request, _CANCELLED)
            call.answer(_CANCELLED)

    def ended(self) -> None:
        """A call has ended: its status was sent or could not be."""
        self._open -= 1

    def _flush(self, now: float) -> None:
        """Scores and answers pending calls, up to the rows and the time of one flush."""
        jobs: list[Job] = []
        rows, seconds = 0, 0.0
        while self._pending and rows < _FLUSH_ROWS and seconds < self._limits.flush_seconds:
            call = self._pending.popleft()
            request, call.request = call.request, None
            if request is None:
                continue
            if not call.is_late(now):
                rows, seconds = rows + len(request.rows), seconds + request.seconds
            jobs.append((call, request))
        self._score(jobs, now)
        self._was_slow = time.time() > now + _WATCH_SECONDS
        self._watch_waiting()

    def _watch_waiting(self) -> None:
        """Counts and watches the calls that wait for longer than a flush."""
        if len(self._pending) != self._counted_waiting:
            self._pipeline.queued(len(self._pending) - self._counted_waiting)
            self._counted_waiting = len(self._pending)
        for call in reversed(self._pending):
            if call.is_watched:
                return
            call.watch()

    def _score_slow(self, jobs: Sequence[Job], now: float) -> None:
        self._pipeline.queued(-len(jobs))
        self._score(jobs, now)

    def _score(self, jobs: Sequence[Job], now: float) -> None:
        """Scores and answers jobs whose callers still wait; on the lane's thread or one of the slow pool."""
        wanted: list[Job] = []
        for call, request in jobs:
            if call.is_gone or call.is_late(now):
                answer = _CANCELLED if call.is_gone else _LATE
                self._pipeline.drop(request, answer)
                _reply(call, answer)
            else:
                wanted.append((call, request))
        if not wanted:
            return

        def reply(answers: Sequence[Answer]) -> None:
            for (call, _), answer in zip(wanted, answers, strict=True):
                _reply(call, answer)

        try:
            self._pipeline.score([request for _, request in wanted], reply)
        except Exception as error:  # noqa: BLE001  every caller gets a status
            reply([failed(error)] * len(wanted))

    def _close_silent_calls(self, now: float) -> None:
        """Ends calls that have not sent their message in time; otherwise they would accumulate."""
        self._looked = now
        oldest = now - self._limits.receive_seconds
        for call in list(itertools.takewhile(lambda call: call.opened < oldest, self._awaiting_message)):
            self.message_received(call)
            _reply(call, _SILENT)


def _reply(call: LaneCall, answer: Answer) -> None:
    """Answers one of many calls; one caller's failure must not be another's."""
    try:
        call.answer(answer)
    except Exception as error:  # noqa: BLE001
        log_failure("an answer could not be sent", error)


_CANCELLED = Answer(code=grpc.StatusCode.CANCELLED, details="the caller is gone")
_LATE = Answer.failed(
    CallError(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed while the call waited to be scored")
)
_SILENT = Answer.failed(CallError(ErrorReason.DEADLINE_EXCEEDED, "the call was opened and no message came"))
