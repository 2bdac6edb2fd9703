"""Servers stop under load without a crash, a call without a status, or an answered row that is not journaled."""

import pytest

from tests.e2e.stops import Summary, busy, rounds, signals


@pytest.mark.parametrize("count", [10, pytest.param(3000, marks=[pytest.mark.acceptance, pytest.mark.timeout(7200)])])
def test_starts_and_stops_under_load_cost_nothing(count: int) -> None:
    summary = Summary()
    with busy(4 if count > 10 else 0):
        for result in rounds(count, seed=1):
            assert result.is_sound, result
            summary.add(result)
    print(summary)
    assert summary.lives == count
    assert summary.answered > count


@pytest.mark.acceptance
@pytest.mark.timeout(7200)
def test_sigterm_of_loaded_workers_costs_nothing() -> None:
    summary = Summary()
    for result in signals(200, seed=1):
        assert result.is_sound, result
        summary.add(result)
    print(summary)
    assert summary.answered > summary.lives
