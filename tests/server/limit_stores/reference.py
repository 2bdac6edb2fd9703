"""A store of limits in memory, as plain as its contract: it keeps everything and counts by looking at all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scoreline_registry.decisions.reservations import (
    MOST,
    Check,
    Claim,
    Counter,
    Grant,
    Mark,
    Refusal,
    Reservation,
    Usage,
)
from scoreline_server.limit_stores.store import REPEATABLE_US, Stats


@dataclass
class _Known:
    grant: Grant
    time: int


@dataclass
class ReferenceLimits:
    """One thread's store in memory. Nothing ends, and no time is dropped."""

    totals: dict[Counter, int] = field(default_factory=dict)
    times: dict[Counter, list[int]] = field(default_factory=dict)
    known: dict[str, _Known] = field(default_factory=dict)

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        """Grants each the first action all of whose checks hold."""
        return [self._reserved(reservation, now_us) for reservation in reservations]

    def release(self, reservations: Sequence[Reservation], now_us: int) -> int:
        """Takes back grants."""
        return sum(self._released(reservation, now_us) for reservation in reservations)

    def note(self, marks: Sequence[Mark], now_us: int) -> None:
        """Notes marks."""
        for mark in marks:
            if mark.time_us + mark.span_us > now_us and mark.time_us not in self.times.get(mark.counter, ()):
                self.times.setdefault(mark.counter, []).append(mark.time_us)

    def read(self, counters: Sequence[Counter]) -> list[Usage]:
        """All that was counted."""
        return [Usage(self.totals.get(each, 0), tuple(sorted(self.times.get(each, ())))) for each in counters]

    def forget(self, unit: str) -> bool:
        """Removes what is counted of a unit."""
        theirs = [each for each in (*self.totals, *self.times) if each.unit == unit] if unit else []
        for each in theirs:
            self.totals.pop(each, None)
            self.times.pop(each, None)
        return bool(theirs)

    def stats(self) -> Stats:
        """How much is stored."""
        return Stats(len(self.totals.keys() | self.times.keys()), len(self.known))

    def close(self) -> None:
        """Nothing is open."""

    def _reserved(self, reservation: Reservation, now: int) -> Grant:
        known = self._known(reservation, now)
        if known is not None:
            return replace(known.grant, is_repeated=True)
        others = tuple(each.action for each in reservation.others if not all(self._holds(c, now) for c in each.checks))
        refused: list[Refusal] = []
        for claim in reservation.claims:
            limits = [check.limit for check in claim.checks if not self._holds(check, now)]
            if not limits:
                self._add(claim, now)
                grant = Grant(claim.action, tuple(refused), others_refused=others)
                if reservation.request:
                    self.known[reservation.request] = _Known(grant, now)
                return grant
            refused.append(Refusal(claim.action, limits[0]))
        return Grant(None, tuple(refused), others_refused=others)

    def _holds(self, check: Check, now: int) -> bool:
        if check.at_most is None:
            return True
        (usage,) = self.read([check.counter])
        return usage.used(check.span_us, now) + check.amount <= check.at_most

    def _add(self, claim: Claim, now: int) -> None:
        for counter, amount in _amounts(claim, totals=True).items():
            self.totals[counter] = min(self.totals.get(counter, 0) + amount, MOST)
        for counter, amount in _amounts(claim, totals=False).items():
            self.times.setdefault(counter, []).extend([now] * amount)

    def _released(self, reservation: Reservation, now: int) -> bool:
        known = self._known(reservation, now)
        if known is None:
            return False
        (claim,) = (each for each in reservation.claims if each.action == known.grant.action)
        for counter, amount in _amounts(claim, totals=True).items():
            self.totals[counter] = max(0, self.totals.get(counter, 0) - amount)
        for counter in _amounts(claim, totals=False):
            if known.time in self.times.get(counter, ()):
                self.times[counter].remove(known.time)
        del self.known[reservation.request]
        return True

    def _known(self, reservation: Reservation, now: int) -> _Known | None:
        known = self.known.get(reservation.request)
        if known is None or now - known.time >= REPEATABLE_US:
            return None
        return known if known.grant.action in {claim.action for claim in reservation.claims} else None


def _amounts(claim: Claim, *, totals: bool) -> Mapping[Counter, int]:
    """What an action adds to each total, or to each window."""
    amounts: dict[Counter, int] = {}
    for check in claim.checks:
        if check.amount and (check.span_us is None) == totals:
            amounts[check.counter] = max(check.amount, amounts.get(check.counter, 0))
    return amounts
