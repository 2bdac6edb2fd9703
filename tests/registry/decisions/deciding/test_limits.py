"""What proposals must reserve, and which limits leave actions out without a store."""

from collections import Counter as Counter_
from typing import Any

import pytest

from scoreline_registry.decisions.deciding.compiled import CompiledPolicy
from scoreline_registry.decisions.deciding.proposal import Case, LeftOut
from scoreline_registry.decisions.reservations import MOST, Check, Claim, Counter, Mark
from tests.registry.decisions.policies import CHOOSE, NOON, at, case, compiled, proposed

HOUR, DAY = 3600 * 1_000_000, 86_400 * 1_000_000
NIGHT = {"name": "night", "kind": "quiet_hours", "from": "22:00", "to": "08:00", "channels": ["email"]}
LATE = at("2026-11-18T23:30")
BOTH = {"name": "best", "choose": ["nudge", "call"]}


def with_limits(*limits: dict[str, Any], rule: dict[str, Any] = BOTH, **changes: Any) -> CompiledPolicy:
    return compiled(rule, limits=list(limits), **changes)


def claims(policy: CompiledPolicy, one: Case | None = None) -> tuple[Claim, ...]:
    """What a policy reserves for a case, in order."""
    one = one or case()
    found = policy.limits.reservation(proposed(policy, one), one.unit, one.time_ns, request="r1")
    assert found is not None
    assert found.request == "r1"
    return found.claims


def test_candidates_are_claimed_in_order_and_none_is_not() -> None:
    assert claims(with_limits()) == (Claim("nudge"), Claim("call"))
    policy = with_limits()
    worthless = case(score=0.0)
    assert [each.action for each in claims(policy, worthless)] == ["call"]
    nothing = with_limits(rule={"name": "all", "action": "none"})
    assert nothing.limits.reservation(proposed(nothing), "u1", 0) is None


def test_control_units_reserve_nothing() -> None:
    policy = with_limits(control=100)
    assert policy.limits.reservation(proposed(policy), "u1", 0) is None


@pytest.mark.parametrize(
    ("limit", "nudge", "call"),
    [
        (
            {"name": "daily", "kind": "frequency", "at_most": 2, "per": "1d", "actions": ["nudge"]},
            [Check("daily", Counter("guardian/daily/frequency", "u1"), 2, 1, DAY)],
            [],
        ),
        (
            {"name": "mail", "kind": "channel", "channels": ["email"], "at_most": 5, "per": "7d"},
            [Check("mail", Counter("guardian/mail/channel", "u1"), 5, 1, 7 * DAY)],
            [],
        ),
        (
            {"name": "mail", "kind": "channel", "channels": ["email"], "at_most": 5, "per": "7d", "counter": "crm"},
            [Check("mail", Counter("*/crm", "u1"), 5, 1, 7 * DAY)],
            [],
        ),
        (
            {"name": "rest", "kind": "cool_down", "after": ["call"], "for": "6h", "actions": ["nudge"]},
            [Check("rest", Counter("guardian/rest/cool_down", "u1"), 0, 0, 6 * HOUR)],
            [Check("rest", Counter("guardian/rest/cool_down", "u1"), None, 1, 6 * HOUR)],
        ),
        (
            {"name": "no", "kind": "suppression", "outcome": "returned", "for": "90d", "actions": ["call"]},
            [],
            [Check("no", Counter("guardian/no/suppression", "u1"), 0, 0, 90 * DAY)],
        ),
        (
            {"name": "all", "kind": "total", "at_most": 7, "actions": ["call"]},
            [],
            [Check("all", Counter("guardian/all/total"), 7)],
        ),
        (
            {"name": "one", "kind": "exclusive", "actions": ["nudge", "call"], "for": "1d"},
            [
                Check("one", Counter("guardian/one/exclusive/call", "u1"), 0, 0, DAY),
                Check("one", Counter("guardian/one/exclusive/nudge", "u1"), None, 1, DAY),
            ],
            [
                Check("one", Counter("guardian/one/exclusive/nudge", "u1"), 0, 0, DAY),
                Check("one", Counter("guardian/one/exclusive/call", "u1"), None, 1, DAY),
            ],
        ),
        (
            {"name": "money", "kind": "budget", "at_most": 500.5, "per": "day", "actions": ["nudge", "call"]},
            [
                Check(
                    "money",
                    Counter("guardian/money/budget", bucket="2026-11-18"),
                    500_500_000,
                    500_000,
                    ends_us=at("2026-11-19T00:00") // 1000,
                )
            ],
            [
                Check(
                    "money",
                    Counter("guardian/money/budget", bucket="2026-11-18"),
                    500_500_000,
                    8_000_000,
                    ends_us=at("2026-11-19T00:00") // 1000,
                )
            ],
        ),
    ],
)
def test_each_kind_of_limit_has_its_checks(limit: dict[str, Any], nudge: list[Check], call: list[Check]) -> None:
    assert claims(with_limits(limit)) == (Claim("nudge", tuple(nudge)), Claim("call", tuple(call)))


