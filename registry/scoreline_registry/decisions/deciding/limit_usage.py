"""What is used of the limits of a policy, read from their counters. Pure.

Quiet hours are not counted, and so are not among them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scoreline_registry.decisions.deciding.clock import UTC_ZONE, local_time, zone_named
from scoreline_registry.decisions.deciding.limits import counter_name, period_of
from scoreline_registry.decisions.declared_limits import (
    BudgetLimit,
    ChannelLimit,
    CoolDownLimit,
    DeclaredLimit,
    ExclusiveLimit,
    FrequencyLimit,
    QuietHoursLimit,
    SuppressionLimit,
    TotalLimit,
)
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.reservations import MICRO, Counter, Usage, budget_of


@dataclass(frozen=True, slots=True)
class LimitCounter:
    """A counter of a limit.

    Attributes:
        limit: the limit's name.
        kind: of the limit, such as ``budget``.
        counter: what is counted.
        action: of an exclusive limit, the action that the others are refused after; else "".
        at_most: what the counter may hold; 0 where one action, or one outcome, refuses all that follow.
        span_us: of a window, in microseconds; None for a total.
        ends_us: when a budget begins anew, in microseconds since 1970; None for all other limits.
    """

    limit: str
    kind: str
    counter: Counter
    action: str
    at_most: int
    span_us: int | None = None
    ends_us: int | None = None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """What is used of a limit.

    Attributes:
        limit: the limit's name.
        kind: of the limit.
        action: of an exclusive limit, the action that the others are refused after; else "".
        unit: whose actions are counted; "" for all.
        period: of a budget, such as ``2026-11-22``; else "".
        used: actions, or money of a budget; of a cool-down, exclusive or suppression the actions, or outcomes, that
            still refuse others.
        at_most: the limit; 0 for a cool-down, exclusive or suppression.
        until_us: until when the limit refuses, in microseconds since 1970, as long as nothing else is counted; None
            where it refuses nothing now, and where it refuses for ever.
        refuses: whether it refuses now: of a budget, every action that costs anything.
    """

    limit: str
    kind: str
    action: str
    unit: str
    period: str
    used: float
    at_most: float
    until_us: int | None
    refuses: bool

    @property
    def remaining(self) -> float:
        """What is left: actions, or money of a budget; 0 where the limit refuses."""
        return max(0, self.at_most - self.used)


def counters_of(policy: Policy, *, unit: str = "", time_ns: int) -> list[LimitCounter]:
    """The counters of a policy's limits that are in use at a time; those of a unit where one is given, and of all."""
    return [each for limit in policy.limits for each in _counters(limit, policy, unit, time_ns)]


def uses_of(counters: Sequence[LimitCounter], usages: Sequence[Usage], now_us: int) -> list[LimitUse]:
    """What is used by what counters hold."""
    return [_use(counter, usage, now_us) for counter, usage in zip(counters, usages, strict=True)]


def _counters(limit: DeclaredLimit, policy: Policy, unit: str, time_ns: int) -> Iterator[LimitCounter]:
    name = counter_name(policy.policy, limit)
    match limit:
        case TotalLimit():
            yield LimitCounter(limit.name, limit.kind, Counter(name), "", limit.at_most)
        case BudgetLimit():
            zone = zone_named(policy.timezone.default) or UTC_ZONE
            bucket, ends_us = period_of(local_time(time_ns, zone), limit.per)
            counter = Counter(name, bucket=bucket)
            yield LimitCounter(limit.name, limit.kind, counter, "", budget_of(limit.at_most), None, ends_us)
        case QuietHoursLimit():
            return
        case _ if not unit:
            return
        case FrequencyLimit() | ChannelLimit():
            span = limit.per_seconds * MICRO
            yield LimitCounter(limit.name, limit.kind, Counter(name, unit), "", limit.at_most, span)
        case ExclusiveLimit():
            for action in limit.covered(policy.actions):
                counter = Counter(f"{name}/{action}", unit)
                yield LimitCounter(limit.name, limit.kind, counter, action, 0, limit.for_seconds * MICRO)
        case CoolDownLimit() | SuppressionLimit():
            yield LimitCounter(limit.name, limit.kind, Counter(name, unit), "", 0, limit.for_seconds * MICRO)


def _use(counter: LimitCounter, usage: Usage, now_us: int) -> LimitUse:
    used = usage.used(counter.span_us, now_us)
    is_mark = counter.span_us is not None and counter.at_most == 0
    refuses = used >= (1 if is_mark else counter.at_most)
    scale = MICRO if counter.kind == "budget" else 1
    return LimitUse(
        counter.limit,
        counter.kind,
        counter.action,
        counter.counter.unit,
        counter.counter.bucket,
        used / scale if scale > 1 else used,
        counter.at_most / scale if scale > 1 else counter.at_most,
        _until(counter, usage) if refuses else None,
        refuses,
    )


def _until(counter: LimitCounter, usage: Usage) -> int | None:
    """Until when a counter that is full refuses; None for ever."""
    if counter.span_us is None:
        return counter.ends_us
    return usage.times[-max(1, counter.at_most)] + counter.span_us
