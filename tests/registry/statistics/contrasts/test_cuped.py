"""Adjustment by covariates: against GrowthBook's tables and against regressions of the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.contrasts import cuped
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import difference, ratio
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments


def figure(adjusted: cuped.Adjusted | TooFew, *, relative: bool) -> Estimate:
    assert isinstance(adjusted, cuped.Adjusted)
    found = adjusted.difference(relative=relative)
    assert isinstance(found, Estimate)
    return found


def arm(count: int, totals: list[float], squares: list[float], product: float) -> JointMoments:
    return JointMoments.of_sums(count, totals, [[squares[0], product], [product, squares[1]]])


def ratio_arm(squares: dict[str, tuple[float, float]], products: dict[str, float]) -> JointMoments:
    """100 units with columns m, d, M, D (capitals: earlier) of these sums, sums of squares and of products."""
    names = "mdMD"
    table = [
        [squares[a][1] if a == b else products.get(a + b, products.get(b + a, np.nan)) for b in names] for a in names
    ]
    return JointMoments.of_sums(100, [squares[name][0] for name in names], table)


def test_an_adjusted_mean_is_that_of_growthbook() -> None:
    control, treated = arm(3001, [300, 210], [600, 415], -20), arm(3000, [222, 120], [555, 405], -10)
    found = figure(cuped.adjust(control, treated), relative=True)
    assert found.value == pytest.approx(-0.281707154, abs=5e-10)
    assert found.p == pytest.approx(0.003732549, abs=5e-10)


def test_an_adjusted_rate_is_that_of_growthbook() -> None:
    control, treated = arm(3001, [300, 210], [300, 210], -20), arm(3000, [222, 120], [222, 120], -10)
    found = figure(cuped.adjust(control, treated, rates=True), relative=True)
    assert found.value == pytest.approx(-0.31620216, abs=5e-9)
    assert found.p == pytest.approx(0.000000353, abs=5e-10)


def growthbook_ratio() -> tuple[JointMoments, JointMoments]:
    """The arms of its test of a ratio metric."""
    control = ratio_arm(
        {
            "m": (485.112236689623, 2715.484666118136),
            "d": (679.9093275844917, 4939.424001640236),
            "M": (192.59138069991536, 460.076026390857),
            "D": (290.1398399750233, 920.9461385038898),
        },
        {
            "mM": 1113.6215759318352,
            "dD": 2130.9404074446747,
            "MD": 634.239482353647,
            "md": 3602.146836776702,
            "mD": 1559.2878434944676,
            "Md": 1460.3181079276983,
        },
    )
    treated = ratio_arm(
        {
            "m": (514.7757826608777, 2994.897482705013),
            "d": (705.4090874383759, 5291.36604146392),
            "M": (206.94157227402536, 514.2903702246757),
            "D": (302.54389139107326, 994.4506208125663),
        },
        {
            "mM": 1237.0953021125997,
            "dD": 2292.081739775257,
            "MD": 698.4173425817908,
            "md": 3918.1561431600717,
            "mD": 1701.0287270040265,
            "Md": 1604.0759503266522,
        },
    )
    return control, treated


def test_an_adjusted_ratio_is_that_of_growthbook() -> None:
    control, treated = growthbook_ratio()
    found = figure(cuped.adjust_ratio(control, treated), relative=True)
    assert found.p is not None
    assert [round(value, 5) for value in (found.value, found.low, found.high, found.p)] == [
        -0.0007,
        -0.00841,
        0.007,
        0.85771,
    ]


def test_the_always_valid_interval_of_an_adjusted_ratio_is_that_of_growthbook() -> None:
    adjusted = cuped.adjust_ratio(*growthbook_ratio())
    assert isinstance(adjusted, cuped.Adjusted)
    assert isinstance(adjusted.relative, Contrast)
    found = ConfidenceSequence().of(adjusted.relative)
    assert isinstance(found, Estimate)
    assert (round(found.low, 5), round(found.high, 5)) == (-0.02063, 0.01923)


def drawn(seed: int, slope: float, effect: float = 0.3) -> tuple[JointMoments, JointMoments]:
    draws = np.random.default_rng(seed)
    earlier = draws.normal(5, 2, (2, 4000))
    now = slope * earlier + draws.normal(0, 1, (2, 4000)) + np.array([[0], [effect]])
    return JointMoments.of(now[0], earlier[0]), JointMoments.of(now[1], earlier[1])


def test_a_covariate_takes_away_the_variance_that_it_explains() -> None:
    """With slope 1 and variances 4 and 1, four fifths of the variance are the covariate's."""
    control, treated = drawn(1, slope=1)
    found = cuped.adjust(control, treated)
    assert found.theta == pytest.approx(1, abs=0.03)
    assert found.variance_reduction == pytest.approx(0.8, abs=0.02)
    assert found.gain
    plain = difference(control.column(0), treated.column(0))
    adjusted = figure(found, relative=False)
    assert isinstance(plain, Estimate)
    assert (adjusted.high - adjusted.low) / (plain.high - plain.low) == pytest.approx(
        np.sqrt(1 - found.variance_reduction), rel=1e-3
    )
    assert adjusted.low < 0.3 < adjusted.high


