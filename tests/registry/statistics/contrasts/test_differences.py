"""Differences against the tables of GrowthBook 0.8 (packages/stats/tests), against SciPy and by their own laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.contrasts.differences import (
    MEANS,
    WELCH,
    contrast,
    difference,
    events,
    mean,
    ratio,
)
from scoreline_registry.statistics.contrasts.proportions import FEW_EVENTS, _newcombe, rate, rate_difference, wilson
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments

CONTROL = Moments.of_sums(3407, 1396.87, 52377.9767)
TREATED = Moments.of_sums(3461, 2422.7, 134698.29)

samples = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40)


def estimate(figure: Estimate | TooFew) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def five(figure: Estimate | TooFew) -> tuple[float, ...]:
    found = estimate(figure)
    assert found.p is not None
    return tuple(round(value, 5) for value in (found.value, found.low, found.high, found.p))


def test_welch_is_that_of_growthbook() -> None:
    assert five(difference(CONTROL, TREATED, relative=True)) == (0.70732, -0.03526, 1.44989, 0.06191)
    assert five(difference(CONTROL, TREATED)) == (0.29, 0.04538, 0.53462, 0.02016)


def test_relative_rates_are_those_of_growthbook() -> None:
    assert five(rate_difference((14, 28), (16, 30), relative=True)) == (0.06667, -0.47767, 0.61101, 0.80707)


@given(samples, samples)
def test_welch_is_that_of_scipy(first: list[float], second: list[float]) -> None:
    left, right = np.array(first), np.array(second)
    found = difference(Moments.of(left), Moments.of(right))
    if np.ptp(left) < 1e-6 or np.ptp(right) < 1e-6:
        return
    theirs = stats.ttest_ind(right, left, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert estimate(found).p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert (estimate(found).low, estimate(found).high) == pytest.approx((interval.low, interval.high), rel=1e-6)


@given(samples, samples, st.floats(-100, 100), st.floats(0.01, 100))
def test_a_difference_moves_with_the_unit_and_turns_with_the_arms(
    first: list[float], second: list[float], shift: float, scale: float
) -> None:
    left, right = np.array(first), np.array(second)
    plain = estimate(difference(Moments.of(left), Moments.of(right)))
    moved = estimate(difference(Moments.of(left * scale + shift), Moments.of(right * scale + shift)))
    turned = estimate(difference(Moments.of(right), Moments.of(left)))
    near = 1e-9 * (1 + scale + abs(shift)) * 1e3
    assert moved.value == pytest.approx(plain.value * scale, abs=near)
    assert moved.low == pytest.approx(plain.low * scale, abs=near * 1e3)
    assert (turned.low, turned.high) == pytest.approx((-plain.high, -plain.low))


@given(st.lists(samples, min_size=1, max_size=5))
def test_joint_moments_of_blocks_are_those_of_the_whole(blocks: list[list[float]]) -> None:
    arrays = [(np.array(block), np.square(block)) for block in blocks]
    merged = sum((JointMoments.of(*pair) for pair in arrays), start=JointMoments.empty(2))
    whole = JointMoments.of(*(np.concatenate([pair[at] for pair in arrays]) for at in (0, 1)))
    table = np.stack([np.concatenate([pair[at] for pair in arrays]) for at in (0, 1)])
    assert merged.count == whole.count
    assert merged.means == pytest.approx(whole.means)
    assert merged.products == pytest.approx(whole.products, rel=1e-9, abs=1e-4)
    assert whole.covariance == pytest.approx(np.cov(table), rel=1e-9, abs=1e-6)


def test_joint_moments_of_sums_are_those_of_the_rows() -> None:
    rows = np.random.default_rng(1).normal(3, 2, (2, 50))
    from_sums = JointMoments.of_sums(50, rows.sum(axis=1).tolist(), (rows @ rows.T).tolist())
    assert from_sums.products == pytest.approx(JointMoments.of(*rows).products)
    assert from_sums.column(1).variance == pytest.approx(rows[1].var(ddof=1))


def test_the_variance_of_a_ratio_is_that_of_its_repetitions() -> None:
    """Over 4,000 samples the standard error by the delta method is the spread of the ratios."""
    draws = np.random.default_rng(5)
    sizes = draws.poisson(3, (4000, 200)) + 1.0
    sums = draws.normal(2 * sizes, np.sqrt(sizes))
    found = [ratio(JointMoments.of(top, bottom)) for top, bottom in zip(sums[:500], sizes[:500], strict=True)]
    spread = np.std(sums.sum(axis=1) / sizes.sum(axis=1), ddof=1)
    assert np.sqrt(np.mean([moments.variance_of_mean for moments in found])) == pytest.approx(spread, rel=0.04)


def test_a_ratio_to_a_constant_is_a_mean() -> None:
    values = np.random.default_rng(2).gamma(2, size=40)
    found = ratio(JointMoments.of(values, np.full(40, 2.0)))
    assert found.mean == pytest.approx(values.mean() / 2)
    assert found.variance == pytest.approx((values / 2).var(ddof=1))


def test_a_ratio_over_nothing_is_no_ratio() -> None:
    assert ratio(JointMoments.of(np.ones(3), np.zeros(3))) == Moments()


@given(samples)
def test_the_mean_of_one_sample_is_that_of_scipy(values: list[float]) -> None:
    found = mean(Moments.of(np.array(values)))
    if np.ptp(values) < 1e-6:
        return
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate(found).low, estimate(found).high) == pytest.approx((interval.low, interval.high), rel=1e-6)


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.01, 0.05, 0.2]))
def test_wilson_is_that_of_scipy(successes: int, failures: int, alpha: float) -> None:
    theirs = stats.binomtest(successes, successes + failures).proportion_ci(1 - alpha, method="wilson")
    found = estimate(wilson(successes, successes + failures, alpha=alpha))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1),
    ],
)
def test_newcombe_is_that_of_his_table(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe 1998, table II, method 10: intervals of the first rate minus the second."""
    found = _newcombe(second, first, 0.05)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


