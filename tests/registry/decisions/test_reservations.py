"""Checks are within what every store counts exactly, and money is counted in integers."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.decisions.reservations import (
    MICRO,
    MOST,
    MOST_IN_WINDOW,
    Check,
    Counter,
    Usage,
    budget_of,
    cost_of,
)

DAILY = Counter("guardian/daily/frequency", "ann")


@pytest.mark.parametrize(
    ("at_most", "amount", "span_us", "complaint"),
    [
        (-1, 1, None, "limit 'daily': at_most must be 0 to 9,007,199,254,740,991, not -1"),
        (MOST + 1, 1, None, "at_most must be 0 to"),
        (MOST_IN_WINDOW + 1, 1, 10, "at_most must be 0 to 10,000, not 10,001"),
        (1, -1, None, "an action cannot be counted as -1"),
        (1, MOST + 1, None, "an action cannot be counted as"),
        (1, 2, 10, "an action cannot be counted as 2"),
        (1, 1, 0, "a window must be 1 to"),
        (1, 1, MOST + 1, "a window must be 1 to"),
    ],
)
def test_a_check_that_no_store_counts_exactly_is_refused(
    at_most: int, amount: int, span_us: int | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Check("daily", DAILY, at_most, amount, span_us)


@pytest.mark.parametrize(
    "check",
    [
        Check("all", Counter("all"), MOST, MOST),
        Check("all", Counter("all"), None, 0),
        Check("daily", DAILY, MOST_IN_WINDOW, 1, MOST),
        Check("rest", DAILY, 0, 0, 1),
    ],
)
def test_the_greatest_and_least_checks_may_be_made(check: Check) -> None:
    assert check.limit in {"all", "daily", "rest"}


@pytest.mark.parametrize(
    ("money", "cost", "budget"),
    [
        (0.1, 100_000, 100_000),
        (0.1 + 0.2, 300_001, 300_000),
        (2, 2_000_000, 2_000_000),
        (1e-9, 1, 0),
        (0.0, 0, 0),
        (-0.0, 0, 0),
        (123_456_789.123_456, 123_456_789_123_456, 123_456_789_123_456),
        (5e-324, 1, 0),
    ],
)
def test_money_is_counted_so_that_a_budget_is_never_exceeded(money: float, cost: int, budget: int) -> None:
    assert (cost_of(money), budget_of(money)) == (cost, budget)


@given(st.lists(st.floats(0, 1000, allow_subnormal=False), max_size=30), st.floats(0, 5000))
def test_costs_that_fit_a_budget_as_counted_fit_it_exactly(costs: list[float], budget: float) -> None:
    spent: list[float] = []
    for cost in costs:
        if sum(map(cost_of, spent)) + cost_of(cost) <= budget_of(budget):
            spent.append(cost)
    assert sum(Decimal(str(cost)) for cost in spent) <= Decimal(str(budget))


@pytest.mark.parametrize("money", [math.nan, math.inf, -math.inf, -0.01])
def test_money_that_is_no_amount_is_refused(money: float) -> None:
    with pytest.raises(ValueError, match="must be a finite number from 0, not"):
        cost_of(money)


def test_money_that_no_counter_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be at most 9,007,199,254, not 1e\+300"):
        budget_of(1e300)
    assert budget_of(MOST // MICRO) == MOST // MICRO * MICRO


def test_a_usage_counts_the_times_after_the_start_of_its_window() -> None:
    usage = Usage(total=7, times=(100, 200, 300, 400))
    assert [usage.used(100, now) for now in (300, 301, 399, 400, 500)] == [2, 2, 2, 1, 0]
    assert usage.used(None, 300) == 7