def test_a_covariate_of_no_use_is_said_to_bring_no_gain() -> None:
    found = cuped.adjust(*drawn(2, slope=0))
    assert 0 <= found.variance_reduction < 0.001
    assert not found.gain


def test_a_covariate_that_never_varies_changes_nothing() -> None:
    draws = np.random.default_rng(3)
    rows = draws.normal(size=(2, 50))
    control, treated = (JointMoments.of(row, np.ones(50)) for row in rows)
    found = cuped.adjust(control, treated)
    plain = difference(control.column(0), treated.column(0))
    assert isinstance(plain, Estimate)
    assert (found.theta, found.gain) == (0, False)
    assert figure(found, relative=False).low == pytest.approx(plain.low)


@given(st.integers(0, 1000), st.floats(-50, 50), st.floats(0.1, 20))
def test_the_covariates_unit_does_not_matter(seed: int, shift: float, scale: float) -> None:
    draws = np.random.default_rng(seed)
    earlier, noise = draws.normal(2, 1, (2, 60)), draws.normal(size=(2, 60))
    now = 10 + earlier + noise
    plain = cuped.adjust(*(JointMoments.of(y, x) for y, x in zip(now, earlier, strict=True)))
    moved = cuped.adjust(*(JointMoments.of(y, shift + scale * x) for y, x in zip(now, earlier, strict=True)))
    for relative in (False, True):
        first, second = figure(plain, relative=relative), figure(moved, relative=relative)
        assert (second.low, second.high) == pytest.approx((first.low, first.high), rel=1e-6, abs=1e-9)


def test_a_ratio_is_adjusted_by_a_plain_covariate() -> None:
    draws = np.random.default_rng(4)
    arms = []
    for _ in range(2):
        habit = draws.normal(10, 2, 3000)
        orders = draws.poisson(3, 3000) + 1.0
        arms.append(JointMoments.of(orders * (habit + draws.normal(size=3000)), orders, habit))
    found = cuped.adjust_ratio(*arms)
    assert isinstance(found, cuped.Adjusted)
    before = [ratio(joint) for joint in arms]
    assert found.theta == pytest.approx(1, abs=0.1)
    assert found.variance_reduction > 0.5
    assert found.control.variance < before[0].variance


def test_the_adjusted_moments_give_the_interval() -> None:
    found = cuped.adjust(*drawn(6, slope=0.5))
    again = difference(found.control, found.treated)
    assert isinstance(again, Estimate)
    assert isinstance(found.absolute, Contrast)
    assert (again.low, again.p) == (figure(found, relative=False).low, figure(found, relative=False).p)


def test_too_few_rows_are_told() -> None:
    none, one = JointMoments.empty(2), JointMoments.of(np.ones(1), np.ones(1))
    assert isinstance(cuped.adjust(none, one).difference(), TooFew)
    assert isinstance(cuped.adjust(none, one).difference(relative=True), TooFew)
    assert isinstance(cuped.adjust_ratio(JointMoments.empty(3), JointMoments.empty(3)), TooFew)
