"""Sample ratio mismatch: the published Bayes factors, shares that change, and what a mismatch says."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.experiments.sample_ratio import SampleRatio, chi_square, of_batches

BATCHES = ([20, 17, 9], [18, 21, 8], [4, 6, 4], [18, 19, 11])


def test_bayes_factors_equal_those_of_ssrm() -> None:
    start = SampleRatio.of_arms(3, concentration=3, prior=(1 / 3, 1 / 3, 1 / 3))
    found = accumulate(BATCHES, lambda test, batch: test.after(batch, (0.4, 0.4, 0.2)), initial=start)
    factors = [test.log_bayes_factor for test in found][1:]
    assert factors == pytest.approx([-2.950560785, -3.681900877, -3.860658431, -4.183813982], abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "fixed", "sequential"),
    [((5100, 4900), 0.0455, 0.520), ((5300, 4700), 1.97e-9, 1.74e-4), ((50500, 49500), 0.00157, 0.0352)],
)
def test_p_values_with_the_default_concentration(counts: tuple[int, int], fixed: float, sequential: float) -> None:
    assert of_batches([(counts, (50, 50))], 2).p_value == pytest.approx(sequential, rel=2e-3)
    pearson = chi_square(counts, (50, 50))
    assert pearson is not None
    assert pearson.p_value == pytest.approx(fixed, rel=4e-3)
    assert (pearson.statistic, pearson.p_value) == pytest.approx(tuple(stats.chisquare(counts)))


def test_chi_square_of_the_hillstrom_campaign() -> None:
    pearson = chi_square((21306, 21307, 21387), (1, 1, 1))
    assert pearson is not None
    assert (round(pearson.statistic, 5), round(pearson.p_value, 5), pearson.degrees) == (0.20253, 0.90369, 2)


@given(st.lists(st.integers(5, 10_000), min_size=2, max_size=6))
def test_chi_square_equals_scipy(counts: list[int]) -> None:
    pearson = chi_square(counts, [1] * len(counts))
    assert pearson is not None
    expected = stats.chisquare(counts)
    assert pearson.statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert pearson.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-280)


def test_chi_square_needs_five_expected_units_in_each_arm() -> None:
    assert chi_square((9, 400), (1, 99)) is None
    assert chi_square((9, 491), (1, 99)) is not None


COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6)


@given(COUNTS)
def test_batches_of_constant_shares_equal_one_batch(batches: list[tuple[int, int, int]]) -> None:
    shares = (0.5, 0.3, 0.2)
    parts = of_batches(((batch, shares) for batch in batches), 3, concentration=100)
    total = [sum(counts) for counts in zip(*batches, strict=True)]
    assert parts.log_bayes_factor == pytest.approx(
        SampleRatio.of_arms(3, concentration=100).after(total, shares).log_bayes_factor, abs=1e-8
    )
    assert parts.p_value <= math.exp(-max(0.0, parts.log_bayes_factor)) * (1 + 1e-12)


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([(0.1, 0.9), (0.5, 0.5), (0.75, 0.25)]))
def test_the_bayes_factor_of_the_next_unit_is_one_on_average(a: int, b: int, shares: tuple[float, float]) -> None:
    """A martingale also after the shares have changed: what makes the p-value hold at every look."""
    test = SampleRatio.of_arms(2, concentration=50).after((a, b), (0.3, 0.7))
    steps = [test.after(unit, shares).log_bayes_factor - test.log_bayes_factor for unit in ((1, 0), (0, 1))]
    assert sum(share * math.exp(step) for share, step in zip(shares, steps, strict=True)) == pytest.approx(1)


def test_a_loss_of_two_percent_of_one_arm_is_named() -> None:
    rng = np.random.default_rng(7)
    test = SampleRatio.of_arms(2)
    for share in (0.01, 0.05, 0.25, 0.5):
        for _ in range(10):
            assigned = rng.binomial(40_000, share)
            test = test.after((40_000 - assigned, rng.binomial(assigned, 0.98)), (1 - share, share))
    assert test.p_value < 0.001
    control, treated = test.arms
    assert treated.against_others == pytest.approx(-0.02, abs=0.005)
    assert control.excess > 0 > treated.excess
    assert treated.residual < -4


def test_residuals_are_standard_errors_of_the_shares_in_force() -> None:
    test = SampleRatio.of_arms(3).after((500, 300, 200), (50, 25, 25)).after((10, 90, 0), (10, 90, 0))
    assert test.count == 1100
    assert test.expected == pytest.approx((510, 340, 250))
    variances = [250 + 9, 187.5 + 9, 187.5]
    assert [arm.residual for arm in test.arms] == pytest.approx(
        [
            (seen - want) / math.sqrt(v)
            for seen, want, v in zip((510, 390, 200), (510, 340, 250), variances, strict=True)
        ]
    )
    assert [arm.excess for arm in test.arms] == pytest.approx([0, 390 / 340 - 1, -0.2])
    assert test.arms[2].against_others == pytest.approx((200 / 250) / (900 / 850) - 1)


def test_counts_pooled_over_a_ramp_would_raise_a_false_alarm() -> None:
    """The last shares do not describe the units of the steps before."""
    ramp = [((9900, 100), (0.99, 0.01)), ((5000, 5000), (0.5, 0.5))]
    assert of_batches(ramp, 2).p_value == 1
    assert of_batches([((14_900, 5100), (0.5, 0.5))], 2).p_value < 1e-100


def test_units_of_an_arm_without_a_share_are_a_mismatch() -> None:
    test = SampleRatio.of_arms(2).after((1000, 1), (1, 0))
    assert test.p_value == 0
    assert test.arms[1].excess == math.inf
    assert test.arms[1].residual == math.inf
    right = SampleRatio.of_arms(2).after((1000, 0), (1, 0))
    assert right.p_value == 1
    assert [(arm.excess, arm.residual) for arm in right.arms] == [(0, 0), (0, 0)]


def test_arms_counts_and_shares_have_one_length() -> None:
    with pytest.raises(ValueError, match="2 arms need as many counts and shares"):
        SampleRatio.of_arms(2).after((1, 2, 3), (0.5, 0.5))
    with pytest.raises(ValueError, match="two or more arms"):
        SampleRatio.of_arms(1)


def test_no_alarm_in_a_thousand_ramps() -> None:
    """Five steps with looks in between, 1,000 ramps: at most 5 % of them may ever show p below 0.05."""
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(1000):
        test = SampleRatio.of_arms(2, concentration=1000)
        for share in (0.01, 0.05, 0.25, 0.5, 0.9):
            for _ in range(6):
                grown = rng.binomial(300, share)
                test = test.after((300 - grown, grown), (1 - share, share))
        alarms += test.p_value < 0.05
    assert alarms <= 50
