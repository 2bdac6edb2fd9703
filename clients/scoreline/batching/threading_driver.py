"""Executes the batching policy for threads. The leader of a batch makes its call; there is no thread of its own."""

import threading
from typing import TypeAlias, cast

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
from scoreline.calls.transport import Transport, run
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import RowResult
from scoreline.encoding.entities import Entity
from scoreline.errors import StaleSchemaError

# A bare lock wakes a thread at a fraction of an Event's cost.
_Waiter: TypeAlias = Waiter[threading.Lock]
_Batch: TypeAlias = Batch[threading.Lock]
_Effects: TypeAlias = Effects[threading.Lock]


class Coalescer:
    """Scores single entities over a transport, several callers' in one call where they come at the same time.

    ``max_open`` calls of a key are open at once, with at most ``max_rows`` entities each.
    """

    def __init__(
        self,
        flows: Flows,
        transport: Transport,
        *,
        max_open: int,
        max_rows: int = MAX_BATCH_ROWS,
        max_delay_seconds: float = MAX_QUEUE_DELAY_SECONDS,
    ) -> None:
        self._flows, self._transport = flows, transport
        self._limits = (max_open, max_rows, max_delay_seconds)
        self._calls: dict[BatchKey, _Calls] = {}

    def score(self, options: CallOptions, entity: Entity) -> Score:
        """Scores one entity. Raises what ``Flows.score`` raises."""
        packed = self._flows.packed_if_plain(options, entity)
        if packed is None:
            packed = run(self._flows.packed_row(options, entity), self._transport)
        try:
            return score_of(self._result(packed))
        except StaleSchemaError:
            packed = run(self._flows.repacked(packed), self._transport)
        return score_of(self._result(packed))

    @property
    def waiting(self) -> int:
        """How many callers wait for a call to be made."""
        return sum(calls.waiting for calls in [*self._calls.values()])

    def _result(self, packed: PackedRow) -> RowResult | BaseException:
        calls = self._calls.get(packed.key)
        if calls is None:
            new = _Calls(packed.key, self._flows, self._transport, Queue(*self._limits))
            calls = self._calls.setdefault(packed.key, new)
        return calls.result(packed)


class _Calls:
    """The calls of one key."""

    def __init__(self, key: BatchKey, flows: Flows, transport: Transport, queue: Queue[threading.Lock]) -> None:
        self._key, self._flows, self._transport, self._queue = key, flows, transport, queue
        self._clock = flows.retrying.clock
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        return len(self._queue.waiting)

    def result(self, packed: PackedRow) -> RowResult | BaseException:
        with self._lock:
            alone = self._queue.admit()
        if not alone:
            return self._wait(packed)
        try:
            return run(self._flows.score_row(packed), self._transport)
        finally:
            with self._lock:
                effects = self._queue.returned_alone(self._clock())
            _execute(effects)

    def _wait(self, packed: PackedRow) -> RowResult | BaseException:
        waiter = _waiter(packed, self._clock())
        try:
            with self._lock:
                effects = self._queue.join(waiter)
                if effects.flush_soon:  # a call returned since the caller was not admitted
                    effects = effects._replace(send=self._queue.flush(self._clock()).send)
            _execute(effects)
            while waiter.result is None and not self._is_woken(waiter, effects.timer_at):
                with self._lock:
                    effects = self._queue.check(waiter, self._clock())
                _execute(effects)
            if waiter.result is None:
                self._lead(cast("_Batch", waiter.batch))
        except BaseException:
            self._abandon(waiter)
            raise
        return cast("RowResult | BaseException", waiter.result)

    def _is_woken(self, waiter: _Waiter, timer_at: float | None) -> bool:
        return waiter.wake.acquire(timeout=-1 if timer_at is None else max(timer_at - self._clock(), 0.0))

    def _lead(self, batch: _Batch) -> None:
        """Makes the batch's call."""
        flow = self._flows.score_rows(self._key, batch.rows, batch.leader.deadline)
        try:
            results = run(noting_errors(flow, batch), self._transport)
        except Exception as error:  # noqa: BLE001 - a defect, which every member raises
            with self._lock:
                effects = self._queue.failed(batch, error, self._clock())
        else:
            with self._lock:
                effects = self._queue.returned(batch, results, self._clock())
        _execute(effects)

    def _abandon(self, waiter: _Waiter) -> None:
        """Lets go of a caller that was interrupted; where it led, the other members join again."""
        with self._lock:
            effects = self._queue.interrupted(waiter, self._clock())
        _execute(effects)


def _waiter(packed: PackedRow, now: float) -> _Waiter:
    wake = threading.Lock()
    wake.acquire()
    return Waiter(packed.row, packed.deadline, queued_at=now, wake=wake)


def _execute(effects: _Effects) -> None:
    for batch in effects.send:
        batch.leader.wake.release()
    for waiter in effects.wake:
        waiter.wake.release()
