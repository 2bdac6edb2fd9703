"""Reservations of actions: which counters an action adds to, how far each may go, and which action was granted.

A decision asks for its actions in order of preference. The first action all of whose checks hold is granted, and the
same step adds it to its counters. An action is thereby counted before it is answered, so that callers, workers and
hosts together never exceed a limit.

Counters are of two kinds. A window holds the times of single actions, and counts those of its last ``span_us``
microseconds. A total holds a sum. Sums of money are integers too, in millionths of the currency's unit, so that a
budget holds exactly. The limits of policies are made of both:

======================  ======================================================================================
limit                   checks of an action
======================  ======================================================================================
frequency, channel      a window of the unit; ``at_most`` actions, ``amount=1``
cool-down               a window of the unit; ``at_most=0, amount=0`` for the actions that must rest, and
                        ``at_most=None, amount=1`` for those that they rest after
exclusive               a window of the unit for each action; ``amount=1`` on the action's own, and
                        ``at_most=0, amount=0`` on those of the others
suppression             a window of the unit, ``at_most=0, amount=0``, that outcomes are noted in by a ``Mark``
total                   a total; ``amount=1``
budget                  a total with the period as ``bucket``; ``amount`` is the cost
======================  ======================================================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

MOST = (1 << 53) - 1
"""The greatest amount and limit, which is exact in every language that may count it; 9 billion of a currency."""

MOST_IN_WINDOW = 10_000
"""The greatest limit of a window, whose times are all kept."""

MICRO = 1_000_000
"""What one unit of a currency is counted as."""


class Counter(NamedTuple):
    """What is counted.

    Attributes:
        name: of the limit with its policy, or the name that several policies share.
        unit: whose actions are counted; empty for those of all units. What is counted of a unit is forgotten with it.
        bucket: the period, such as ``2026-11-22``, of a total that begins anew with each; else empty.
    """

    name: str
    unit: str = ""
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What an action adds to a counter, and how far the counter may go with it.

    Attributes:
        limit: the limit's name, which a refusal names.
        counter: what is counted.
        at_most: the counter with ``amount`` may not exceed it, 0 to ``MOST``, in a window to ``MOST_IN_WINDOW``; None
            where the action is counted and never refused.
        amount: is added where the action is granted, 0 to ``MOST``: actions, or money by ``cost_of``; in a window 0 or
            1. Where several checks of an action have one counter, their greatest amount is added, once.
        span_us: how far a window reaches back, in microseconds: an action counts until exactly this long after it; None
            for a total.
        ends_us: when a total's bucket ends, in microseconds since 1970: it is dropped some time after; None for a total
            that is kept for ever, and for a window.

    Raises:
        ValueError: a number is out of range.
    """

    limit: str
    counter: Counter
    at_most: int | None
    amount: int = 1
    span_us: int | None = None
    ends_us: int | None = None

    def __post_init__(self) -> None:
        most = MOST if self.span_us is None else MOST_IN_WINDOW
        if self.at_most is not None and not 0 <= self.at_most <= most:
            raise ValueError(f"limit {self.limit!r}: at_most must be 0 to {most:,}, not {self.at_most:,}")
        if not 0 <= self.amount <= (MOST if self.span_us is None else 1):
            raise ValueError(f"limit {self.limit!r}: an action cannot be counted as {self.amount:,}")
        if self.span_us is not None and not 0 < self.span_us <= MOST:
            raise ValueError(f"limit {self.limit!r}: a window must be 1 to {MOST:,} microseconds, not {self.span_us:,}")


@dataclass(frozen=True, slots=True)
class Claim:
    """An action that a decision asks for.

    Attributes:
        action: its name, unique among those of a reservation.
        checks: all of which must hold; in the order in which they are looked at. One without checks is always granted.
    """

    action: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Reservation:
    """The actions that one decision asks for, of which one at most is granted.

    Attributes:
        claims: in order of preference. The first all of whose checks hold is granted.
        request: names this decision among all, such as policy, request id, row and unit together; empty for none. One
            that was granted is kept for ten minutes: the same decision that is asked for again is granted the same
            action, as long as that is among its claims, and is not counted again.
        others: actions that are only looked at, before anything is added: which of them limits would refuse. They may
            be among the claims too.
    """

    claims: tuple[Claim, ...]
    request: str = ""
    others: tuple[Claim, ...] = ()

    @property
    def checks(self) -> Iterator[Check]:
        """The checks of all actions that are asked for or looked at."""
        for claim in (*self.claims, *self.others):
            yield from claim.checks


class Refusal(NamedTuple):
    """An action that was not granted, and the first of its limits that refused it."""

    action: str
    limit: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The action that was granted to a reservation.

    Attributes:
        action: None where none was granted.
        refused: the actions before it, or all, each with the first limit that refused it.
        is_repeated: whether it was granted to an earlier reservation of the same request, and not counted again.
        others_refused: those of the reservation's ``others`` that limits would refuse, and before it was repeated did.
    """

    action: str | None
    refused: tuple[Refusal, ...] = ()
    is_repeated: bool = False
    others_refused: tuple[str, ...] = ()


def counting_limits(reservation: Reservation, grant: Grant) -> tuple[str, ...]:
    """The limits that a grant has added to, each once; none where it was repeated."""
    if grant.is_repeated:
        return ()
    checks = (check for claim in reservation.claims if claim.action == grant.action for check in claim.checks)
    return tuple(dict.fromkeys(check.limit for check in checks if check.amount))


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to a unit and is noted in a window, such as an outcome that suppresses actions.

    Attributes:
        counter: the window.
        time_us: when it happened, in microseconds since 1970.
        span_us: how long it is kept, in microseconds.
    """

    counter: Counter
    time_us: int
    span_us: int


class Usage(NamedTuple):
    """What a counter holds.

    Attributes:
        total: the sum of a total, in actions or millionths of a currency.
        times: when the actions of a window happened, in microseconds since 1970, in order. Those that no check needs
            any more may be missing.
    """

    total: int = 0
    times: tuple[int, ...] = ()

    def used(self, span_us: int | None, now_us: int) -> int:
        """What counts against a limit: the actions of a window, or the sum of a total where ``span_us`` is None.

        Times after ``now_us``, by the clock of another host, count too.
        """
        if span_us is None:
            return self.total
        return sum(time > now_us - span_us for time in self.times)


def cost_of(money: float) -> int:
    """An amount of money as it is counted: in millionths, rounded up, so that a budget is never exceeded.

    Raises:
        ValueError: the amount is negative, not finite, or more than a counter holds.
    """
    return _counted(money, ROUND_CEILING)


def budget_of(money: float) -> int:
    """A budget as it is counted: in millionths, rounded down.

    Raises:
        ValueError: the budget is negative, not finite, or more than a counter holds.
    """
    return _counted(money, ROUND_FLOOR)


def _counted(money: float, rounding: str) -> int:
    """An amount in millionths, of the decimal number that a float is written as: 0.1 is 100,000 exactly."""
    exact = Decimal(str(money))
    if not exact.is_finite() or exact < 0:
        raise ValueError(f"an amount of money must be a finite number from 0, not {money}")
    if exact * MICRO > MOST:
        raise ValueError(f"an amount of money must be at most {MOST // MICRO:,}, not {money:,}")
    return int((exact * MICRO).to_integral_value(rounding))