def test_budgets_count_by_the_days_of_the_policys_zone() -> None:
    limit = {"name": "money", "kind": "budget", "at_most": 10, "per": "day", "actions": ["nudge"]}
    policy = with_limits(limit, timezone="Europe/Berlin")
    before, after = (claims(policy, case(time_ns=at(f"2026-11-18T{utc}")))[0].checks[0] for utc in ("22:59", "23:00"))
    assert (before.counter.bucket, after.counter.bucket) == ("2026-11-18", "2026-11-19")


@pytest.mark.parametrize(("fee", "amount"), [(-50.0, 0), (1e14, MOST)])
def test_a_budget_counts_no_negative_cost_and_refuses_one_that_is_too_large(fee: float, amount: int) -> None:
    limit = {"name": "money", "kind": "budget", "at_most": 10, "per": "total", "actions": ["offer"]}
    policy = with_limits(limit, rule={"name": "all", "action": "offer"})
    check = claims(policy, case(feature__fee=fee))[0].checks[0]
    assert check.amount == amount
    assert check.at_most == 10_000_000


def test_a_limit_is_in_force_for_the_cases_of_its_condition() -> None:
    when = {"context.segment": {"eq": "new"}}
    daily = {"name": "daily", "kind": "frequency", "at_most": 2, "per": "1d", "actions": ["nudge"], "when": when}
    rest = {"name": "rest", "kind": "cool_down", "after": ["call"], "for": "6h", "actions": ["nudge"], "when": when}
    policy = with_limits(daily, rest)
    new, other = claims(policy, case(context__segment="new")), claims(policy)
    assert [check.limit for check in new[0].checks] == ["daily", "rest"]
    assert other[0].checks == ()
    # The call is noted for everyone, because the condition is about those who then must rest.
    assert [check.limit for check in other[1].checks] == ["rest"]


def test_cuts_have_their_values_in_conditions_of_limits() -> None:
    when = {"score": {"gte": {"cut": "high"}}}
    total = {"name": "few", "kind": "total", "at_most": 7, "actions": ["nudge"], "when": when}
    policy = with_limits(total, cuts={"high": 0.7})
    assert len(claims(policy, case(score=0.8))[0].checks) == 1
    assert claims(policy, case(score=0.6))[0].checks == ()


def test_quiet_hours_leave_actions_out_before_anything_is_drawn() -> None:
    policy = with_limits(NIGHT, rule=CHOOSE)
    late, noon = proposed(policy, case(time_ns=LATE)), proposed(policy)
    assert late.left_out == (LeftOut("nudge", "limit", "night"),)
    assert [each.action for each in late.candidates] == ["offer", "none"]
    assert noon.left_out == ()
    assert policy.limits.kinds == {"night": "quiet_hours"}
    assert (policy.limits.needs_store, policy.needs_unit) == (False, False)


def test_quiet_hours_are_those_of_the_customers_zone() -> None:
    policy = with_limits(NIGHT, rule=CHOOSE, timezone={"context": "zone", "default": "Asia/Tokyo"})
    for zone, is_left_out in [("Europe/Berlin", True), ("America/New_York", False), (None, False), ("../x", False)]:
        found = proposed(policy, case(time_ns=LATE, context__zone=zone))
        assert bool(found.left_out) is is_left_out


def test_hour_and_weekday_are_facts_in_the_customers_zone() -> None:
    rules = (
        {"name": "late", "when": {"hour": {"gte": 22}, "weekday": {"eq": "wednesday"}}, "action": "review"},
        {"name": "early", "when": {"hour": {"lt": 6}, "weekday": {"eq": "thursday"}}, "action": "review"},
        {"name": "otherwise", "action": "none"},
    )
    policy = compiled(*rules, timezone={"context": "zone", "default": "UTC"})
    zones = ("UTC", "Europe/Berlin", "America/New_York", 7)
    found = [proposed(policy, case(time_ns=LATE, context__zone=zone)).rule for zone in zones]
    assert found == ["late", "early", "otherwise", "late"]


