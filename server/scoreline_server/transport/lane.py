"""The hot lane: the few busy unary methods on a completion queue and a thread of their own.

grpcio's ordinary server hands every call from its polling thread to a pool; the hand-over costs more than a small
model. Here one thread polls, decodes, scores and answers. It batches without ever waiting for a batch: while calls keep
arriving it hears them, and as soon as none is there it takes in and scores what it has. So batches form only of calls
that queued up while the last one ran. Each step is done for all calls before the next one begins, because code that has
just run costs a third of code that has not.

Every call gets exactly one status, whatever happens to it; a lane that cannot go on says so and ends its process.
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
from scoreline_server.transport.slow_pool import HeavyPool

Job: TypeAlias = tuple[LaneCall, DecodedRequest]

_ARMED = 128
_IDLE_SECONDS = 0.25
_FLUSH_ROWS = 4096
# A call is three events. Without a limit a flood of calls that are refused would keep those taken in from scoring.
_INTAKE_EVENTS = 256
# To be told of a caller who goes away costs a call a tenth of its time; it pays where calls wait for longer than this.
_PATIENCE_SECONDS = 0.005
_LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How a lane shares its time.

    Attributes:
        flush_seconds: about how much work is scored before the lane looks for new calls again.
        heavy_seconds: a call that costs more is scored by threads of a pool, so that cheap ones do not wait for it.
        heavy_threads: how many.
        receive_seconds: how long a call may be open without having sent its message.
    """

    flush_seconds: float
    heavy_seconds: float
    heavy_threads: int
    receive_seconds: float


