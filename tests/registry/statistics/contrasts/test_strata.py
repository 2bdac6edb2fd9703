"""Differences within strata: against a regression with an intercept for each, and by their own laws."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import contrast
from scoreline_registry.statistics.contrasts.strata import Stratum, stratified_difference
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def made(strata: Iterable[Stratum]) -> Contrast:
    found = stratified_difference(strata)
    assert isinstance(found, Contrast)
    return found


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
    pooled = ConfidenceSequence().of(
        contrast(
            sum((stratum.control for stratum in strata), Moments()),
            sum((stratum.treated for stratum in strata), Moments()),
        )
    )
    assert estimate(pooled).low > 0
    within = estimate(ConfidenceSequence().of(stratified_difference(strata)))
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
    plain, moved = (made(strata) for strata in (strata_of(arms), strata_of(arms, shift, scale)))
    assert (moved.value, moved.error) == pytest.approx((scale * plain.value, scale * plain.error), abs=1e-9)
    assert (moved.rows, moved.count) == (plain.rows, plain.count)


@given(ARMS)
def test_arms_that_change_places_change_the_sign(arms: list[tuple[int, int, float, float, float]]) -> None:
    strata = strata_of(arms)
    plain = made(strata)
    turned = made(Stratum(stratum.treated, stratum.control) for stratum in strata)
    assert (turned.value, turned.error, turned.rows) == pytest.approx((-plain.value, plain.error, plain.rows))


@given(ARMS)
def test_the_clock_is_at_most_the_number_of_rows(arms: list[tuple[int, int, float, float, float]]) -> None:
    effect = made(strata_of(arms))
    assert 0 < effect.rows <= effect.count * (1 + 1e-12)


def test_one_stratum_of_an_equal_split_is_the_plain_difference() -> None:
    control, treated = Moments.of_rate(300, 2000), Moments.of_rate(400, 2000)
    for relative in (False, True):
        plain = ConfidenceSequence().of(contrast(control, treated, relative=relative))
        assert (
            ConfidenceSequence().of(
                stratified_difference(
                    [Stratum(control, treated), Stratum(control, Moments()), Stratum(Moments(), Moments())],
                    relative=relative,
                )
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
    found = made(strata)
    assert found.value == pytest.approx(expected)
    sizes = np.array([(stratum.control.count, stratum.treated.count) for stratum in strata])
    weights = sizes.prod(axis=1) / sizes.sum(axis=1)
    variances = [stratum.control.variance_of_mean + stratum.treated.variance_of_mean for stratum in strata]
    assert found.error == pytest.approx(math.sqrt(np.square(weights / weights.sum()) @ variances))
    assert found.rows == pytest.approx(4 * weights.sum())
    assert (found.count, found.smallest) == (sizes.sum(), sizes.sum(axis=0).min())


def test_strata_without_both_arms_give_no_interval() -> None:
    assert stratified_difference([]) == TooFew(0, 2, "difference of means")
    assert ConfidenceSequence().of(stratified_difference([])) == TooFew(0, 2, "difference of means")
    assert Stratum(Moments(), Moments()).information == 0
    lonely = Stratum(Moments.of_rate(10, 1000), Moments())
    assert isinstance(ConfidenceSequence().of(stratified_difference([lonely])), TooFew)
