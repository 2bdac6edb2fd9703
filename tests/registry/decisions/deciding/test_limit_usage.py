"""What is used of each limit of a policy, from what its counters hold."""

from typing import Any

import pytest

from scoreline_registry.decisions.deciding.limit_usage import LimitUse, counters_of, uses_of
from scoreline_registry.decisions.deciding.limits import CompiledLimits
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.reservations import Usage
from tests.registry.decisions.policies import NOON, at, case, compiled, policy_with, proposed

NOW_US = NOON // 1000
HOUR, DAY = 3600 * 1_000_000, 86_400 * 1_000_000
BOTH = {"name": "best", "choose": ["nudge", "call"]}

LIMITS: list[dict[str, Any]] = [
    {"name": "daily", "kind": "frequency", "at_most": 2, "per": "1d", "actions": ["nudge"]},
    {"name": "mail", "kind": "channel", "channels": ["email"], "at_most": 5, "per": "7d", "counter": "crm"},
    {"name": "rest", "kind": "cool_down", "after": ["call"], "for": "6h", "actions": ["nudge"]},
    {"name": "campaign", "kind": "total", "at_most": 10, "actions": ["nudge"]},
    {"name": "money", "kind": "budget", "at_most": 500.5, "per": "day", "actions": ["nudge", "call"]},
    {"name": "night", "kind": "quiet_hours", "from": "22:00", "to": "08:00", "channels": ["push"]},
    {"name": "one", "kind": "exclusive", "actions": ["nudge", "call"], "for": "30d"},
    {"name": "no", "kind": "suppression", "outcome": "returned", "for": "90d", "actions": ["nudge"]},
]


def with_limit(name: str) -> Policy:
    return policy_with(BOTH, limits=[limit for limit in LIMITS if limit["name"] == name])


def use_of(name: str, *usages: Usage, unit: str = "u1") -> list[LimitUse]:
    """What is used of one limit whose counters hold this."""
    return uses_of(counters_of(with_limit(name), unit=unit, time_ns=NOON), usages, NOW_US)


def test_the_counters_are_those_that_the_policy_reserves() -> None:
    policy = compiled(BOTH, limits=LIMITS)
    reservation = policy.limits.reservation(proposed(policy), "u1", NOON)
    assert reservation is not None
    reserved = {
        (check.limit, check.counter, check.at_most or 0, check.span_us, check.ends_us)
        for claim in reservation.claims
        for check in claim.checks
    }
    counters = counters_of(policy.policy, unit="u1", time_ns=NOON)
    assert {(each.limit, each.counter, each.at_most, each.span_us, each.ends_us) for each in counters} == reserved


def test_without_a_unit_only_limits_of_all_are_counted() -> None:
    found = counters_of(policy_with(BOTH, limits=LIMITS), time_ns=NOON)
    assert [each.limit for each in found] == ["campaign", "money"]


def test_marks_of_outcomes_are_in_the_counter_that_is_read() -> None:
    policy = with_limit("no")
    (mark,) = CompiledLimits(policy, compiled().zone_of(case().facts)).marks("u1", "returned", NOW_US)
    (counter,) = counters_of(policy, unit="u1", time_ns=NOON)
    assert (mark.counter, mark.span_us) == (counter.counter, counter.span_us)


@pytest.mark.parametrize(
    ("times", "used", "until"),
    [
        ((), 0, None),
        ((NOW_US - DAY,), 0, None),
        ((NOW_US - HOUR,), 1, None),
        ((NOW_US - 2 * HOUR, NOW_US - HOUR), 2, NOW_US - 2 * HOUR + DAY),
        ((NOW_US - 3 * HOUR, NOW_US - 2 * HOUR, NOW_US - HOUR), 3, NOW_US - 2 * HOUR + DAY),
    ],
)
def test_a_window_says_when_an_action_is_possible_again(times: tuple[int, ...], used: int, until: int | None) -> None:
    (use,) = use_of("daily", Usage(times=times))
    assert (use.kind, use.unit, use.used, use.at_most, use.until_us) == ("frequency", "u1", used, 2, until)
    assert use.refuses == (until is not None)
    assert use.remaining == max(0, 2 - used)


def test_a_total_that_is_used_up_refuses_for_ever() -> None:
    assert use_of("campaign", Usage(9)) == [LimitUse("campaign", "total", "", "", "", 9, 10, None, False)]
    assert use_of("campaign", Usage(10)) == [LimitUse("campaign", "total", "", "", "", 10, 10, None, True)]


def test_a_budget_is_said_in_money_and_begins_anew_with_its_period() -> None:
    (use,) = use_of("money", Usage(500_400_000))
    assert (use.period, use.used, use.at_most, use.until_us) == ("2026-11-18", 500.4, 500.5, None)
    assert use.remaining == pytest.approx(0.1)
    (full,) = use_of("money", Usage(500_500_000))
    assert full.until_us == at("2026-11-19T00:00") // 1000


def test_a_budget_of_less_than_is_counted_refuses_every_cost() -> None:
    policy = policy_with(BOTH, limits=[{**LIMITS[4], "at_most": 1e-9}])
    (use,) = uses_of(counters_of(policy, time_ns=NOON), [Usage()], NOW_US)
    assert (use.used, use.at_most, use.refuses) == (0, 0, True)


@pytest.mark.parametrize(("name", "span"), [("rest", 6 * HOUR), ("no", 90 * DAY)])
def test_a_mark_refuses_until_it_ends(name: str, span: int) -> None:
    (free,) = use_of(name, Usage(times=(NOW_US - span,)))
    assert (free.used, free.refuses, free.until_us) == (0, False, None)
    (resting,) = use_of(name, Usage(times=(NOW_US - span, NOW_US - 5)))
    assert (resting.used, resting.at_most, resting.until_us, resting.remaining) == (1, 0, NOW_US - 5 + span, 0)


def test_an_exclusive_limit_says_which_action_refuses_the_others() -> None:
    uses = use_of("one", Usage(), Usage(times=(NOW_US,)))
    assert [(use.action, use.refuses) for use in uses] == [("nudge", False), ("call", True)]
