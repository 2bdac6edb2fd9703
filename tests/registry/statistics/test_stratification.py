"""Periods with changed shares: Simpson's paradox planted, and what stratification must leave as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.statistics.differences import difference, ratio
from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.stratification import stratify, stratify_joint


def estimate(control: Moments, treated: Moments) -> Estimate:
    found = difference(control, treated)
    assert isinstance(found, Estimate)
    return found


def ramp(seed: int, effect: float) -> list[tuple[Moments, Moments]]:
    """Two periods: 1 % of the units treated while the rate is 0.10, then 50 % while it is 0.30."""
    draws = np.random.default_rng(seed)
    found = []
    for level, share in ((0.1, 0.01), (0.3, 0.5)):
        treated = draws.random(20_000) < share
        outcome = (draws.random(20_000) < level + effect * treated).astype(np.float64)
        found.append((Moments.of(outcome[~treated]), Moments.of(outcome[treated])))
    return found


def test_a_ramp_does_not_look_like_an_effect() -> None:
    periods = ramp(1, effect=0)
    pooled = estimate(*(sum((pair[at] for pair in periods), start=Moments()) for at in (0, 1)))
    control, treated, left_out = stratify(periods)
    assert pooled.low > 0.05, "the paradox is planted"
    assert estimate(control, treated).low < 0 < estimate(control, treated).high
    assert left_out == 0


def test_the_interval_over_periods_covers_the_effect() -> None:
    """95 % of 400 ramps, within the noise of three standard errors."""
    covered = 0
    for seed in range(400):
        control, treated, _ = stratify(ramp(seed, effect=0.02))
        found = estimate(control, treated)
        covered += found.low <= 0.02 <= found.high
    assert abs(covered / 400 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


def test_one_period_is_left_as_it_is() -> None:
    control, treated = ramp(2, effect=0.1)[1]
    same_control, same_treated, _ = stratify([(control, treated)])
    plain, found = estimate(control, treated), estimate(same_control, same_treated)
    assert (found.low, found.high, found.p) == pytest.approx((plain.low, plain.high, plain.p))


@given(st.permutations(range(3)))
def test_the_order_of_periods_does_not_matter(order: list[int]) -> None:
    periods = ramp(3, effect=0.1) + ramp(4, effect=0)[:1]
    control, treated, _ = stratify(periods)
    again_control, again_treated, _ = stratify([periods[at] for at in order])
    plain, found = estimate(control, treated), estimate(again_control, again_treated)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_the_weighted_difference_is_what_a_person_calculates() -> None:
    draws = np.random.default_rng(5)
    rows = [(draws.normal(size=30), draws.normal(size=10)), (draws.normal(5, 1, 20), draws.normal(6, 1, 40))]
    control, treated, _ = stratify([(Moments.of(left), Moments.of(right)) for left, right in rows])
    weights = (0.4, 0.6)
    value = sum(w * (right.mean() - left.mean()) for w, (left, right) in zip(weights, rows, strict=True))
    variance = sum(
        w**2 * (right.var(ddof=1) / len(right) + left.var(ddof=1) / len(left))
        for w, (left, right) in zip(weights, rows, strict=True)
    )
    assert treated.mean - control.mean == pytest.approx(value)
    assert control.variance_of_mean + treated.variance_of_mean == pytest.approx(variance)


def test_periods_without_one_arm_are_left_out_and_counted() -> None:
    first, second = ramp(6, effect=0)
    control, treated, left_out = stratify([(first[0], Moments()), second])
    assert left_out == first[0].count
    assert (control.count, treated.count) == (second[0].count, second[1].count)
    empty_control, _, all_out = stratify([(first[0], Moments())])
    assert (empty_control.count, all_out) == (0, first[0].count)


def test_a_ratio_over_periods_is_computed_from_the_weighted_means() -> None:
    draws = np.random.default_rng(7)
    pairs = []
    for size in (50, 200):
        left, right = (draws.poisson(4, size) + 1.0 for _ in range(2))
        pairs.append((JointMoments.of(left * 2, left), JointMoments.of(right * 3, right)))
    found = stratify_joint(pairs, columns=2)
    assert (found.strata, found.left_out) == (2, 0)
    assert (ratio(found.control).mean, ratio(found.treated).mean) == pytest.approx((2, 3))
    assert ratio(found.control).variance == pytest.approx(0, abs=1e-12)
