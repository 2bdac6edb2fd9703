"""Intervals of metrics: which of them wait for events."""

import numpy as np
import pytest

from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.sequential import ConfidenceSequence
from scoreline_server.analysis import contrasts
from scoreline_server.analysis.report_parts import MetricPlan
from scoreline_server.analysis.strata import Floats, MomentTable, TwoArms


def two_arms(control: Floats, treated: Floats) -> TwoArms:
    arm = np.repeat([0, 1], [len(control), len(treated)])
    table = MomentTable.of([np.concatenate([control, treated])], [(np.zeros(len(arm), np.intp), 1), (arm, 2)])
    return table.two_arms(0, 1, np.ones(1, bool))


def intervals_of(kind: str, arms: TwoArms, *, amounts: bool) -> contrasts.Intervals:
    plan = MetricPlan("metric", "outcome", kind, "increase")
    return contrasts.Tester(plan, ConfidenceSequence(), amounts=amounts).intervals(arms)


def ones(count: int, events: int, value: float = 1.0) -> Floats:
    return np.concatenate([np.full(events, value), np.zeros(count - events)])


@pytest.mark.parametrize("kind", ["rate", "mean"])
def test_an_arm_with_few_events_has_no_always_valid_interval(kind: str) -> None:
    """Of 2,000 treated units 12 converted: enough for one look, not for a look at any time."""
    arms = two_arms(ones(50_000, 1000, 40.0 if kind == "mean" else 1.0), ones(2000, 12))
    found = intervals_of(kind, arms, amounts=True)
    assert isinstance(found.fixed, Estimate)
    assert isinstance(found.sequential, TooFew)
    assert (found.sequential.count, found.sequential.needed) == (12, 20)


def test_an_arm_with_events_enough_has_one() -> None:
    arms = two_arms(ones(50_000, 1000), ones(2000, 60))
    for kind in ("rate", "mean"):
        assert isinstance(intervals_of(kind, arms, amounts=True).sequential, Estimate)


def test_values_of_either_sign_have_no_events() -> None:
    values = np.random.default_rng(1).normal(0, 1, 4000)
    arms = two_arms(values[::2], values[1::2])
    assert isinstance(intervals_of("mean", arms, amounts=False).sequential, Estimate)
    assert isinstance(intervals_of("mean", arms, amounts=True).sequential, TooFew)
