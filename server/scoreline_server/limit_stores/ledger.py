"""Grants reservations from what is stored of their counters: pure, for the store that loads and writes them."""

from bisect import bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass, field

from scoreline_registry.decisions.reservations import (
    MOST,
    Check,
    Claim,
    Counter,
    Grant,
    Mark,
    Refusal,
    Reservation,
)
from scoreline_server.limit_stores.store import REPEATABLE_US

NEVER = (1 << 63) - 1
"""The end of what is kept for ever."""


@dataclass(slots=True)
class CounterState:
    """What is stored of one counter.

    Attributes:
        total: the sum of a total.
        times: of a window, in order: the newest ``depth`` of the last ``span_us`` microseconds.
        span_us: the longest span that the window was checked with.
        depth: how many times the highest limit needs that the window was checked with.
        ends_us: from when on no check needs it; ``NEVER`` where there is no such time.
    """

    total: int = 0
    times: list[int] = field(default_factory=list)
    span_us: int = 0
    depth: int = 0
    ends_us: int = 0

    def holds(self, check: Check, now_us: int) -> bool:
        """Whether an action may still be added."""
        if check.at_most is None:
            return True
        if check.span_us is None:
            return self.total + check.amount <= check.at_most
        return len(self.times) - bisect_right(self.times, now_us - check.span_us) + check.amount <= check.at_most

    def widen(self, span_us: int, depth: int) -> bool:
        """Keeps the times that a longer span or a higher limit needs from now on; whether it is longer or higher."""
        if span_us <= self.span_us and depth <= self.depth:
            return False
        self.span_us, self.depth = max(span_us, self.span_us), max(depth, self.depth)
        if self.times:
            self.ends_us = max(self.ends_us, self.times[-1] + self.span_us)
        return True

    def add_time(self, time_us: int, now_us: int) -> None:
        """Adds a time to a window and drops those that are not needed any more."""
        insort(self.times, time_us)
        del self.times[: max(bisect_right(self.times, now_us - self.span_us), len(self.times) - self.depth)]
        self.ends_us = max(self.ends_us, time_us + self.span_us)

    def add(self, amount: int, ends_us: int | None) -> None:
        """Adds an amount to a total."""
        self.total = min(self.total + amount, MOST)
        self.ends_us = max(self.ends_us, NEVER if ends_us is None else ends_us)


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that is known by its request."""

    action: str
    time_us: int
    refused: tuple[Refusal, ...]
    others_refused: tuple[str, ...] = ()


class Ledger:
    """The counters and requests of some reservations, as they are stored, and as granting changes them.

    ``changed`` are the counters, and ``touched`` the requests, to be written: a request that is not among ``requests``
    then is to be removed.
    """

    def __init__(self, counters: Mapping[Counter, CounterState], requests: Mapping[str, Granted]) -> None:
        self.counters, self.requests = dict(counters), dict(requests)
        self.changed: set[Counter] = set()
        self.touched: set[str] = set()

    def reserve(self, reservation: Reservation, now_us: int) -> Grant:
        """Grants the first action all of whose checks hold, and adds it to its counters."""
        known = self._known(reservation, now_us)
        if known is not None:
            return Grant(known.action, known.refused, is_repeated=True, others_refused=known.others_refused)
        others = tuple(claim.action for claim in reservation.others if self._refusing(claim, now_us) is not None)
        refused: list[Refusal] = []
        for claim in reservation.claims:
            limit = self._refusing(claim, now_us)
            if limit is None:
                self._take(claim, now_us)
                self._remember(reservation.request, Granted(claim.action, now_us, tuple(refused), others))
                return Grant(claim.action, tuple(refused), others_refused=others)
            refused.append(Refusal(claim.action, limit))
        return Grant(None, tuple(refused), others_refused=others)

    def release(self, reservation: Reservation, now_us: int) -> bool:
        """Takes back what was granted to a request; whether it was known."""
        known = self._known(reservation, now_us)
        if known is None:
            return False
        claim = next(claim for claim in reservation.claims if claim.action == known.action)
        for check in _additions(claim):
            self._give_back(check, known.time_us)
        del self.requests[reservation.request]
        self.touched.add(reservation.request)
        return True

    def note(self, mark: Mark, now_us: int) -> None:
        """Notes a mark in its window, unless it is there or has ended."""
        if mark.time_us + mark.span_us <= now_us:
            return
        state = self.counters.setdefault(mark.counter, CounterState())
        is_changed = state.widen(mark.span_us, 1)
        if mark.time_us not in state.times:
            state.add_time(mark.time_us, now_us)
            is_changed = True
        if is_changed:
            self.changed.add(mark.counter)

    def _known(self, reservation: Reservation, now_us: int) -> Granted | None:
        """What was granted to the request before, where it still counts and is among the claims."""
        known = self.requests.get(reservation.request)
        if known is None or known.time_us + REPEATABLE_US <= now_us:
            return None
        return known if any(claim.action == known.action for claim in reservation.claims) else None

    def _refusing(self, claim: Claim, now_us: int) -> str | None:
        """The first limit that refuses an action."""
        refusing = None
        for check in claim.checks:
            state = self.counters.get(check.counter)
            if state is None:
                state = _EMPTY
            elif check.span_us is not None and state.widen(check.span_us, _depth(check)):
                self.changed.add(check.counter)
            if refusing is None and not state.holds(check, now_us):
                refusing = check.limit
        return refusing

    def _take(self, claim: Claim, now_us: int) -> None:
        additions = _additions(claim)
        for check in additions:
            self.counters.setdefault(check.counter, CounterState())
            self.changed.add(check.counter)
        for check in claim.checks:
            if check.span_us is not None and check.counter in self.counters:
                self.counters[check.counter].widen(check.span_us, _depth(check))
        for check in additions:
            state = self.counters[check.counter]
            if check.span_us is None:
                state.add(check.amount, check.ends_us)
            else:
                state.add_time(now_us, now_us)

    def _give_back(self, check: Check, time_us: int) -> None:
        state = self.counters.get(check.counter)
        if state is None:
            return
        if check.span_us is None:
            state.total = max(0, state.total - check.amount)
        elif time_us in state.times:
            state.times.remove(time_us)
        self.changed.add(check.counter)

    def _remember(self, request: str, granted: Granted) -> None:
        if request:
            self.requests[request] = granted
            self.touched.add(request)


_EMPTY = CounterState()


def _additions(claim: Claim) -> list[Check]:
    """The check that adds most to each window and total."""
    most: dict[tuple[Counter, bool], Check] = {}
    for check in claim.checks:
        place = check.counter, check.span_us is None
        if check.amount and (place not in most or check.amount > most[place].amount):
            most[place] = check
    return list(most.values())


def _depth(check: Check) -> int:
    """How many times of a window tell whether a check holds."""
    return 1 if check.at_most is None else check.at_most + 1