def test_a_case_without_a_unit_gets_no_action_that_is_counted_for_each_unit() -> None:
    daily = {"name": "daily", "kind": "frequency", "at_most": 2, "per": "1d", "actions": ["nudge"]}
    policy = with_limits(daily)
    found = proposed(policy, case(unit=""))
    assert found.left_out == (LeftOut("nudge", "no_unit", "daily"),)
    assert [each.action for each in found.candidates] == ["call", "none"]
    assert policy.needs_unit


def test_outcomes_are_noted_where_they_suppress() -> None:
    limit = {"name": "no", "kind": "suppression", "outcome": "returned", "for": "90d", "actions": ["call"]}
    limits = with_limits(limit).limits
    assert limits.marks("u1", "returned", 5) == [Mark(Counter("guardian/no/suppression", "u1"), 5, 90 * DAY)]
    assert limits.marks("u1", "accepted", 5) == []
    assert limits.marks("", "returned", 5) == []


def test_the_propensity_of_what_is_taken_is_that_among_those_left() -> None:
    explore = {"by": "uniform", "share": 0.2, "among": ["nudge", "call"]}
    found = proposed(compiled({"name": "best", "choose": ["nudge", "call", "offer"]}, explore=explore))
    assert {each.action: each.propensity for each in found.candidates} == pytest.approx(
        {"offer": 0.8, "nudge": 0.1, "call": 0.1, "none": 0.0}
    )
    assert found.taken("nudge", ["offer"]).propensity == pytest.approx(0.9)
    assert found.taken("offer", ["nudge"]).propensity == pytest.approx(0.9)
    assert found.taken(None, ["offer", "nudge", "call"]).propensity == 1
    with pytest.raises(ValueError, match="review"):
        found.taken("review")


def test_all_candidates_of_a_drawn_order_are_looked_at() -> None:
    daily = {"name": "daily", "kind": "frequency", "at_most": 2, "per": "1d", "actions": ["nudge"]}
    explore = {"by": "thompson", "floor": 0.3, "among": ["call", "nudge", "none"]}
    policy = with_limits(daily, explore=explore)
    seen = set()
    for number in range(50):
        one = case(decision_id=f"d{number}")
        found = proposed(policy, one)
        order = [each.action for each in found.candidates]
        reservation = policy.limits.reservation(found, "u1", one.time_ns, request="r")
        assert reservation is not None
        assert [claim.action for claim in reservation.claims] == order[: order.index("none")]
        assert [claim.action for claim in reservation.others] == [each for each in order[1:] if each != "none"]
        assert reservation.request == ("r" if reservation.claims else "")
        assert {claim.action: len(claim.checks) for claim in reservation.others}.get("nudge", 1) == 1
        seen.add(order[0])
    assert seen == {"call", "nudge", "none"}
    by_value = with_limits(daily)
    found_by_value = by_value.limits.reservation(proposed(by_value), "u1", NOON)
    assert found_by_value is not None
    assert found_by_value.others == ()
    control = with_limits(daily, explore=explore, control=100)
    assert control.limits.reservation(proposed(control), "u1", NOON) is None


def test_propensities_are_those_with_which_actions_are_taken_while_a_limit_refuses() -> None:
    """Over many decisions of which the limit of one action is used up: its share goes to the others as they state."""
    total = {"name": "few", "kind": "total", "at_most": 1, "actions": ["call"]}
    explore = {"by": "thompson", "floor": 0.1, "among": ["call", "nudge"]}
    policy = with_limits(total, explore=explore)
    taken: Counter_[str] = Counter_()
    stated: dict[str, float] = {}
    for number in range(4000):
        one = case(decision_id=f"d{number}")
        found = proposed(policy, one)
        action = next((each.action for each in found.wanted if each.action != "call"), None)
        candidate = found.taken(action, {"call"})
        taken[candidate.action] += 1
        stated[candidate.action] = candidate.propensity
    assert {name: count / 4000 for name, count in taken.items()} == pytest.approx(stated, abs=0.03)
    assert sum(stated.values()) == pytest.approx(1)
