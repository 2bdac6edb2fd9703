"""Batching policy for concurrent callers, free of locks, clocks and IO.

Callers whose rows fit into one request share a queue. A caller who finds a free call makes it at once, alone. While as
many calls of the queue are open as may be, callers wait, and those who wait when one returns are sent together. No
caller waits for a batch to fill.

Each transition returns Effects: which batches to send, whom to wake, when to look again. A driver for threads and one
for asyncio execute them.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from scoreline.calls.retrying import Deadline, deadline_error
from scoreline.calls.transport import Flow, Method, Send
from scoreline.decoding.row_responses import RowResult
from scoreline.encoding.row import EncodedRow
from scoreline.errors import ScorelineError, own_copy

OPEN_PER_CONNECTION = 2
"""One call is scored while the next one is on its way."""

MAX_BATCH_ROWS = 64

MAX_QUEUE_DELAY_SECONDS = 0.05
"""Where callers wait and no batch was sent for so long, one is sent beyond the open calls: one server that hangs must
not hold up those who could be answered by others."""

_MAX_BATCH_BYTES = 1024 * 1024

T = TypeVar("T")
W = TypeVar("W")


class Waiter(Generic[W]):
    """One caller: its row, its deadline, when it joined (seconds of the monotonic clock), and what wakes it.

    ``result`` is set once, before it is woken. ``left`` says that it takes no result any more.
    """

    __slots__ = ("batch", "deadline", "left", "queued_at", "result", "row", "wake")

    def __init__(self, row: EncodedRow, deadline: Deadline, *, queued_at: float, wake: W) -> None:
        self.row, self.deadline, self.queued_at, self.wake = row, deadline, queued_at, wake
        self.batch: Batch[W] | None = None
        self.result: RowResult | BaseException | None = None
        self.left = False

    @property
    def leads(self) -> bool:
        """Whether its batch's call has its deadline, so that no other member waits longer."""
        return self.batch is not None and self.batch.leader is self

    def timed_out(self) -> ScorelineError:
        """The error after its deadline: why its call's last attempt failed, or that no answer came."""
        if self.batch is not None and self.batch.error is not None:
            return own_copy(self.batch.error)
        return deadline_error(Method.SCORE, self.deadline, 0 if self.batch is None else 1)


@dataclass(slots=True, eq=False)
class Batch(Generic[W]):
    """The waiters of one call. ``error`` is the failure of its last attempt, while the next one is waited for."""

    members: Sequence[Waiter[W]]
    leader: Waiter[W]
    error: ScorelineError | None = None

    @property
    def rows(self) -> list[EncodedRow]:
        """The members' rows, in their order."""
        return [member.row for member in self.members]

    @property
    def is_deserted(self) -> bool:
        """Whether no member waits any more."""
        return all(member.left for member in self.members)


class Effects(NamedTuple, Generic[W]):
    """What a driver does after a transition.

    ``send``: make these batches' calls. ``wake``: these waiters have their result. ``cancel``: end these batches'
    calls, which no waiter waits for. ``timer_at``: check at this time. ``flush_soon``: call ``flush`` once the callers
    of this moment have joined.
    """

    send: Sequence[Batch[W]] = ()
    wake: Sequence[Waiter[W]] = ()
    cancel: Sequence[Batch[W]] = ()
    timer_at: float | None = None
    flush_soon: bool = False


