"""The limits of policies, from the case to the store: what is granted when, across days and changes of the clock."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scoreline_registry.decisions.deciding.compiled import CompiledPolicy
from scoreline_registry.decisions.deciding.limit_usage import counters_of, uses_of
from scoreline_registry.decisions.deciding.proposal import Case
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from tests.registry.decisions.policies import at, case, compiled, proposed

BOTH = {"name": "best", "choose": ["nudge", "call"]}
NUDGE = {"name": "all", "action": "nudge"}
CALL = {"name": "all", "action": "call"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLimits]:
    opened = SqliteLimits(tmp_path / "limits.sqlite", synchronous="normal", busy_seconds=60)
    yield opened
    opened.close()


def limited(*limits: dict[str, Any], rule: dict[str, Any] = NUDGE, **changes: Any) -> CompiledPolicy:
    return compiled(rule, limits=list(limits), **changes)


def taken(policy: CompiledPolicy, store: SqliteLimits, one: Case) -> str | None:
    """The action that a case is granted."""
    reservation = policy.limits.reservation(proposed(policy, one), one.unit, one.time_ns)
    if reservation is None:
        return None
    (grant,) = store.reserve([reservation], one.time_ns // 1000)
    return grant.action


def granted_at(policy: CompiledPolicy, store: SqliteLimits, *times: str, unit: str = "u1") -> list[bool]:
    """Whether an action is granted at each of some times, UTC."""
    return [taken(policy, store, case(unit, time_ns=at(time))) is not None for time in times]


def daily_budget(**changes: Any) -> CompiledPolicy:
    """A budget of two nudges of 0.50 a day."""
    limit = {"name": "money", "kind": "budget", "at_most": 1, "per": "day", "actions": ["nudge"]}
    return limited(limit, **changes)


def test_a_daily_budget_begins_anew_at_midnight_of_the_policys_zone(store: SqliteLimits) -> None:
    # Midnight in Berlin is 23:00 UTC in winter.
    times = ["2026-11-18T08:00", "2026-11-18T22:59:59", "2026-11-18T22:59:59", "2026-11-18T23:00", "2026-11-19T22:59"]
    policy = daily_budget(timezone="Europe/Berlin")
    assert granted_at(policy, store, *times, "2026-11-19T22:59") == [True, True, False, True, True, False]


@pytest.mark.parametrize(
    ("change", "first", "last", "after"),
    [
        # In Berlin the day of the autumn change is from 22:00 UTC to 23:00 UTC, 25 hours long.
        ("autumn", "2026-10-24T22:00", "2026-10-25T22:59:59", "2026-10-25T23:00"),
        # That of the spring change is from 23:00 UTC to 22:00 UTC, 23 hours long.
        ("spring", "2026-03-28T23:00", "2026-03-29T21:59:59", "2026-03-29T22:00"),
    ],
)
def test_a_day_of_a_clock_change_has_one_budget(
    store: SqliteLimits, change: str, first: str, last: str, after: str
) -> None:
    assert granted_at(daily_budget(timezone="Europe/Berlin"), store, first, last, last, after) == [
        True, True, False, True
    ], change  # fmt: skip


def test_the_hour_that_a_clock_shows_twice_counts_for_one_day(store: SqliteLimits) -> None:
    # 02:30 in Berlin, before and after the clock is turned back.
    policy = daily_budget(timezone="Europe/Berlin")
    assert granted_at(policy, store, "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30") == [True, True, False]


@pytest.mark.parametrize(
    ("zone", "before", "midnight"),
    [
        ("Pacific/Auckland", "2026-11-18T10:59", "2026-11-18T11:00"),
        ("America/St_Johns", "2026-11-18T03:29", "2026-11-18T03:30"),
    ],
)
def test_days_are_those_of_the_zone(store: SqliteLimits, zone: str, before: str, midnight: str) -> None:
    policy = daily_budget(timezone=zone)
    assert granted_at(policy, store, before, before, before, midnight) == [True, True, False, True]


@pytest.mark.parametrize(
    ("per", "last", "following"),
    [
        ("week", "2026-11-22T22:59", "2026-11-22T23:00"),
        ("month", "2026-11-30T22:59", "2026-11-30T23:00"),
        ("total", "2036-11-30T22:59", None),
    ],
)
def test_longer_budgets_begin_anew_with_their_periods(
    store: SqliteLimits, per: str, last: str, following: str | None
) -> None:
    limit = {"name": "money", "kind": "budget", "at_most": 1, "per": per, "actions": ["nudge"]}
    policy = limited(limit, timezone="Europe/Berlin")
    assert granted_at(policy, store, "2026-11-18T12:00", last, last) == [True, True, False]
    assert following is None or granted_at(policy, store, following) == [True]


def test_a_hundred_costs_of_a_tenth_are_ten(store: SqliteLimits) -> None:
    limit = {"name": "money", "kind": "budget", "at_most": 10, "per": "day"}
    policy = limited(limit, actions={"nudge": {"cost": 0.1}})
    granted = [taken(policy, store, case(f"u{number}")) for number in range(102)]
    assert granted.count("nudge") == 100


def test_an_action_that_a_budget_cannot_pay_leaves_it_to_a_cheaper_one(store: SqliteLimits) -> None:
    limit = {"name": "money", "kind": "budget", "at_most": 9, "per": "day"}
    policy = limited(limit, rule={"name": "best", "choose": ["call", "nudge"], "always": True})
    answers = [taken(policy, store, case(f"u{number}")) for number in range(20)]
    # What costs 0.50 is worth 5 and comes first until the money is gone; nothing else fits then.
    assert answers == ["nudge"] * 18 + [None] * 2


def test_a_cool_down_counts_real_hours_across_a_clock_change(store: SqliteLimits) -> None:
    limit = {"name": "rest", "kind": "cool_down", "after": ["nudge"], "for": "6h"}
    policy = limited(limit, timezone="Europe/Berlin")
    assert granted_at(policy, store, "2026-10-24T22:00", "2026-10-25T03:59", "2026-10-25T04:00") == [True, False, True]


def test_policies_that_share_a_counter_count_together(store: SqliteLimits) -> None:
    shared = {"kind": "channel", "channels": ["email"], "counter": "contacts", "per": "7d"}
    one = limited({"name": "a", "at_most": 3, **shared})
    other = limited({"name": "b", "at_most": 2, **shared}, policy="other")
    assert granted_at(one, store, "2026-11-18T08:00", "2026-11-18T09:00") == [True, True]
    assert granted_at(other, store, "2026-11-18T10:00") == [False]
    assert granted_at(one, store, "2026-11-18T11:00", "2026-11-18T12:00") == [True, False]
    assert granted_at(other, store, "2026-11-25T08:59", "2026-11-25T09:00") == [False, True]


def test_an_outcome_suppresses_actions(store: SqliteLimits) -> None:
    limit = {"name": "no", "kind": "suppression", "outcome": "returned", "for": "90d"}
    policy = limited(limit)
    store.note(policy.limits.marks("u1", "returned", at("2026-11-18T08:00") // 1000), at("2026-11-18T09:00") // 1000)
    store.note(policy.limits.marks("u2", "kept", at("2026-11-18T08:00") // 1000), at("2026-11-18T09:00") // 1000)
    assert granted_at(policy, store, "2026-11-18T12:00", "2027-02-16T07:59", "2027-02-16T08:00") == [False, False, True]
    assert granted_at(policy, store, "2026-11-18T12:00", unit="u2") == [True]


def test_exclusive_actions_leave_each_other_out(store: SqliteLimits) -> None:
    limit = {"name": "one", "kind": "exclusive", "actions": ["nudge", "call"], "for": "30d"}
    nudging, calling = limited(limit), limited(limit, rule=CALL)
    assert granted_at(nudging, store, "2026-11-18T08:00", "2026-11-18T09:00") == [True, True]
    assert granted_at(calling, store, "2026-11-19T08:00", "2026-12-18T08:59", "2026-12-18T09:00") == [
        False, False, True
    ]  # fmt: skip
    assert granted_at(nudging, store, "2026-12-18T09:01") == [False]


def test_what_is_used_is_what_was_granted(store: SqliteLimits) -> None:
    policy = limited(
        {"name": "daily", "kind": "frequency", "at_most": 2, "per": "1d"},
        {"name": "money", "kind": "budget", "at_most": 10, "per": "day"},
    )
    now = at("2026-11-18T12:00")
    assert granted_at(policy, store, "2026-11-18T08:00", "2026-11-18T09:00", "2026-11-18T10:00") == [True, True, False]
    counters = counters_of(policy.policy, unit="u1", time_ns=now)
    uses = uses_of(counters, store.read([each.counter for each in counters]), now // 1000)
    assert [(use.limit, use.used, use.remaining, use.refuses, use.until_us) for use in uses] == [
        ("daily", 2, 0, True, at("2026-11-19T08:00") // 1000),
        ("money", 1.0, 9.0, False, None),
    ]
