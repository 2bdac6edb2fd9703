"""Off-policy estimates: figures by hand, coverage of the truth, and what a log cannot say."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import mean
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.off_policy.bernstein import bounded_inverse_propensity, empirical_bernstein
from scoreline_registry.statistics.off_policy.estimators import (
    LEAST_EFFECTIVE,
    Terms,
    clipped_share,
    doubly_robust,
    effective,
    inverse_propensity,
    mean_weight,
    self_normalised,
)
from scoreline_registry.statistics.off_policy.logged import LoggedDecisions, NoSupportError
from scoreline_registry.statistics.off_policy.outcome_models import action_means, fitted
from tests.registry.statistics.off_policy.simulated import expected, logged, true_value

Estimator = Callable[[LoggedDecisions, npt.NDArray[np.float64]], Terms]

ESTIMATORS: dict[str, Estimator] = {
    "ips": lambda log, _: inverse_propensity(log),
    "snips": lambda log, _: self_normalised(log),
    "dr": lambda log, features: doubly_robust(log, fitted(log, features)),
    "dr, no features": lambda log, _: doubly_robust(log, action_means(log)),
}


def small() -> LoggedDecisions:
    """Four decisions whose figures are worked out by hand."""
    return LoggedDecisions(
        ("none", "nudge"),
        np.array([0, 1, 1, 0]),
        np.array([1.0, 4.0, 0.0, 2.0]),
        np.array([0.5, 0.5, 0.25, 0.8]),
        np.array([[0.25, 0.75], [0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]),
    )


def test_estimates_worked_out_by_hand() -> None:
    log = small()
    assert log.weights.tolist() == [0.5, 1.0, 4.0, 1.25]
    assert inverse_propensity(log).terms.mean() == pytest.approx((0.5 + 4 + 0 + 2.5) / 4)
    assert self_normalised(log).terms.mean() == pytest.approx((0.5 + 4 + 0 + 2.5) / 6.75)
    assert effective(log.weights) == pytest.approx(6.75**2 / (0.25 + 1 + 16 + 1.5625))
    predicted = np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 1.0], [2.0, 2.0]])
    # 1.75 + 0.5 * 0, 1.5 + 1 * 1, 1 + 4 * -1, 2 + 1.25 * 0
    assert doubly_robust(log, predicted).terms.tolist() == pytest.approx([1.75, 2.5, -3.0, 2.0])
    assert inverse_propensity(log).minus(log.rewards).terms.mean() == pytest.approx(0.0)


def test_clipping_is_stated_and_takes_its_share_of_the_weight() -> None:
    clipped = inverse_propensity(small(), clip=2)
    assert clipped.name == "inverse propensity, weights clipped at 2"
    assert clipped.terms.tolist() == [0.5, 4.0, 0.0, 2.5]
    assert clipped_share(small(), 2) == pytest.approx(2 / 6.75)
    assert clipped_share(small(), math.inf) == 0
    for clip in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="clipped at a number above 0"):
            inverse_propensity(small(), clip=clip)


def test_the_value_of_the_policy_that_ran_is_its_mean_reward() -> None:
    log, features = logged(2_000, 5)
    itself = replace(log, targets=np.eye(3)[log.taken], propensities=np.ones(len(log)))
    for estimator in ESTIMATORS.values():
        figure = estimator(itself, features).figure()
        plain = mean(Moments.of(log.rewards))
        assert isinstance(figure, Estimate)
        assert isinstance(plain, Estimate)
        assert (figure.value, figure.low, figure.p) == pytest.approx((plain.value, plain.low, plain.p))
        assert estimator(itself, features).minus(log.rewards).terms.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_intervals_cover_the_truth(name: str) -> None:
    assert _coverage(name, seeds=150, count=800) >= 0.90


@pytest.mark.acceptance
@pytest.mark.parametrize("name", ESTIMATORS)
def test_intervals_cover_the_truth_at_their_level(name: str) -> None:
    # Of 1,000 intervals at 95 %, 936 to 964 cover in 95 of 100 repetitions.
    assert 0.932 <= _coverage(name, seeds=1_000, count=3_000) <= 0.968


@pytest.mark.acceptance
def test_intervals_over_units_cover_where_their_decisions_depend_on_each_other() -> None:
    assert 0.932 <= _coverage("ips", seeds=1_000, count=800, units=400) <= 0.968
    assert _coverage("ips", seeds=1_000, count=800, units=60, by_unit=False) < 0.90


def test_a_model_makes_the_interval_narrower() -> None:
    log, features = logged(4_000, 7)
    widths = [_width(ESTIMATORS[name](log, features)) for name in ("ips", "dr")]
    assert widths[1] < 0.97 * widths[0]


def test_the_true_model_or_the_true_propensities_are_enough() -> None:
    log, features = logged(200_000, 8)
    truth = true_value()
    wrong = replace(log, propensities=np.full(len(log), 1 / 3))
    assert doubly_robust(wrong, expected(features[:, 0])).terms.mean() == pytest.approx(truth, abs=0.03)
    assert doubly_robust(log, np.full((len(log), 3), 7.0)).terms.mean() == pytest.approx(truth, abs=0.06)
    assert abs(inverse_propensity(wrong).terms.mean() - truth) > 0.1


def test_wrong_propensities_show_in_the_mean_weight() -> None:
    log, _ = logged(5_000, 9)
    right, wrong = (mean_weight(each).figure() for each in (log, replace(log, propensities=np.full(len(log), 1 / 3))))
    assert isinstance(right, Estimate)
    assert isinstance(wrong, Estimate)
    assert right.low < 1 < right.high
    assert not wrong.low < 1 < wrong.high


def test_decisions_of_one_unit_make_the_interval_wider() -> None:
    log, _ = logged(4_000, 10, units=100)
    by_unit, alone = (inverse_propensity(each) for each in (log, replace(log, units=None)))
    assert _width(by_unit) > 1.5 * _width(alone)
    found = by_unit.contrast()
    assert isinstance(found, Contrast)
    assert (found.smallest, found.count) == (100, 4_000)


def test_an_action_that_the_log_never_takes_is_refused_by_name() -> None:
    log = replace(small(), taken=np.zeros(4, np.intp))
    with pytest.raises(NoSupportError, match=r"'nudge', which the log never takes: 56\.25% of its decisions") as caught:
        inverse_propensity(log)
    assert caught.value.action == "nudge"
    assert caught.value.share == pytest.approx(0.5625)


def test_a_decision_that_was_certain_supports_no_other_action() -> None:
    log = replace(small(), propensities=np.array([1.0, 0.5, 0.25, 1.0]))
    with pytest.raises(NoSupportError, match=r"'nudge', which the log never takes in such decisions: 18\.75%"):
        self_normalised(log)
    assert log.is_supported.tolist() == [False, True, True, True]
    kept = log.among(log.is_supported)
    assert len(kept) == 3
    kept.check_support()


def test_all_probabilities_of_the_log_show_every_lack_of_support() -> None:
    logging = np.array([[0.5, 0.5], [0.5, 0.5], [0.75, 0.25], [0.8, 0.2]])
    replace(small(), logging=logging).check_support()
    logging[1], logging[2] = (0.0, 1.0), (0.0, 1.0)
    with pytest.raises(NoSupportError, match=r"'none', which the log never takes in such decisions: 12\.50%"):
        replace(small(), logging=logging).check_support()


def test_few_effective_decisions_have_no_interval() -> None:
    figure = inverse_propensity(small()).figure()
    assert isinstance(figure, TooFew)
    assert (figure.count, figure.needed) == (2, LEAST_EFFECTIVE)
    nobody = small().among(np.zeros(4, np.bool_))
    assert isinstance(inverse_propensity(nobody).figure(), TooFew)
    assert isinstance(self_normalised(nobody).figure(), TooFew)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rewards": np.array([1.0, math.nan, 0, 0])}, "rewards are finite"),
        ({"rewards": np.zeros(3)}, "rewards of 4 decisions"),
        ({"propensities": np.array([0.0, 1, 1, 1])}, "propensities are above 0"),
        ({"propensities": np.array([math.nan, 1, 1, 1])}, "propensities are above 0"),
        ({"propensities": np.array([1.5, 1, 1, 1])}, "propensities are above 0 and at most 1"),
        ({"targets": np.full((4, 2), 0.6)}, "total 1"),
        ({"targets": np.full((4, 2), math.nan)}, "total 1"),
        ({"taken": np.array([0, 1, 2, 0])}, "indices from 0 to 1"),
        ({"logging": np.ones((4, 2))}, "logging probabilities"),
    ],
)
def test_numbers_without_meaning_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(small(), **changed)


def test_predictions_without_meaning_are_refused() -> None:
    for predicted in (np.zeros((4, 3)), np.full((4, 2), math.nan)):
        with pytest.raises(ValueError, match="predicted rewards"):
            doubly_robust(small(), predicted)


def test_fitted_models_take_missing_and_constant_features() -> None:
    log, features = logged(600, 11)
    columns = np.column_stack([features[:, 0], np.ones(600), np.where(features[:, 0] > 1, np.nan, 0.0)])
    assert np.isfinite(fitted(log, columns)).all()
    with pytest.raises(ValueError, match="features have the shape"):
        fitted(log, columns[:5])


def test_a_prediction_does_not_learn_from_its_own_unit() -> None:
    log, features = logged(500, 12, units=50)
    assert log.units is not None
    moved = replace(log, rewards=np.where(log.units == 3, 1e6, log.rewards))
    own = log.units == 3
    assert fitted(moved, features)[own] == pytest.approx(fitted(log, features)[own])


def test_the_empirical_bernstein_interval_is_the_published_formula() -> None:
    values = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = empirical_bernstein(values, (0, 1), alpha=0.2, name="mean")
    assert isinstance(found, Estimate)
    # Variance 0.3, ln 20 = 2.995732: the reach is above 1 for so few.
    assert (round(found.value, 9), found.low, found.high) == (0.6, 0, 1)
    many = np.tile(values, 2_000)
    found = empirical_bernstein(many, (0, 1), alpha=0.2, name="mean")
    assert isinstance(found, Estimate)
    reach = math.sqrt(2 * 0.24 * 10_000 / 9_999 * math.log(20) / 10_000) + 7 * math.log(20) / (3 * 9_999)
    assert found.high - found.value == pytest.approx(reach)
    with pytest.raises(ValueError, match="values are within 0 and 1"):
        empirical_bernstein(values * 2, (0, 1), name="mean")
    assert isinstance(empirical_bernstein(values[:1], (0, 1), name="mean"), TooFew)


def test_the_bounded_interval_is_wider_and_takes_no_repeated_units() -> None:
    log, _ = logged(4_000, 13)
    bounded = replace(log, rewards=1 / (1 + np.exp(-log.rewards)))
    exact = bounded_inverse_propensity(bounded, (0, 1), largest_weight=20)
    assert isinstance(exact, Estimate)
    assert exact.high - exact.low > _width(inverse_propensity(bounded))
    with pytest.raises(ValueError, match="independent decisions"):
        bounded_inverse_propensity(replace(bounded, units=np.arange(4_000)), (0, 1), largest_weight=20)


def _width(terms: Terms) -> float:
    figure = terms.figure()
    assert isinstance(figure, Estimate)
    return figure.high - figure.low


def _coverage(name: str, *, seeds: int, count: int, units: int | None = None, by_unit: bool = True) -> float:
    """How many of the 95 % intervals cover the true value."""
    truth, covered = true_value(), 0
    for seed in range(seeds):
        log, features = logged(count, 1_000 + seed, units=units)
        figure = ESTIMATORS[name](log if by_unit else replace(log, units=None), features).figure()
        assert isinstance(figure, Estimate)
        covered += figure.low <= truth <= figure.high
    return covered / seeds