@dataclass(slots=True, eq=False)
class Queue(Generic[W]):
    """The waiters and open calls of one key; at most ``max_open`` calls of at most ``max_rows`` rows.

    ``joins_crowds`` makes a caller after a shared call wait for others even where a call is free: for an event loop, in
    which those come in the same turn. ``crowded`` says that the last batch had several members.
    """

    max_open: int
    max_rows: int = MAX_BATCH_ROWS
    max_delay_seconds: float = MAX_QUEUE_DELAY_SECONDS
    joins_crowds: bool = False
    waiting: deque[Waiter[W]] = field(default_factory=deque)
    in_flight: set[Batch[W]] = field(default_factory=set)
    open: int = 0
    sent_at: float = 0.0
    crowded: bool = False

    def admit(self) -> bool:
        """Opens a call for one caller alone and returns True, or returns False where the caller has to join."""
        if self.waiting or self.open >= self.max_open or (self.crowded and self.joins_crowds):
            return False
        self.open += 1
        return True

    def join(self, waiter: Waiter[W]) -> Effects[W]:
        """Puts a caller at the end of the queue."""
        self.waiting.append(waiter)
        at = min(waiter.deadline.ends, waiter.queued_at + self.max_delay_seconds)
        return Effects(timer_at=at, flush_soon=self.open < self.max_open)

    def flush(self, now: float) -> Effects[W]:
        """Sends those who wait, as far as calls are free."""
        send: list[Batch[W]] = []
        while self.waiting and self.open < self.max_open:
            batch = self.take_batch(now)
            if batch is not None:
                send.append(batch)
        return Effects(send=send)

    def take_batch(self, now: float) -> Batch[W] | None:
        """Takes those who wait longest as a call that is open from now on; None where all of them have left."""
        members: list[Waiter[W]] = []
        size = 0
        while self.waiting and len(members) < self.max_rows:
            member = self.waiting[0]
            if not member.left:
                size += member.row.size
                if members and size > _MAX_BATCH_BYTES:
                    break
                members.append(member)
            self.waiting.popleft()
        if not members:
            return None
        batch = Batch(members, max(members, key=_ends))
        for member in members:
            member.batch = batch
        self.in_flight.add(batch)
        self.open += 1
        self.sent_at, self.crowded = now, len(members) > 1
        return batch

    def returned_alone(self, now: float) -> Effects[W]:
        """The call of a caller alone is over."""
        self.open -= 1
        return self.flush(now)

    def returned(self, batch: Batch[W], results: Sequence[RowResult | BaseException], now: float) -> Effects[W]:
        """A batch's call is over and has an result for each member."""
        self._close(batch)
        wake = [member for member in batch.members if member.result is None and not member.left]
        for member, result in zip(batch.members, results, strict=True):
            member.result = member.result or result
        return self.flush(now)._replace(wake=wake)

    def failed(self, batch: Batch[W], error: BaseException, now: float) -> Effects[W]:
        """A batch's call ended by an unexpected error, which each member gets."""
        return self.returned(batch, [error] * len(batch.members), now)

    def interrupted(self, waiter: Waiter[W], now: float) -> Effects[W]:
        """A caller's thread was interrupted; where it made a batch's call, the other members join again, in front."""
        waiter.left = True
        batch = waiter.batch
        if batch not in self.in_flight or batch.leader is not waiter:
            return Effects()
        self._close(batch)
        present = [member for member in batch.members if not member.left]
        for member in present:
            member.batch = None
        self.waiting.extendleft(reversed(present))
        return self.flush(now)

    def leave(self, waiter: Waiter[W]) -> Effects[W]:
        """A caller does not wait any more; a call that has no other waiter is cancelled."""
        waiter.left = True
        if waiter.batch in self.in_flight and waiter.batch.is_deserted:
            return Effects(cancel=(waiter.batch,))
        return Effects()

    def check(self, waiter: Waiter[W], now: float) -> Effects[W]:
        """Ends a wait whose deadline is over, and sends a batch where none was sent for too long."""
        if waiter.result is not None or waiter.left:
            return Effects()
        if waiter.deadline.ends <= now and not waiter.leads:
            waiter.result = waiter.timed_out()
            return self.leave(waiter)._replace(wake=(waiter,))
        if waiter.batch is not None:
            return Effects(timer_at=None if waiter.leads else waiter.deadline.ends)
        overdue = self.take_batch(now) if self.flush_deadline <= now else None
        at = waiter.deadline.ends if waiter.batch else min(waiter.deadline.ends, self.flush_deadline)
        return Effects(send=(overdue,) if overdue else (), timer_at=None if waiter.leads else at)

    def check_all(self, now: float) -> Effects[W]:
        """Checks every waiter, for a driver with one timer."""
        in_flight = (member for batch in self.in_flight for member in batch.members)
        found = [self.check(waiter, now) for waiter in (*self.waiting, *in_flight)]
        return Effects(
            send=[batch for effects in found for batch in effects.send],
            wake=[waiter for effects in found for waiter in effects.wake],
            cancel=[batch for effects in found for batch in effects.cancel],
            timer_at=min((effects.timer_at for effects in found if effects.timer_at is not None), default=None),
        )

    @property
    def flush_deadline(self) -> float:
        """When a batch is sent although as many calls are open as may be; there must be someone waiting."""
        return max(self.sent_at, self.waiting[0].queued_at) + self.max_delay_seconds

    def _close(self, batch: Batch[W]) -> None:
        self.in_flight.remove(batch)
        self.open -= 1


def noting_errors(flow: Flow[T], batch: Batch[W]) -> Flow[T]:
    """The flow of a batch's call, which notes in the batch why its last attempt failed."""
    try:
        step = next(flow)
        while True:
            try:
                answer = yield step
            except ScorelineError as error:
                batch.error = error
                step = flow.throw(error)
            else:
                batch.error = None if isinstance(step, Send) else batch.error
                step = flow.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


def _ends(waiter: Waiter[W]) -> float:
    return waiter.deadline.ends
