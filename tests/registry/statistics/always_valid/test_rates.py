"""Confidence sequences of rates and of their differences: published values and coverage at every look."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.statistics.always_valid import rates
from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.always_valid.rates import RateDifference, RateSequence
from scoreline_registry.statistics.contrasts.differences import contrast
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments


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
    sequence = RateSequence(tuning_rows=500)
    low, high = sequence.bounds(events, count)
    p = sequence.p_value(events, count, rate)
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == (not low < rate < high)


def test_no_event_bounds_the_rate_from_above() -> None:
    found = estimate(RateSequence().of(0, 1000, null=0.01))
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
    normal = estimate(ConfidenceSequence().of(contrast(Moments.of_rate(300, 3000), Moments.of_rate(400, 3000))))
    assert exact.high - exact.low == pytest.approx(normal.high - normal.low, rel=0.5)
    assert exact.excludes_zero
    assert normal.excludes_zero


def test_a_rate_of_millions_of_rows_is_quick_and_exact_enough() -> None:
    low, high = RateSequence(tuning_rows=10**6).bounds(50_000, 10**7)
    assert (low, high) == pytest.approx((0.005, 0.005), rel=0.03)
