"""Intervals of metrics: which of them wait for events."""

import numpy as np
import pytest

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_server.analysis.comparison import contrasts
from scoreline_server.analysis.comparison.strata import Floats, MomentTable, TwoArms
from scoreline_server.analysis.report.parts import MetricPlan


def two_arms(control: Floats, treated: Floats) -> TwoArms:
    arm = np.repeat([0, 1], [len(control), len(treated)])
    table = MomentTable.of([np.concatenate([control, treated])], [(np.zeros(len(arm), np.intp), 1), (arm, 2)])
    return table.two_arms(0, 1, np.ones(1, bool))


def intervals_of(kind: str, arms: TwoArms, *, amounts: bool) -> contrasts.Intervals:
    plan = MetricPlan("metric", "outcome", kind, "increase")
    return contrasts.Tester(plan, ConfidenceSequence(), amounts=amounts).intervals(arms)


def ones(count: int, events: int, value: float = 1.0) -> Floats:
    return np.concatenate([np.full(events, value), np.zeros(count - events)])


def test_an_amount_with_few_events_has_no_always_valid_interval() -> None:
    """Of 2,000 treated units 12 bought something: enough for one look, not for a look at any time."""
    found = intervals_of("mean", two_arms(ones(50_000, 1000, 40.0), ones(2000, 12)), amounts=True)
    assert isinstance(found.fixed, Estimate)
    assert isinstance(found.sequential, TooFew)
    assert (found.sequential.count, found.sequential.needed) == (12, 20)


@pytest.mark.parametrize(("events", "fixed"), [(12, "Welch"), (2, "Newcombe")])
def test_a_rate_with_few_events_has_intervals_that_assume_no_normal_mean(events: int, fixed: str) -> None:
    found = intervals_of("rate", two_arms(ones(50_000, 1000), ones(2000, events)), amounts=True)
    assert isinstance(found.fixed, Estimate)
    assert fixed in found.fixed.method
    assert isinstance(found.sequential, Estimate)
    assert found.sequential.method == "difference of rates, beta-binomial confidence sequence"
    assert found.sequential.low < found.fixed.low < found.fixed.high < found.sequential.high
    assert found.sequential.value == pytest.approx(events / 2000 - 0.02)


def test_few_events_and_few_rows_relative_or_over_share_periods_are_too_few() -> None:
    control, treated = ones(5000, 100), ones(200, 2)
    plan = MetricPlan("metric", "outcome", "rate", "increase")
    tester = contrasts.Tester(plan, ConfidenceSequence(), amounts=True)
    relative = tester.intervals(two_arms(control, treated), relative=True)
    periods = np.repeat([0, 1, 0, 1], [2000, 3000, 100, 100])
    arm = np.repeat([0, 1], [5000, 200])
    table = MomentTable.of([np.concatenate([control, treated])], [(periods, 2), (arm, 2)])
    few_rows = tester.intervals(two_arms(control, ones(99, 2)))
    for found in (relative, few_rows, tester.intervals(table.two_arms(0, 1, np.ones(2, bool)))):
        assert isinstance(found.fixed, TooFew)
        assert isinstance(found.sequential, TooFew)


def test_an_arm_with_events_enough_has_one() -> None:
    arms = two_arms(ones(50_000, 1000), ones(2000, 60))
    for kind in ("rate", "mean"):
        assert isinstance(intervals_of(kind, arms, amounts=True).sequential, Estimate)


def test_values_of_either_sign_have_no_events() -> None:
    values = np.random.default_rng(1).normal(0, 1, 4000)
    arms = two_arms(values[::2], values[1::2])
    assert isinstance(intervals_of("mean", arms, amounts=False).sequential, Estimate)
    assert isinstance(intervals_of("mean", arms, amounts=True).sequential, TooFew)
