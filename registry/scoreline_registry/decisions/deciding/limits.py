"""The limits of a policy, compiled: which actions they forbid now, and what the others must reserve. Pure.

Quiet hours need no store: an action that they forbid is no candidate. All other limits are counted in a store, by
``Reservation``. Its counters have these names, in which neither names nor the star have a slash:

- ``policy/limit/kind``, of exclusive limits with ``/action``: a limit that is changed keeps what was counted of it;
- ``*/counter`` of limits of the kind channel that several policies share.

Counters of a unit name it as it is, so that a unit is forgotten by ``LimitStore.forget(unit)``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeAlias
from zoneinfo import ZoneInfo

from scoreline_registry.decisions.actions import Action
from scoreline_registry.decisions.deciding.clock import local_time, microseconds
from scoreline_registry.decisions.deciding.proposal import Candidate, Proposal
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
from scoreline_registry.decisions.facts import Facts
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import condition_with_cuts
from scoreline_registry.decisions.reservations import (
    MICRO,
    MOST,
    Check,
    Claim,
    Counter,
    Mark,
    Reservation,
    budget_of,
    cost_of,
)
from scoreline_registry.routing.conditions import Condition

SHARED = "*"
"""Stands for the policy in the names of counters that several policies share."""

_DAY = timedelta(days=1)
_DEAREST = MOST // MICRO


@dataclass(frozen=True, slots=True)
class Moment:
    """The unit of a case, and the time of its decision in the policy's zone, by whose days budgets begin anew."""

    unit: str
    local: datetime


ChecksOf: TypeAlias = Callable[[str, Candidate, Moment], Iterator[Check]]
"""The checks of a limit for an action, given by its name, of a candidate."""


@dataclass(frozen=True, slots=True)
class CountedLimit:
    """A limit that is counted in a store.

    Attributes:
        scope: the cases that it is in force for; None for all.
        covered: the actions that it may forbid.
        of_unit: whether it counts for each unit.
        forbids: the checks of an action that it may forbid.
        notes: the checks of an action that others must rest after; whatever the scope is.
    """

    name: str
    scope: Condition | None
    covered: frozenset[str]
    of_unit: bool
    forbids: ChecksOf
    notes: ChecksOf


class CompiledLimits:
    """The limits of one policy."""

    def __init__(self, policy: Policy, zone: ZoneInfo) -> None:
        self._zone = zone
        self._policy = policy.policy
        cuts = policy.cut_values
        self.quiet = [
            (limit, condition_with_cuts(limit.when, cuts), frozenset(limit.covered(policy.actions)))
            for limit in policy.limits
            if isinstance(limit, QuietHoursLimit)
        ]
        self._counted = [
            _counted(limit, policy.policy, policy.actions, condition_with_cuts(limit.when, cuts))
            for limit in policy.limits
            if not isinstance(limit, QuietHoursLimit)
        ]
        self._suppressions = [limit for limit in policy.limits if isinstance(limit, SuppressionLimit)]
        self.kinds: Mapping[str, str] = {limit.name: limit.kind for limit in policy.limits}

    @property
    def needs_store(self) -> bool:
        """Whether any limit is counted in a store."""
        return bool(self._counted)

    @property
    def needs_unit(self) -> bool:
        """Whether any limit counts for each unit."""
        return any(limit.of_unit for limit in self._counted)

    def of_unit(self, action: str, facts: Facts) -> str | None:
        """The first limit in force that counts an action for each unit; None where there is none."""
        return next((limit.name for limit in self._in_force(action, facts) if limit.of_unit), None)

    def reservation(self, proposal: Proposal, unit: str, time_ns: int, *, request: str = "") -> Reservation | None:
        """What to reserve for a proposal: its candidates before "none", in order; None where nothing is to be asked.

        Where the order was drawn, all other candidates are looked at, because the propensity of what is taken depends
        on which of them limits refuse.
        """
        wanted = proposal.wanted
        others = proposal.others_drawn
        if not wanted and not others:
            return None
        moment = Moment(unit, local_time(time_ns, self._zone))
        claims = {each.action: self._claim(each, proposal.facts, moment) for each in (*wanted, *others)}
        return Reservation(
            tuple(claims[each.action] for each in wanted),
            request if wanted else "",
            tuple(claims[each.action] for each in others),
        )

    @property
    def suppressing(self) -> frozenset[str]:
        """The outcomes that forbid actions for some time."""
        return frozenset(limit.outcome for limit in self._suppressions)

    def marks(self, unit: str, outcome: str, time_us: int) -> list[Mark]:
        """What to note where a decision about a unit has had an outcome whose value is not 0."""
        return [
            Mark(Counter(counter_name(self._policy, limit), unit), time_us, limit.for_seconds * MICRO)
            for limit in self._suppressions
            if limit.outcome == outcome and unit
        ]

    def _claim(self, candidate: Candidate, facts: Facts, moment: Moment) -> Claim:
        name = candidate.action
        forbidding = [
            check for limit in self._in_force(name, facts) for check in limit.forbids(name, candidate, moment)
        ]
        noting = [check for limit in self._counted for check in limit.notes(name, candidate, moment)]
        return Claim(name, (*forbidding, *noting))

    def _in_force(self, action: str, facts: Facts) -> Iterator[CountedLimit]:
        for limit in self._counted:
            if action in limit.covered and (limit.scope is None or limit.scope.matches(facts)):
                yield limit


