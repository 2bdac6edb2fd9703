"""Confidence sequences: the published tables, and what they promise at every look."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence, Side, rho
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import contrast, one_sample
from scoreline_registry.statistics.contrasts.strata import Stratum, stratified_difference
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments

ONE_SIDED: tuple[Side, ...] = ("lower", "upper")


def estimate(figure: Figure | None) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def rounded(figure: Figure, digits: int = 5) -> tuple[float, float, float]:
    found = estimate(figure)
    return round(found.value, digits), round(found.low, digits), round(found.high, digits)


def test_relative_difference_equals_growthbook() -> None:
    control, treated = Moments.of_sums(3000, 1396.87, 52377.9767), Moments.of_sums(3461, 2422.7, 134698.29)
    found = estimate(ConfidenceSequence(tuning_rows=1000).of(contrast(control, treated, relative=True)))
    assert rounded(found) == (0.50336, -0.55844, 1.56516)
    assert found.p == 1
    assert found.always_valid


def test_bounds_of_one_side_equal_growthbook() -> None:
    """It searches the p-value to three digits."""
    control, treated = Moments.of_sums(3000, 1396.87, 52377.9767), Moments.of_sums(3461, 2422.7, 134698.29)
    found = {
        (side, relative): estimate(ConfidenceSequence(side=side).of(contrast(control, treated, relative=relative)))
        for side in ONE_SIDED
        for relative in (True, False)
    }
    assert found["lower", True].low == pytest.approx(-0.42356454602790883)
    assert found["lower", False].low == pytest.approx(-0.12656844172804982)
    assert found["lower", False].p == pytest.approx(0.46316491943359384, rel=1e-3)
    assert found["upper", True].high == pytest.approx(1.4302867177403806)
    assert found["upper", False].high == pytest.approx(0.5953217750613832)


def test_relative_difference_of_rates_equals_growthbook() -> None:
    """Its variance of a rate is p (1 - p), without n / (n - 1)."""
    control, treated = (
        Moments(count, hits / count, (count - 1) * hits / count * (1 - hits / count))
        for hits, count in ((1396, 3000), (2422, 3461))
    )
    found = estimate(ConfidenceSequence().of(contrast(control, treated, relative=True)))
    assert rounded(found) == (0.50386, 0.40098, 0.60675)
    assert found.p is not None
    assert found.p < 1e-40
    assert rho(0.05, 5000) == pytest.approx(0.0398401, abs=1e-7)


NONE = {"visit": (2262, 21306), "conversion": (122, 21306)}
MENS = {"visit": (3894, 21307), "conversion": (267, 21307)}


@pytest.mark.parametrize(
    ("outcome", "value", "error", "low", "high", "p"),
    [
        ("visit", 0.076590, 0.003386, 0.065685, 0.087494, 2.7e-109),
        ("conversion", 0.006805, 0.000921, 0.003839, 0.009771, 1.7e-11),
    ],
)
def test_rates_of_the_hillstrom_campaign(
    outcome: str, value: float, error: float, low: float, high: float, p: float
) -> None:
    control, treated = Moments.of_rate(*NONE[outcome]), Moments.of_rate(*MENS[outcome])
    found = estimate(ConfidenceSequence().of(contrast(control, treated)))
    assert rounded(found, 6) == (value, low, high)
    assert found.p == pytest.approx(p, rel=0.05)
    difference = contrast(control, treated)
    assert isinstance(difference, Contrast)
    assert round(difference.error, 6) == error


def test_two_sides_equal_the_mixture_sequential_probability_ratio_test() -> None:
    """Johari, Pekelis and Walsh: two streams of n rows, variance s2 and mixture variance t2 = 4 rho^2 s2."""
    n, s2, delta, sequence = 4000, 2.5, 0.11, ConfidenceSequence()
    t2 = 4 * sequence.rho**2 * s2
    ratio = math.sqrt(2 * s2 / (2 * s2 + n * t2)) * math.exp(n**2 * t2 * delta**2 / (4 * s2 * (2 * s2 + n * t2)))
    assert sequence.p_value(delta, math.sqrt(2 * s2 / n), 2 * n) == pytest.approx(1 / ratio)


@given(
    value=st.floats(-5, 5),
    error=st.floats(0.01, 2),
    rows=st.integers(200, 10**6),
    side=st.sampled_from(["both", "lower", "upper"]),
)
def test_the_interval_excludes_what_the_p_value_rejects(value: float, error: float, rows: int, side: Side) -> None:
    sequence = ConfidenceSequence(side=side)
    made = Contrast(
        value=value, variance=error**2, count=rows, smallest=rows // 2, rows=rows, name="mean", test="normal interval"
    )
    found = estimate(sequence.of(made))
    assert found.p is not None
    assume(abs(found.p - sequence.alpha) > 1e-9)
    assert (found.p < sequence.alpha) == found.excludes_zero


def test_one_side_is_tighter_and_open_at_the_other() -> None:
    control, treated = Moments.of_rate(500, 5000), Moments.of_rate(600, 5000)
    both = estimate(ConfidenceSequence().of(contrast(control, treated)))
    lower = estimate(ConfidenceSequence(side="lower").of(contrast(control, treated)))
    upper = estimate(ConfidenceSequence(side="upper").of(contrast(control, treated)))
    assert both.low < lower.low < lower.value
    assert both.high > upper.high > upper.value
    assert (lower.high, upper.low) == (math.inf, -math.inf)
    assert lower.value - lower.low == pytest.approx(upper.high - upper.value)
    assert upper.p == 1


def test_the_sequence_is_nearly_tightest_at_its_tuning_rows() -> None:
    widths = {tuning: ConfidenceSequence(tuning_rows=tuning).half_width(1.0, 5000.0) for tuning in (500, 5000, 50_000)}
    assert widths[5000] == min(widths.values())
    exact = min(ConfidenceSequence(tuning_rows=tuning).half_width(1.0, 5000.0) for tuning in range(3000, 8000, 10))
    assert widths[5000] == pytest.approx(exact, rel=1e-3)


def test_arrays_of_looks_give_what_single_looks_give() -> None:
    for side in ("both", "lower", "upper"):
        sequence = ConfidenceSequence(side=side)
        errors, rows, distances = np.array([0.3, 0.1]), np.array([400.0, 4000.0]), np.array([-0.2, 0.5])
        assert sequence.half_width(errors, rows).tolist() == pytest.approx(
            [sequence.half_width(0.3, 400.0), sequence.half_width(0.1, 4000.0)]
        )
        assert sequence.p_value(distances, errors, rows).tolist() == pytest.approx(
            [sequence.p_value(-0.2, 0.3, 400.0), sequence.p_value(0.5, 0.1, 4000.0)]
        )


def test_too_few_rows_give_no_interval() -> None:
    found = ConfidenceSequence().of(contrast(Moments.of_rate(9, 99), Moments.of_rate(100, 5000)))
    assert found == TooFew(99, 100, "difference of means, asymptotic confidence sequence")
    assert isinstance(ConfidenceSequence().of(contrast(Moments(), Moments())), TooFew)


def test_rare_events_of_a_small_arm_give_no_interval() -> None:
    """With no conversion among 150 rows the estimated variance of that arm is 0, and any difference would be one."""
    control, treated = Moments.of_rate(160, 15_000), Moments.of_rate(0, 150)
    method = "difference of means, asymptotic confidence sequence: events of an arm"
    assert ConfidenceSequence().of(contrast(control, treated)) == TooFew(0, 20, method)
    assert isinstance(ConfidenceSequence().of(stratified_difference([Stratum(control, treated)])), TooFew)
    alarm = estimate(ConfidenceSequence(least_events=0).of(contrast(control, treated)))
    assert alarm.excludes_zero


def test_values_that_are_all_equal_give_no_interval() -> None:
    same = Moments.of(np.full(500, 2.0))
    method = "difference of means, asymptotic confidence sequence: distinct values"
    assert ConfidenceSequence().of(contrast(same, same)) == TooFew(1, 2, method)
    assert isinstance(ConfidenceSequence().of(contrast(Moments.of(np.zeros(500)), same, relative=True)), TooFew)


def test_paired_differences_are_one_sample() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(2000)
    shadow = np.clip(scores + rng.normal(0.01, 0.02, 2000), 0, 1)
    paired = estimate(ConfidenceSequence().of(one_sample(Moments.of(shadow - scores))))
    apart = estimate(ConfidenceSequence().of(contrast(Moments.of(scores), Moments.of(shadow))))
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < (apart.high - apart.low) / 10
    assert paired.low > 0 > apart.low


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 0.6}, {"tuning_rows": 0}, {"burn_in": 1}])
def test_a_sequence_that_cannot_hold_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"alpha|tuning_rows"):
        ConfidenceSequence(**wrong)  # type: ignore[arg-type]
