"""Confidence sequences: the published tables, and what they promise at every look."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics import effects, sequential
from scoreline_registry.statistics.effects import Stratum
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.sequential import ConfidenceSequence, LinearModelSequence, Side

ONE_SIDED: tuple[Side, ...] = ("lower", "upper")


def estimate(figure: Figure | None) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def rounded(figure: Figure, digits: int = 5) -> tuple[float, float, float]:
    found = estimate(figure)
    return round(found.value, digits), round(found.low, digits), round(found.high, digits)


def test_relative_difference_equals_growthbook() -> None:
    control, treated = Moments.of_sums(3000, 1396.87, 52377.9767), Moments.of_sums(3461, 2422.7, 134698.29)
    found = estimate(sequential.difference(control, treated, ConfidenceSequence(tuning_rows=1000), relative=True))
    assert rounded(found) == (0.50336, -0.55844, 1.56516)
    assert found.p == 1
    assert found.always_valid


def test_bounds_of_one_side_equal_growthbook() -> None:
    """It searches the p-value to three digits."""
    control, treated = Moments.of_sums(3000, 1396.87, 52377.9767), Moments.of_sums(3461, 2422.7, 134698.29)
    found = {
        (side, relative): estimate(
            sequential.difference(control, treated, ConfidenceSequence(side=side), relative=relative)
        )
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
    found = estimate(sequential.difference(control, treated, ConfidenceSequence(), relative=True))
    assert rounded(found) == (0.50386, 0.40098, 0.60675)
    assert found.p is not None
    assert found.p < 1e-40
    assert sequential.rho(0.05, 5000) == pytest.approx(0.0398401, abs=1e-7)


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
    found = estimate(sequential.difference(control, treated, ConfidenceSequence()))
    assert rounded(found, 6) == (value, low, high)
    assert found.p == pytest.approx(p, rel=0.05)
    assert round(effects.difference(control, treated).standard_error, 6) == error


def test_anytime_valid_t_test_equals_avlm() -> None:
    sequence = LinearModelSequence.narrowest_at(100, 8)
    assert sequence.precision == pytest.approx(11.58155, abs=2e-5)
    assert sequence.radius(100, 8) == pytest.approx(3.10394, abs=5e-6)
    assert rounded(sequence.of(2.32245, 0.21566, rows=100, coefficients=8)) == (2.32245, 1.65305, 2.99185)
    assert sequence.p_value(5.776, 100, 8) == pytest.approx(9.77e-6, rel=2e-3)
    assert sequence.p_value(10.769, 100, 8) == pytest.approx(3.19e-14, rel=2e-3)


def test_anytime_valid_t_test_needs_more_rows_than_coefficients() -> None:
    assert isinstance(LinearModelSequence(1.0).of(1.0, 0.1, rows=8, coefficients=8), TooFew)


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
    effect = effects.Effect(value, error, rows, rows // 2, rows, "mean")
    found = estimate(sequence.of(effect))
    assert found.p is not None
    assume(abs(found.p - sequence.alpha) > 1e-9)
    assert (found.p < sequence.alpha) == found.excludes_zero


def test_one_side_is_tighter_and_open_at_the_other() -> None:
    control, treated = Moments.of_rate(500, 5000), Moments.of_rate(600, 5000)
    both = estimate(sequential.difference(control, treated, ConfidenceSequence()))
    lower = estimate(sequential.difference(control, treated, ConfidenceSequence(side="lower")))
    upper = estimate(sequential.difference(control, treated, ConfidenceSequence(side="upper")))
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
    found = sequential.difference(Moments.of_rate(9, 99), Moments.of_rate(100, 5000), ConfidenceSequence())
    assert found == TooFew(99, 100, "difference of means, asymptotic confidence sequence")
    assert isinstance(sequential.difference(Moments(), Moments(), ConfidenceSequence()), TooFew)


def test_rare_events_of_a_small_arm_give_no_interval() -> None:
    """With no conversion among 150 rows the estimated variance of that arm is 0, and any difference would be one."""
    control, treated = Moments.of_rate(160, 15_000), Moments.of_rate(0, 150)
    method = "difference of means, asymptotic confidence sequence: events of an arm"
    assert sequential.difference(control, treated, ConfidenceSequence()) == TooFew(0, 20, method)
    assert isinstance(sequential.stratified_difference([Stratum(control, treated)], ConfidenceSequence()), TooFew)
    alarm = estimate(sequential.difference(control, treated, ConfidenceSequence(least_events=0)))
    assert alarm.excludes_zero


@given(st.integers(0, 300), st.integers(0, 300))
def test_events_of_a_rate_are_the_fewer_of_both(successes: int, failures: int) -> None:
    assert effects.events(Moments.of_rate(successes, successes + failures)) == min(successes, failures)


def test_events_of_amounts_are_those_that_decide_the_mean() -> None:
    spent = np.zeros(1000)
    assert effects.events(Moments.of(spent), amounts=True) == 0
    spent[:30] = 12.5
    assert effects.events(Moments.of(spent), amounts=True) == pytest.approx(30)
    spent[0] = 10_000
    assert effects.events(Moments.of(spent), amounts=True) < 1.1
    assert effects.events(Moments.of(spent)) == math.inf
    assert effects.events(Moments()) == 0


def test_values_that_are_all_equal_give_no_interval() -> None:
    same = Moments.of(np.full(500, 2.0))
    method = "difference of means, asymptotic confidence sequence: distinct values"
    assert sequential.difference(same, same, ConfidenceSequence()) == TooFew(1, 2, method)
    assert isinstance(
        sequential.difference(Moments.of(np.zeros(500)), same, ConfidenceSequence(), relative=True), TooFew
    )


def test_paired_differences_are_one_sample() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(2000)
    shadow = np.clip(scores + rng.normal(0.01, 0.02, 2000), 0, 1)
    paired = estimate(sequential.mean(Moments.of(shadow - scores), ConfidenceSequence()))
    apart = estimate(sequential.difference(Moments.of(scores), Moments.of(shadow), ConfidenceSequence()))
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < (apart.high - apart.low) / 10
    assert paired.low > 0 > apart.low


def draws(rng: np.random.Generator, count: int, rate: float) -> Moments:
    return Moments.of_rate(int(rng.binomial(count, rate)), count)


def ramp(rng: np.random.Generator, effect: float = 0.0, rows: int = 2000) -> list[Stratum]:
    """Periods of a ramp in which the rate itself rises: pooled arms would compare periods."""
    strata = []
    for share, base in ((0.01, 0.05), (0.05, 0.1), (0.25, 0.2), (0.5, 0.3)):
        treated = int(rows * share)
        strata.append(Stratum(draws(rng, rows - treated, base), draws(rng, treated, base + effect)))
    return strata


def test_periods_of_a_ramp_are_not_pooled() -> None:
    strata = ramp(np.random.default_rng(5))
    pooled = sequential.difference(
        sum((stratum.control for stratum in strata), Moments()),
        sum((stratum.treated for stratum in strata), Moments()),
        ConfidenceSequence(),
    )
    assert estimate(pooled).low > 0
    within = estimate(sequential.stratified_difference(strata, ConfidenceSequence()))
    assert within.low < 0 < within.high
    assert within.method == "difference of means within 4 strata, asymptotic confidence sequence"


ARMS = st.lists(
    st.tuples(st.integers(2, 400), st.integers(2, 400), st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 2)),
    min_size=1,
    max_size=4,
)


def strata_of(
    arms: list[tuple[int, int, float, float, float]], shift: float = 0.0, scale: float = 1.0
) -> list[Stratum]:
    return [
        Stratum(
            Moments(n_a, shift + scale * a, scale**2 * deviation * (n_a - 1)),
            Moments(n_b, shift + scale * b, scale**2 * (n_b - 1)),
        )
        for n_a, n_b, a, b, deviation in arms
    ]


@given(ARMS, st.floats(-100, 100), st.floats(0.1, 10))
def test_a_difference_does_not_depend_on_the_origin_and_scales_with_the_unit(
    arms: list[tuple[int, int, float, float, float]], shift: float, scale: float
) -> None:
    plain, moved = (
        effects.stratified_difference(strata) for strata in (strata_of(arms), strata_of(arms, shift, scale))
    )
    assert (moved.value, moved.standard_error) == pytest.approx(
        (scale * plain.value, scale * plain.standard_error), abs=1e-9
    )
    assert (moved.rows, moved.count) == (plain.rows, plain.count)


@given(ARMS)
def test_arms_that_change_places_change_the_sign(arms: list[tuple[int, int, float, float, float]]) -> None:
    strata = strata_of(arms)
    plain = effects.stratified_difference(strata)
    turned = effects.stratified_difference(Stratum(stratum.treated, stratum.control) for stratum in strata)
    assert (turned.value, turned.standard_error, turned.rows) == pytest.approx(
        (-plain.value, plain.standard_error, plain.rows)
    )


@given(ARMS)
def test_the_clock_is_at_most_the_number_of_rows(arms: list[tuple[int, int, float, float, float]]) -> None:
    effect = effects.stratified_difference(strata_of(arms))
    assert 0 < effect.rows <= effect.count * (1 + 1e-12)


def test_one_stratum_of_an_equal_split_is_the_plain_difference() -> None:
    control, treated = Moments.of_rate(300, 2000), Moments.of_rate(400, 2000)
    for relative in (False, True):
        plain = sequential.difference(control, treated, ConfidenceSequence(), relative=relative)
        assert (
            sequential.stratified_difference(
                [Stratum(control, treated), Stratum(control, Moments()), Stratum(Moments(), Moments())],
                ConfidenceSequence(),
                relative=relative,
            )
            == plain
        )


def test_strata_are_weighted_by_their_information() -> None:
    """As a regression with an intercept for each stratum does."""
    strata = ramp(np.random.default_rng(9), effect=0.1)
    groups = [
        (index, arm, sample)
        for index, stratum in enumerate(strata)
        for arm, sample in enumerate((stratum.control, stratum.treated))
    ]
    design = np.array([[arm, *(index == k for k in range(4))] for index, arm, _ in groups], float)
    root = np.sqrt([sample.count for *_, sample in groups])
    means = np.array([sample.mean for *_, sample in groups])
    expected = np.linalg.lstsq(design * root[:, None], means * root, rcond=None)[0][0]
    found = effects.stratified_difference(strata)
    assert found.value == pytest.approx(expected)
    sizes = np.array([(stratum.control.count, stratum.treated.count) for stratum in strata])
    weights = sizes.prod(axis=1) / sizes.sum(axis=1)
    variances = [stratum.control.variance_of_mean + stratum.treated.variance_of_mean for stratum in strata]
    assert found.standard_error == pytest.approx(math.sqrt(np.square(weights / weights.sum()) @ variances))
    assert found.rows == pytest.approx(4 * weights.sum())
    assert (found.count, found.smallest) == (sizes.sum(), sizes.sum(axis=0).min())


def test_strata_without_both_arms_give_no_interval() -> None:
    method = "difference of means, asymptotic confidence sequence"
    assert sequential.stratified_difference([], ConfidenceSequence()) == TooFew(0, 100, method)
    assert effects.stratified_difference([]).count == effects.stratified_difference([]).rows == 0
    assert Stratum(Moments(), Moments()).information == 0
    lonely = Stratum(Moments.of_rate(10, 1000), Moments())
    assert isinstance(sequential.stratified_difference([lonely], ConfidenceSequence()), TooFew)


def test_the_running_interval_never_widens() -> None:
    rng = np.random.default_rng(13)
    a, b = rng.normal(0, 1, 6000), rng.normal(0.1, 1, 6000)
    looks = [
        sequential.difference(Moments.of(a[:n]), Moments.of(b[:n]), ConfidenceSequence()) for n in range(50, 6000, 50)
    ]
    runs = [sequential.running(looks[: n + 1]) for n in range(len(looks))]
    assert isinstance(runs[0], TooFew)
    for before, now in pairwise(estimate(run) for run in runs[1:]):
        assert before.low <= now.low <= now.high <= before.high
        assert (now.p or 0) <= (before.p or 0)
    assert estimate(runs[-1]).value == estimate(looks[-1]).value
    assert sequential.running([]) is None


def test_intervals_that_do_not_meet_run_into_a_point() -> None:
    looks = [
        sequential.mean(Moments.of(np.random.default_rng(1).normal(m, 0.1, 500)), ConfidenceSequence()) for m in (0, 1)
    ]
    found = estimate(sequential.running(looks))
    assert 0 < found.low == found.high < 1


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 0.6}, {"tuning_rows": 0}, {"burn_in": 1}])
def test_a_sequence_that_cannot_hold_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"alpha|tuning_rows"):
        ConfidenceSequence(**wrong)  # type: ignore[arg-type]


def test_normal_interval_is_for_one_look() -> None:
    effect = effects.difference(Moments.of_rate(2262, 21306), Moments.of_rate(3894, 21307))
    found = estimate(effects.normal_interval(effect))
    assert (round(found.low, 6), round(found.high, 6)) == (0.069953, 0.083226)
    assert not found.always_valid
    wider = estimate(effects.normal_interval(effect, alpha=0.01, null=0.07))
    assert wider.p == pytest.approx(2 * stats.norm.sf((effect.value - 0.07) / effect.standard_error))
    assert (wider.level, wider.count) == (0.99, 42_613)
    assert wider.high - wider.value == pytest.approx(stats.norm.ppf(0.995) * effect.standard_error)


def test_normal_interval_needs_thirty_rows_and_different_values() -> None:
    assert effects.normal_interval(effects.mean(Moments.of(np.arange(29.0)))) == TooFew(29, 30, "mean, normal interval")
    assert isinstance(effects.normal_interval(effects.mean(Moments.of(np.arange(30.0)))), Estimate)
    same = effects.normal_interval(effects.mean(Moments.of(np.ones(50))))
    assert same == TooFew(1, 2, "mean, normal interval: distinct values")