def counter_name(policy: str, limit: DeclaredLimit) -> str:
    """The name of the counter of a limit."""
    if isinstance(limit, ChannelLimit) and limit.counter:
        return f"{SHARED}/{limit.counter}"
    return f"{policy}/{limit.name}/{limit.kind}"


def _counted(limit: DeclaredLimit, policy: str, actions: Mapping[str, Action], scope: Condition | None) -> CountedLimit:
    covered = frozenset(limit.covered(actions))
    name = counter_name(policy, limit)
    of_unit = not isinstance(limit, TotalLimit | BudgetLimit)
    forbids, notes = _checks_of(limit, name, covered)
    return CountedLimit(limit.name, scope, covered, of_unit, forbids, notes)


def _checks_of(limit: DeclaredLimit, name: str, covered: frozenset[str]) -> tuple[ChecksOf, ChecksOf]:
    match limit:
        case FrequencyLimit() | ChannelLimit():
            return partial(_frequency, limit, name), _nothing
        case CoolDownLimit():
            return partial(_rest, limit, name), partial(_rest_after, limit, name)
        case ExclusiveLimit():
            return partial(_others, limit, name, covered), partial(_own, limit, name, covered)
        case SuppressionLimit():
            return partial(_rest, limit, name), _nothing
        case TotalLimit():
            return partial(_total, limit, name), _nothing
        case BudgetLimit():
            return partial(_budget, limit, name, budget_of(limit.at_most)), _nothing
        case QuietHoursLimit():
            raise ValueError(f"limit {limit.name!r}: quiet hours are not counted")


def _nothing(_action: str, _candidate: Candidate, _moment: Moment) -> Iterator[Check]:
    return iter(())


def _frequency(
    limit: FrequencyLimit | ChannelLimit, name: str, _action: str, _candidate: Candidate, moment: Moment
) -> Iterator[Check]:
    yield Check(limit.name, Counter(name, moment.unit), limit.at_most, 1, limit.per_seconds * MICRO)


def _rest(
    limit: CoolDownLimit | SuppressionLimit, name: str, _action: str, _candidate: Candidate, moment: Moment
) -> Iterator[Check]:
    yield Check(limit.name, Counter(name, moment.unit), 0, 0, limit.for_seconds * MICRO)


def _rest_after(limit: CoolDownLimit, name: str, action: str, _candidate: Candidate, moment: Moment) -> Iterator[Check]:
    if action in limit.after and moment.unit:
        yield Check(limit.name, Counter(name, moment.unit), None, 1, limit.for_seconds * MICRO)


def _others(
    limit: ExclusiveLimit, name: str, covered: frozenset[str], action: str, _candidate: Candidate, moment: Moment
) -> Iterator[Check]:
    for other in sorted(covered - {action}):
        yield Check(limit.name, Counter(f"{name}/{other}", moment.unit), 0, 0, limit.for_seconds * MICRO)


def _own(
    limit: ExclusiveLimit, name: str, covered: frozenset[str], action: str, _candidate: Candidate, moment: Moment
) -> Iterator[Check]:
    if action in covered and moment.unit:
        yield Check(limit.name, Counter(f"{name}/{action}", moment.unit), None, 1, limit.for_seconds * MICRO)


def _total(limit: TotalLimit, name: str, _action: str, _candidate: Candidate, _moment: Moment) -> Iterator[Check]:
    yield Check(limit.name, Counter(name), limit.at_most)


def _budget(
    limit: BudgetLimit, name: str, most: int, _action: str, candidate: Candidate, moment: Moment
) -> Iterator[Check]:
    cost = cost_of(max(candidate.cost, 0.0)) if candidate.cost <= _DEAREST else MOST
    bucket, ends_us = period_of(moment.local, limit.per)
    yield Check(limit.name, Counter(name, bucket=bucket), most, cost, None, ends_us)


def period_of(local: datetime, per: str) -> tuple[str, int | None]:
    """The period of a budget that a local time lies in: its name, and its end in microseconds since 1970.

    A day is that of the zone's clocks, 23 or 25 hours long where they change. ``total`` has no name and no end.
    """
    day = local.date()
    match per:
        case "day":
            return day.isoformat(), _begins_us(day + _DAY, local)
        case "week":
            year, week, weekday = day.isocalendar()
            return f"{year}-W{week:02}", _begins_us(day + (8 - weekday) * _DAY, local)
        case "month":
            return f"{day:%Y-%m}", _begins_us((day.replace(day=1) + 32 * _DAY).replace(day=1), local)
        case _:
            return "", None


def _begins_us(day: date, local: datetime) -> int:
    """When a day begins, in the zone of a local time."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=local.tzinfo))
