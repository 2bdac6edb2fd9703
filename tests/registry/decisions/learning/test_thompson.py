"""Thompson sampling by integration: propensities are those that actions are drawn with."""

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from scipy import stats

from scoreline_registry.decisions.learning.thompson import (
    KNOWN_ZERO,
    POINTS,
    Belief,
    BetaPosterior,
    NormalPosterior,
    drawn,
    explored,
    shares,
)
from scoreline_registry.statistics.experiments.allocation import best_of_rates


def test_two_normal_values_have_the_closed_form() -> None:
    first, second = Belief(NormalPosterior(1.0, 0.6)), Belief(NormalPosterior(0.5, 0.8))
    assert shares([first, second])[0] == pytest.approx(stats.norm.cdf(0.5), abs=1e-12)


def test_known_values_are_compared_and_equal_ones_share() -> None:
    better = Belief(NormalPosterior(2.0))
    assert shares([KNOWN_ZERO, better]) == (0.0, 1.0)
    assert shares([KNOWN_ZERO, KNOWN_ZERO]) == (0.5, 0.5)
    assert shares([better, KNOWN_ZERO, better]) == (0.5, 0.0, 0.5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (0.3, 2.5), (120.5, 4000), (2e6, 3e6), (0.05, 0.05)])
def test_beta_quantiles_are_those_of_the_distribution(shape: tuple[float, float]) -> None:
    posterior = BetaPosterior(*shape)
    levels = (np.arange(POINTS) + 0.5) / POINTS
    assert posterior.quantiles() == pytest.approx(stats.beta(*shape).ppf(levels), abs=0.01 * posterior.spread)
    assert (np.diff(posterior.quantiles()) >= 0).all()
    assert posterior.mean == pytest.approx(stats.beta(*shape).mean())
    assert posterior.spread == pytest.approx(stats.beta(*shape).std())


def test_rates_are_the_best_as_often_as_allocations_say() -> None:
    counts = [(30, 100), (38, 100), (33, 90), (1, 4)]
    beliefs = [Belief(BetaPosterior(1 + wins, 1 + count - wins)) for wins, count in counts]
    assert shares(beliefs) == pytest.approx(best_of_rates(counts), abs=0.01)


def test_values_of_one_decision_scale_and_shift_what_is_believed_of_the_effect() -> None:
    share = BetaPosterior(4, 6)
    cheap, dear = Belief(share, scale=10, shift=-1), Belief(share, scale=-10, shift=7)
    assert cheap.mean == pytest.approx(3)
    assert cheap.quantiles() == pytest.approx(10 * share.quantiles() - 1)
    # 10 p - 1 of one draw exceeds 7 - 10 q of another: p + q > 0.8.
    p, q = np.random.default_rng(1).beta(4, 6, (2, 400_000))
    assert shares([cheap, dear])[0] == pytest.approx((p + q > 0.8).mean(), abs=0.01)
    assert (np.diff(dear.quantiles()) >= 0).all()


def test_chances_of_three_are_those_of_draws() -> None:
    random = np.random.default_rng(2)
    draws = np.stack([random.beta(2, 3, 200_000) * 4 - 1, random.normal(0.4, 1, 200_000), np.zeros(200_000)])
    found = np.bincount(draws.argmax(axis=0), minlength=3) / 200_000
    beliefs = [Belief(BetaPosterior(2, 3), 4, -1), Belief(NormalPosterior(0.4, 1)), KNOWN_ZERO]
    assert shares(beliefs) == pytest.approx(found, abs=0.015)


def test_the_floor_is_kept_and_propensities_total_one() -> None:
    beliefs = [Belief(NormalPosterior(mean, 0.01)) for mean in (1.0, 0.0, -1.0)]
    found = shares(beliefs, floor=0.05)
    assert found == pytest.approx((0.9, 0.05, 0.05))
    assert math.fsum(found) == pytest.approx(1)
    assert shares(beliefs, floor=0.4) == pytest.approx((1 / 3,) * 3)


def test_actions_are_drawn_with_their_propensities() -> None:
    random, propensities = Random(3), (0.05, 0.0, 0.7, 0.25)
    counts = Counter(drawn(propensities, random.random()) for _ in range(20_000))
    assert 1 not in counts
    assert [counts[place] / 20_000 for place in (0, 2, 3)] == pytest.approx([0.05, 0.7, 0.25], abs=0.012)


def test_the_last_point_falls_on_the_last_action_that_can_be_drawn() -> None:
    assert drawn((0.1,) * 10 + (0.0,), math.nextafter(1, 0)) == 9
    assert drawn((1 / 3, 1 / 3, 1 / 3), math.nextafter(1, 0)) == 2
    assert drawn((0.0, 1.0), 0.0) == 1


def test_uniform_exploration_leaves_the_rest_to_the_best() -> None:
    assert explored(1, 4, 0.2) == pytest.approx((0.05, 0.85, 0.05, 0.05))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, 1e13])
def test_a_posterior_without_meaning_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        BetaPosterior(value, 1)
    with pytest.raises(ValueError, match="finite"):
        NormalPosterior(value if not math.isfinite(value) else 0.0, -1.0)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        shares([Belief(NormalPosterior(1.0), scale=math.inf), KNOWN_ZERO])
    with pytest.raises(ValueError, match="no action"):
        shares([])