class Lane:
    """Serves some methods of a server through a pipeline."""

    def __init__(
        self,
        server: grpc.Server,
        methods: Sequence[str],
        pipeline: Pipeline,
        *,
        limits: LaneLimits,
        on_death: Callable[[], None],
    ) -> None:
        """Registers the methods; must come before the server starts, and no other handler may have them.

        Args:
            server: the ordinary server, whose port, credentials and limits the lane shares.
            methods: their paths.
            pipeline: answers.
            limits: how it shares its time.
            on_death: called by the lane's thread when it cannot go on.
        """
        self._queue = completion_queue.CallQueue(server, methods)
        self._methods = tuple(methods)
        self._pipeline = pipeline
        self._limits = limits
        self._on_death = on_death
        self._heavy = HeavyPool(self._score_heavy, threads=limits.heavy_threads)
        self._arming = {method: partial(self._called, method) for method in self._methods}
        self._to_arm = [method for method in self._methods for _ in range(_ARMED)]
        self._arrived: list[LaneCall] = []
        self._pending: deque[LaneCall] = deque()
        # A dict, because it keeps the order of arrival and lets go of a call as soon as its message is there.
        self._unheard: dict[LaneCall, None] = {}
        self._looked = 0.0
        self._was_slow = False
        self._left = 0
        self._open = 0
        self._armed = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="hot-lane", daemon=True)

    def start(self) -> None:
        """Takes calls; must come after the server has started."""
        self._arm()
        self._thread.start()

    def close(self) -> None:
        """Takes no more calls; must come before the server stops."""
        self._queue.close()

    def end(self) -> None:
        """Lets the thread end after the last call; must come after the server was told to stop."""
        self._stopping = True

    def join(self, deadline: Deadline) -> bool:
        """Waits until every call has ended and was counted; False when that takes longer."""
        if self._thread.is_alive():
            self._thread.join(deadline.remaining_seconds)
        return self._heavy.close(deadline) and not self._thread.is_alive()

    @property
    def open_calls(self) -> int:
        """Calls that have not ended."""
        return self._open

    def _arm(self) -> None:
        """Requests as many calls as have come; none once the queue is closed."""
        for method in self._to_arm:
            if self._queue.request(method, self._arming[method]):
                self._armed += 1
        self._to_arm.clear()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            log_failure("the hot lane died", error)
            log_failure.flush(_LAST_WORDS_SECONDS)
            self._on_death()
            raise

    def _loop(self) -> None:
        poll = self._queue.poll
        handled = 0
        while True:
            event = poll(time.time() + _IDLE_SECONDS if self._is_idle else 0.0)
            if event is not None:
                if completion_queue.is_shutdown(event):
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
            # Not earlier: who has been answered does not wait for it.
            self._arm()
            if self._is_over():
                self._queue.shutdown()
            if now > self._looked + _IDLE_SECONDS:
                self._hang_up_on_the_silent(now)

    @property
    def _is_idle(self) -> bool:
        """Whether nothing is to be done before the next event; without armed calls none may come."""
        return not (self._arrived or self._pending or len(self._to_arm) >= _ARMED)

    def _is_over(self) -> bool:
        return self._stopping and not self._open and not self._armed

    def _called(self, method: str, event: completion_queue.Event) -> None:
        self._armed -= 1
        if not event.success:
            return
        self._to_arm.append(method)
        self._open += 1
        call = LaneCall(self, method, event)
        self._unheard[call] = None
        if self._was_slow:
            call.watch()
        completion_queue.receive(event.call, call.received)

    def heard(self, call: LaneCall) -> None:
        """A call's message has come, or will not come."""
        self._unheard.pop(call, None)

    def take(self, call: LaneCall) -> None:
        """Takes a call with its message, to be admitted as soon as no more are coming."""
        self._arrived.append(call)

    def _admit_all(self) -> None:
        """Puts each call that has arrived where it will be answered."""
        arrived, self._arrived = self._arrived, []
        for call in arrived:
            try:
                self._admit(call)
            except Exception as error:  # noqa: BLE001  whatever happened, the caller gets a status
                _reply(call, failed(error))

    def _admit(self, call: LaneCall) -> None:
        taken = self._pipeline.admit(call)
        call.message = b""
        if isinstance(taken, Answer):
            call.answer(taken)
        elif taken.seconds >= self._limits.heavy_seconds:
            call.watch()
            self._pipeline.queued(1)
            self._heavy.put((call, taken), taken.seconds)
        else:
            call.question = taken
            self._pending.append(call)

    def lost(self, call: LaneCall) -> None:
        """Nobody waits for a call any more: what it was going to cost is free for others at once."""
        if call.question is not None:
            question, call.question = call.question, None
            self._pipeline.drop(question, _CANCELLED)
            call.answer(_CANCELLED)

    def ended(self) -> None:
        """A call is over: its status was sent or nobody wants it."""
        self._open -= 1

    def _flush(self, now: float) -> None:
        """Scores what is pending, as far as rows and time of one flush go, and answers."""
        jobs: list[Job] = []
        rows, seconds = 0, 0.0
        while self._pending and rows < _FLUSH_ROWS and seconds < self._limits.flush_seconds:
            call = self._pending.popleft()
            question, call.question = call.question, None
            if question is None:
                continue
            if not call.is_late(now):
                rows, seconds = rows + len(question.rows), seconds + question.seconds
            jobs.append((call, question))
        self._score(jobs, now)
        self._was_slow = time.time() > now + _PATIENCE_SECONDS
        self._look_after_those_left()

    def _look_after_those_left(self) -> None:
        """Counts and watches whoever waits for longer than a flush."""
        if len(self._pending) != self._left:
            self._pipeline.queued(len(self._pending) - self._left)
            self._left = len(self._pending)
        for call in reversed(self._pending):
            if call.is_watched:
                return
            call.watch()

    def _score_heavy(self, jobs: Sequence[Job], now: float) -> None:
        self._pipeline.queued(-len(jobs))
        self._score(jobs, now)

    def _score(self, jobs: Sequence[Job], now: float) -> None:
        """Scores jobs and answers, except those that nobody waits for; on the lane's thread or on a heavy one."""
        wanted: list[Job] = []
        for call, question in jobs:
            if call.is_gone or call.is_late(now):
                answer = _CANCELLED if call.is_gone else _LATE
                self._pipeline.drop(question, answer)
                _reply(call, answer)
            else:
                wanted.append((call, question))
        if not wanted:
            return

        def reply(answers: Sequence[Answer]) -> None:
            for (call, _), answer in zip(wanted, answers, strict=True):
                _reply(call, answer)

        try:
            self._pipeline.score([question for _, question in wanted], reply)
        except Exception as error:  # noqa: BLE001  whatever happened, each caller gets a status
            reply([failed(error)] * len(wanted))

    def _hang_up_on_the_silent(self, now: float) -> None:
        """Ends calls that were opened and never sent anything; otherwise they would pile up."""
        self._looked = now
        oldest = now - self._limits.receive_seconds
        for call in list(itertools.takewhile(lambda call: call.opened < oldest, self._unheard)):
            self.heard(call)
            _reply(call, _SILENT)


def _reply(call: LaneCall, answer: Answer) -> None:
    """Answers one of many calls; one caller's failure must not be another's."""
    try:
        call.answer(answer)
    except Exception as error:  # noqa: BLE001
        log_failure("an answer could not be sent", error)


_CANCELLED = Answer(code=grpc.StatusCode.CANCELLED, details="the caller went away")
_LATE = Answer.failed(
    CallError(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed while the call waited to be scored")
)
_SILENT = Answer.failed(CallError(ErrorReason.DEADLINE_EXCEEDED, "the call was opened and no message came"))
