"""Confidence sequences of rates and of quantiles: published values, coverage at every look, and what one side asks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics import quantiles, rates
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.quantiles import QuantileSequence
from scoreline_registry.statistics.rates import RateDifference, RateSequence
from scoreline_registry.statistics.sequential import ConfidenceSequence, difference


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


@pytest.mark.parametrize(
    ("events", "count", "tuning_rows", "low", "high"),
    [
        (700, 1000, 100, 0.651629, 0.745949),
        (15, 50, 50, 0.129556, 0.511896),
        (5, 50, 50, 0.013021, 0.269264),
        (1, 50, 50, 0, 0.13489),
        (100, 200, 1, 0.328923, 0.671076),
    ],
)
def test_intervals_equal_confseq(events: int, count: int, tuning_rows: int, low: float, high: float) -> None:
    assert RateSequence(tuning_rows=tuning_rows).bounds(events, count) == pytest.approx((low, high), abs=2e-6)


@given(st.integers(0, 400), st.integers(1, 400), st.floats(0.001, 0.999))
def test_the_interval_excludes_what_the_p_value_rejects(events: int, count: int, rate: float) -> None:
    events = min(events, count)
    for side in ("both", "lower", "upper"):
        sequence = RateSequence(side=side, tuning_rows=500)
        low, high = sequence.bounds(events, count)
        p = sequence.p_value(events, count, rate)
        if abs(p - 0.05) > 1e-6:
            assert (p < 0.05) == (not low < rate < high)


def test_one_side_is_tighter() -> None:
    low, high = RateSequence().bounds(30, 2000)
    assert RateSequence(side="lower").bounds(30, 2000)[0] > low
    assert RateSequence(side="upper").bounds(30, 2000)[1] < high
    assert RateSequence(side="lower").bounds(30, 2000)[1] == 1
    assert RateSequence(side="upper").bounds(30, 2000)[0] == 0


def test_the_sides_mirror_each_other() -> None:
    low = RateSequence(side="lower").bounds(30, 2000)[0]
    assert RateSequence(side="upper").bounds(1970, 2000)[1] == pytest.approx(1 - low)


def test_no_event_bounds_the_rate_from_above() -> None:
    found = estimate(RateSequence(side="upper").of(0, 1000, null=0.01))
    assert (found.value, found.low) == (0, 0)
    assert 0.003 < found.high < 0.01
    assert found.p is not None
    assert found.p < 0.05
    assert estimate(RateSequence().of(10, 10)).high == 1
    assert RateSequence().of(0, 0) == TooFew(0, 1, rates.METHOD)


def test_the_difference_of_rare_rates_needs_no_burn_in() -> None:
    sequence = RateDifference()
    same = estimate(sequence.of((0, 50), (1, 50)))
    assert same.low < 0 < same.high
    assert same.p == 1
    worse = estimate(sequence.of((2, 2000), (100, 2000)))
    assert worse.value == 0.049
    assert 0.03 < worse.low < 0.049 < worse.high < 0.07
    assert worse.p is not None
    assert worse.p < 1e-15
    assert isinstance(sequence.of((0, 0), (1, 50)), TooFew)


def test_no_event_in_either_arm_bounds_the_difference() -> None:
    found = estimate(RateDifference().of((0, 1000), (0, 1000)))
    assert found.value == 0
    assert 0.004 < found.high < 0.01
    assert found.low == pytest.approx(-found.high)
    assert found.p == pytest.approx(1, abs=1e-4)


ARM = st.tuples(st.integers(0, 60), st.integers(1, 300)).map(lambda arm: (min(arm), max(arm)))


@settings(max_examples=25)
@given(ARM, ARM)
def test_the_interval_of_a_difference_excludes_what_its_p_value_rejects(
    control: tuple[int, int], treated: tuple[int, int]
) -> None:
    found, turned = (estimate(RateDifference().of(*pair)) for pair in ((control, treated), (treated, control)))
    assert found.p is not None
    assert (found.p < 0.05) == found.excludes_zero
    assert (turned.low, turned.high, turned.p) == pytest.approx((-found.high, -found.low, found.p), abs=1e-5)
    assert found.low <= found.value <= found.high


def test_the_difference_is_nearly_as_narrow_as_the_asymptotic_one() -> None:
    exact = estimate(RateDifference().of((300, 3000), (400, 3000)))
    normal = estimate(difference(Moments.of_rate(300, 3000), Moments.of_rate(400, 3000), ConfidenceSequence()))
    assert exact.high - exact.low == pytest.approx(normal.high - normal.low, rel=0.5)
    assert exact.excludes_zero
    assert normal.excludes_zero


def test_a_rate_of_millions_of_rows_is_quick_and_exact_enough() -> None:
    low, high = RateSequence(side="lower", tuning_rows=10**6).bounds(50_000, 10**7)
    assert (low, high) == pytest.approx((0.005, 1), rel=0.02)


def quantile_p(quantile: float, offset: int) -> float:
    values = np.arange(1.0, 1001)
    return QuantileSequence(quantile, tuning_rows=100).p_value(values, values + offset)


def test_p_values_of_equal_quantiles_equal_confseq() -> None:
    found = [quantile_p(0.5, 70), quantile_p(0.5, 85), quantile_p(0.5, 100), quantile_p(0.9, 55)]
    assert found == pytest.approx([0.814704, 0.0838055, 0.0054947, 0.0340463], rel=1e-5)


def test_many_values_give_a_slightly_larger_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = quantile_p(0.5, 90)
    monkeypatch.setattr(quantiles, "CANDIDATES", 40)
    assert exact < quantile_p(0.5, 90) < 2 * exact


def test_quantiles_are_compared_in_either_order_and_with_ties() -> None:
    rng = np.random.default_rng(4)
    first, second = (np.sort(np.round(rng.gamma(2, scale, 3000), 1)) for scale in (1.0, 1.5))
    sequence = QuantileSequence(0.9)
    assert sequence.p_value(first, second) < 1e-6
    assert sequence.p_value(first, second) == pytest.approx(sequence.p_value(second, first))
    assert sequence.p_value(first, first) == 1
    assert sequence.p_value(first, first[:0]) == 1


def test_the_interval_of_a_quantile_lies_between_ranks() -> None:
    values = np.sort(np.random.default_rng(8).exponential(10, 20_000))
    found = estimate(QuantileSequence(0.99).of(values))
    assert found.low < stats.expon(scale=10).ppf(0.99) < found.high
    assert found.low < found.value < found.high
    low, high = QuantileSequence(0.99).ranks(20_000)
    assert (found.low, found.high) == (values[low - 1], values[high - 1])


def test_few_values_do_not_bound_a_high_quantile() -> None:
    found = estimate(QuantileSequence(0.99).of(np.arange(100.0)))
    assert found.high == math.inf
    assert found.low > 50
    assert isinstance(QuantileSequence(0.5).of(np.empty(0)), TooFew)
    with pytest.raises(ValueError, match="a quantile must be above 0"):
        QuantileSequence(1.0)


def test_a_limit_of_a_quantile_is_a_limit_of_a_rate() -> None:
    """The p99 is above 20 ms exactly where more than 1 % of the rows take longer."""
    slow = np.sort(np.random.default_rng(2).exponential(8, 4000))
    over = int((slow > 20).sum())
    guard = estimate(RateSequence(side="lower").of(over, len(slow), null=0.01))
    assert guard.low > 0.01
    assert estimate(QuantileSequence(0.99).of(slow)).low > 20


def test_distributions_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    first, second = np.sort(rng.beta(2, 5, 8000)), np.sort(rng.beta(2, 3, 6000))
    found = estimate(quantiles.distribution_difference(first, second))
    assert found.value == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert found.low > 0.05
    same = estimate(quantiles.distribution_difference(first, np.sort(rng.beta(2, 5, 6000))))
    assert same.low == 0
    assert isinstance(quantiles.distribution_difference(first, second[:99]), TooFew)
