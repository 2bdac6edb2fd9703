"""Reserves actions for decisions, in bounded time.

A store may hang in a call that cannot be interrupted: a lost network, a disk that stalls. Calls are therefore made by a
daemon thread, and those who wait for one give up in time. What is asked for while a call is under way shares the next:
one transaction, or one round trip, serves all callers that wait.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Protocol

from scoreline_registry.decisions.reservations import Grant, Reservation
from scoreline_server.databases.failure_pauses import FailurePauses
from scoreline_server.errors import StoreError
from scoreline_server.failure_log import log_failure

_TOGETHER = 256
"""Reservations that begin no further call; those of one caller stay together."""

_NEAR_US = 1_000_000
"""How far apart the times of calls may be that share one, in microseconds: they are counted at the latest of them."""


class Counting(Protocol):
    """The metrics of reservations."""

    def limits_reserved(self, seconds: float) -> None:
        """Reservations that were answered in time."""


class Reserving(Protocol):
    """The part of a ``LimitStore`` that is used here."""

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        """Grants each the first action all of whose checks hold, and counts it."""


class _Call:
    """The reservations of one caller, and their grants once ``done`` is set."""

    __slots__ = ("done", "error", "grants", "has_begun", "is_late", "now_us", "reservations")

    def __init__(self, reservations: Sequence[Reservation], now_us: int) -> None:
        self.reservations, self.now_us = reservations, now_us
        self.grants: Sequence[Grant] = ()
        self.error: Exception | None = None
        self.done = threading.Event()
        self.has_begun = self.is_late = False


class TimedLimits:
    """Reserves from a store, and does not wait for one that hangs. Safe for threads."""

    def __init__(
        self,
        store: Reserving,
        *,
        seconds: float,
        counting: Counting,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds`` is how long a reservation may take; ``clock`` measures the pauses of a store that fails."""
        self._store, self._seconds, self._counting = store, seconds, counting
        self._pauses = FailurePauses("store of limits", "limited actions are held back, or not counted", clock=clock)
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._runs = False
        self._hangs = False

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant] | None:
        """The grants of reservations; None where the store failed, did not answer in time, or is left alone.

        What was not answered in time may still be counted; it is never granted twice. The first action of a
        reservation is granted without the store where no limit is about it.
        """
        asked = [each for each in reservations if _needs_store(each)]
        grants = self._reserved(asked, now_us) if asked else ()
        if grants is None:
            return None
        answers = iter(grants)
        return [next(answers) if _needs_store(each) else _unlimited(each) for each in reservations]

    def close(self) -> None:
        """Ends the thread; one whose call hangs ends with the process."""
        self._calls.put(None)

    def _reserved(self, reservations: Sequence[Reservation], now_us: int) -> Sequence[Grant] | None:
        if self._is_left_alone():
            return None
        call, start = _Call(reservations, now_us), time.perf_counter()
        self._calls.put(call)
        if not call.done.wait(self._seconds) and self._gave_up(call):
            self._pauses.failed(f"no answer within {self._seconds:g} s")
            return None
        if call.error is not None:
            self._pauses.failed(str(call.error))
            return None
        self._pauses.succeeded()
        self._counting.limits_reserved(time.perf_counter() - start)
        return call.grants

    def _is_left_alone(self) -> bool:
        """Whether the store is not to be asked now; starts the thread before the first call."""
        with self._lock:
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="limits", daemon=True).start()
            return self._hangs or self._pauses.is_paused

    def _gave_up(self, call: _Call) -> bool:
        """Gives up on a call, unless it was answered just now; others do not wait for the same."""
        with self._lock:
            call.is_late = not call.done.is_set()
            self._hangs = self._hangs or (call.is_late and call.has_begun)
            return call.is_late

    def _run(self) -> None:
        while (first := self._calls.get()) is not None:
            calls, is_last = self._gathered(first)
            for together in _by_time(calls):
                self._do(together)
            if is_last:
                return

    def _gathered(self, first: _Call) -> tuple[list[_Call], bool]:
        """The calls that wait and have not been given up, as many as go together; whether there are none after them."""
        calls: list[_Call] = []
        following: _Call | None = first
        number = 0
        while following is not None:
            with self._lock:
                following.has_begun = not following.is_late
            if following.has_begun:
                calls.append(following)
                number += len(following.reservations)
            if number >= _TOGETHER:
                break
            try:
                following = self._calls.get_nowait()
            except Empty:
                break
        return calls, following is None

    def _do(self, calls: Sequence[_Call]) -> None:
        """Has the store answer some calls, all at once; each by itself where one of them is wrong."""
        reservations = list(chain.from_iterable(call.reservations for call in calls))
        try:
            grants = iter(self._store.reserve(reservations, max(call.now_us for call in calls)))
        except Exception as error:  # noqa: BLE001  whatever a store raises, decisions are made without it
            if len(calls) > 1 and not isinstance(error, StoreError):
                for call in calls:
                    self._do([call])
                return
            if not isinstance(error, StoreError):
                log_failure("reserving actions failed", error)
            self._end(calls, error)
            return
        for call in calls:
            call.grants = [next(grants) for _ in call.reservations]
        self._end(calls, None)

    def _end(self, calls: Sequence[_Call], error: Exception | None) -> None:
        with self._lock:
            self._hangs = False
            for call in calls:
                call.error = error
                call.done.set()


def _by_time(calls: Sequence[_Call]) -> Iterator[Sequence[_Call]]:
    """Calls in groups of nearly the same time; decisions as of a moment of the past have a time of their own."""
    group: list[_Call] = []
    for call in sorted(calls, key=lambda call: call.now_us):
        if group and call.now_us - group[0].now_us > _NEAR_US:
            yield group
            group = []
        group.append(call)
    if group:
        yield group


def _needs_store(reservation: Reservation) -> bool:
    """Whether a limit is about the first action, or about one that is only looked at."""
    first = reservation.claims[:1]
    return any(claim.checks for claim in (*first, *reservation.others))


def _unlimited(reservation: Reservation) -> Grant:
    return Grant(reservation.claims[0].action if reservation.claims else None)