def test_rates_of_few_events_have_an_exact_p_and_no_relative_difference() -> None:
    found = estimate(rate_difference((0, 100), (4, 100)))
    assert "Fisher" in found.method
    assert found.p == pytest.approx(stats.fisher_exact([[0, 100], [4, 96]]).pvalue)
    assert rate_difference((0, 100), (4, 100), relative=True) == TooFew(0, FEW_EVENTS, "relative difference of rates")


def test_too_few_rows_are_told() -> None:
    one = Moments.of(np.array([1.0]))
    assert difference(one, TREATED) == TooFew(1, 2, "difference of means")
    assert mean(one) == TooFew(1, 2, "mean")
    nothing = difference(Moments.of(np.zeros(9)), TREATED, relative=True)
    assert nothing == TooFew(0, 1, "relative difference of means: a mean of control that is not 0")
    assert wilson(0, 0) == TooFew(0, 1, "Wilson's score interval")
    assert isinstance(rate_difference((0, 0), (1, 2)), TooFew)


@pytest.mark.parametrize(
    ("figure", "method", "count"),
    [
        (difference(CONTROL, TREATED, alpha=0.1), "difference of means, Welch's t", 6868),
        (
            difference(CONTROL, TREATED, alpha=0.1, relative=True),
            "relative difference of means, Welch's t (delta method)",
            6868,
        ),
        (rate_difference((14, 28), (16, 30), alpha=0.1), f"{MEANS}, {WELCH}", 58),
        (rate_difference((1, 28), (3, 30), alpha=0.1), "Newcombe's score interval, Fisher's exact p", 58),
        (mean(TREATED, alpha=0.1, of="spend"), "spend, one-sample t", 3461),
        (wilson(3, 40, alpha=0.1), "Wilson's score interval", 40),
    ],
)
def test_a_figure_says_its_method_level_count_and_assumptions(figure: Figure, method: str, count: int) -> None:
    found = estimate(figure)
    assert (found.method, found.level, found.count, found.always_valid) == (method, 0.9, count, False)
    assert "independent" in found.assumptions
    assert found.low < found.value < found.high


def test_a_lower_level_gives_a_narrower_interval() -> None:
    wide, narrow = (estimate(rate_difference((14, 28), (16, 30), alpha=alpha)) for alpha in (0.05, 0.1))
    ratio_of_widths = (narrow.high - narrow.low) / (wide.high - wide.low)
    assert ratio_of_widths == pytest.approx(stats.t.ppf(0.95, 55) / stats.t.ppf(0.975, 55), rel=1e-3)
    assert estimate(wilson(3, 40)).value == 3 / 40


def test_two_rows_in_each_arm_are_enough() -> None:
    left, right = Moments.of(np.array([1.0, 2.0])), Moments.of(np.array([3.0, 5.0]))
    assert estimate(difference(left, right)).count == 4


def test_single_precision_columns_are_summed_in_double() -> None:
    small = np.full(1000, 0.1, np.float32)
    small[0] = 1e6
    assert JointMoments.of(small, small).means[0] == pytest.approx(small.astype(np.float64).mean(), rel=1e-15)
    assert JointMoments.of_sums(2, [1, 2], [[3, 4], [4, 5]]).products.dtype == np.float64
    assert JointMoments.empty(3).products.shape == (3, 3)


def test_arms_without_variance_have_an_interval_of_one_point() -> None:
    same = Moments.of(np.ones(5))
    found = estimate(difference(same, same))
    assert (found.low, found.high, found.p) == (0, 0, 1)
    apart = estimate(difference(same, Moments.of(np.zeros(5))))
    assert (apart.low, apart.high, apart.p) == (-1, -1, 0)


def test_a_rate_has_the_variance_of_the_likelihood() -> None:
    assert rate(30, 100).variance == pytest.approx(0.21)
    assert Moments.of_rate(30, 100).variance == pytest.approx(0.21 * 100 / 99)
    found = contrast(rate(30, 100), rate(40, 100))
    assert not isinstance(found, TooFew)
    assert found.error == pytest.approx(math.sqrt(0.21 / 100 + 0.24 / 100))


@given(st.integers(0, 300), st.integers(0, 300))
def test_events_of_a_rate_are_the_fewer_of_both(successes: int, failures: int) -> None:
    assert events(Moments.of_rate(successes, successes + failures)) == min(successes, failures)


def test_events_of_amounts_are_those_that_decide_the_mean() -> None:
    spent = np.zeros(1000)
    assert events(Moments.of(spent), amounts=True) == 0
    spent[:30] = 12.5
    assert events(Moments.of(spent), amounts=True) == pytest.approx(30)
    spent[0] = 10_000
    assert events(Moments.of(spent), amounts=True) < 1.1
    assert events(Moments.of(spent)) == math.inf
    assert events(Moments()) == 0
