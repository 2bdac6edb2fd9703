"""Periods with changed shares: Simpson's paradox planted, and what weighing over periods must leave as it is."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import difference, ratio
from scoreline_registry.statistics.contrasts.strata import Stratum, stratified_difference
from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments
from scoreline_server.analysis.comparison.strata import MomentTable, TwoArms

Floats = npt.NDArray[np.float64]
Rows = list[tuple[Floats, Floats]]
"""Outcomes of (control, treated) per period."""

ARMS = (0, 1)


def table(periods: Rows) -> MomentTable:
    """One column, the outcome, of all rows of both arms."""
    parts = [(at, arm, periods[at][arm]) for at in range(len(periods)) for arm in ARMS]
    period, arm = (np.repeat([part[at] for part in parts], [len(part[2]) for part in parts]) for at in (0, 1))
    return MomentTable.of([np.concatenate([part[2] for part in parts])], [(period, len(periods)), (arm, 2)])


def weighed(periods: Rows) -> TwoArms:
    return table(periods).two_arms(*ARMS, np.ones(len(periods), bool))


def estimate(control: Moments, treated: Moments) -> Estimate:
    found = difference(control, treated)
    assert isinstance(found, Estimate)
    return found


def effect(periods: Rows) -> Estimate:
    two = weighed(periods)
    return estimate(two.control.column(0), two.treated.column(0))


def ramp(seed: int, change: float) -> Rows:
    """Two periods of 20,000 units: 1 % treated while the rate is 0.10, then 50 % while it is 0.30."""
    draws = np.random.default_rng(seed)
    found = []
    for level, share in ((0.1, 0.01), (0.3, 0.5)):
        treated = draws.random(20_000) < share
        outcome = (draws.random(20_000) < level + change * treated).astype(np.float64)
        found.append((outcome[~treated], outcome[treated]))
    return found


def test_a_ramp_does_not_look_like_an_effect() -> None:
    periods = ramp(1, change=0)
    pooled = estimate(*(Moments.of(np.concatenate([period[arm] for period in periods])) for arm in ARMS))
    assert pooled.low > 0.05, "the paradox is planted"
    assert effect(periods).low < 0 < effect(periods).high
    assert (weighed(periods).strata, weighed(periods).left_out) == (2, 0)


def test_the_interval_over_periods_covers_the_effect() -> None:
    """95 % of 400 ramps, within the noise of three standard errors."""
    covered = 0
    for seed in range(400):
        found = effect(ramp(seed, change=0.02))
        covered += found.low <= 0.02 <= found.high
    assert abs(covered / 400 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


def test_one_period_is_left_as_it_is() -> None:
    control, treated = ramp(2, change=0.1)[1]
    plain, found = estimate(Moments.of(control), Moments.of(treated)), effect([(control, treated)])
    assert (found.low, found.high, found.p) == pytest.approx((plain.low, plain.high, plain.p))
    assert weighed([(control, treated)]).rows == pytest.approx(len(control) + len(treated), rel=1e-4)
    assert weighed([(control, treated[:100])]).rows == pytest.approx(400, rel=0.02)


@given(st.permutations(range(3)))
def test_the_order_of_periods_does_not_matter(order: list[int]) -> None:
    periods = ramp(3, change=0.1) + ramp(4, change=0)[:1]
    plain, found = effect(periods), effect([periods[at] for at in order])
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_weights_and_clock_are_those_of_the_always_valid_difference() -> None:
    """The value, the error and the clock of ``strata.stratified_difference``, which guards of a ramp use."""
    periods = ramp(5, change=0.05)
    theirs = stratified_difference([Stratum(*(Moments.of(arm) for arm in period)) for period in periods])
    assert isinstance(theirs, Contrast)
    two = weighed(periods)
    control, treated = two.control.column(0), two.treated.column(0)
    assert treated.mean - control.mean == pytest.approx(theirs.value)
    assert control.variance_of_mean + treated.variance_of_mean == pytest.approx(theirs.variance)
    assert two.rows == pytest.approx(theirs.rows)


def test_the_weighted_difference_is_what_a_person_calculates() -> None:
    draws = np.random.default_rng(5)
    periods = [(draws.normal(size=30), draws.normal(size=10)), (draws.normal(5, 1, 20), draws.normal(6, 1, 40))]
    information = np.array([30 * 10 / 40, 20 * 40 / 60])
    weights = information / information.sum()
    two = weighed(periods)
    value = sum(w * (right.mean() - left.mean()) for w, (left, right) in zip(weights, periods, strict=True))
    variance = sum(
        w**2 * (right.var(ddof=1) / len(right) + left.var(ddof=1) / len(left))
        for w, (left, right) in zip(weights, periods, strict=True)
    )
    control, treated = two.control.column(0), two.treated.column(0)
    assert treated.mean - control.mean == pytest.approx(value)
    assert control.variance_of_mean + treated.variance_of_mean == pytest.approx(variance)
    assert two.rows == pytest.approx(4 * information.sum())


def test_periods_without_one_arm_are_left_out_and_counted() -> None:
    first, second = ramp(6, change=0)
    two = weighed([(first[0], first[1][:0]), second])
    assert (two.left_out, two.strata) == (len(first[0]), 1)
    assert (two.control.count, two.treated.count) == (len(second[0]), len(second[1]))
    nothing = weighed([(first[0], first[1][:0])])
    assert (nothing.control.count, nothing.left_out) == (0, len(first[0]))
    unshared = table([first, second]).two_arms(*ARMS, np.array([False, True]))
    assert unshared.left_out == len(first[0]) + len(first[1])


def test_a_ratio_over_periods_is_computed_from_the_weighted_means() -> None:
    draws = np.random.default_rng(7)
    period = np.repeat([0, 1], [100, 400])
    arm = np.arange(500) % 2
    below: Floats = draws.poisson(4, 500).astype(np.float64) + 1
    two = MomentTable.of([below * (2 + arm), below], [(period, 2), (arm, 2)]).two_arms(*ARMS, np.ones(2, bool))
    assert (ratio(two.control).mean, ratio(two.treated).mean) == pytest.approx((2, 3))
    assert ratio(two.control).variance == pytest.approx(0, abs=1e-12)


def test_looks_add_up_and_an_arm_alone_is_all_its_rows() -> None:
    draws = np.random.default_rng(8)
    values, look, arm = draws.normal(50, 1, 300), np.sort(draws.integers(0, 3, 300)), draws.integers(0, 2, 300)
    groups = [(look, 3), (np.zeros(300, np.int64), 1), (arm, 2)]
    looks = MomentTable.of([values], groups).cumulated()
    for at in range(3):
        kept = values[(look <= at) & (arm == 1)]
        whole = JointMoments.of(kept)
        found = looks.at(at).one_arm(1)
        assert (found.count, found.means[0]) == pytest.approx((whole.count, whole.means[0]))
        assert found.products == pytest.approx(whole.products)
