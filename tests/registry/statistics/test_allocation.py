"""Shares of a bandit, its floor, and the comparison after it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from scoreline_registry.statistics.allocation import (
    Period,
    best_of_means,
    best_of_rates,
    inverse_propensity,
    top_two,
    with_floor,
)
from scoreline_registry.statistics.differences import Contrast, contrast, rate
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.posterior import Posterior, relative_posterior

arms = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda arm: (arm[0], sum(arm))), min_size=2, max_size=5
)
shares = st.lists(st.floats(0.01, 1), min_size=1, max_size=6).map(lambda found: [w / sum(found) for w in found])


def exact(arms_seen: list[tuple[int, int]]) -> list[float]:
    """The chance of being best by adaptive quadrature of Beta posteriors."""
    laws = [stats.beta(1 + successes, 1 + count - successes) for successes, count in arms_seen]

    def integrand(x: float, arm: int) -> float:
        others = [law.cdf(x) for at, law in enumerate(laws) if at != arm]
        return float(laws[arm].pdf(x) * np.prod(others))

    marks = sorted({float(law.ppf(u)) for law in laws for u in (0.001, 0.5, 0.999)})
    return [integrate.quad(integrand, 0, 1, args=(arm,), points=marks, limit=500)[0] for arm in range(len(laws))]


@pytest.mark.parametrize(
    "seen",
    [
        [(49, 100), (51, 100)],
        [(0, 0), (0, 3), (3, 3)],
        [(122, 21306), (267, 21307), (189, 21387)],
        [(1, 1000), (0, 50), (2, 10)],
        [(50_000, 100_000), (3, 7)],
    ],
)
def test_chances_to_be_best_are_those_of_quadrature(seen: list[tuple[int, int]]) -> None:
    assert best_of_rates(seen) == pytest.approx(exact(seen), abs=2e-5)


@given(arms)
def test_chances_total_one_and_do_not_depend_on_the_order(seen: list[tuple[int, int]]) -> None:
    found = best_of_rates(seen)
    assert sum(found) == pytest.approx(1)
    assert best_of_rates(seen[::-1]) == pytest.approx(found[::-1], abs=1e-9)
    assert all(chance >= 0 for chance in found)


def test_arms_alike_have_equal_shares() -> None:
    assert best_of_rates([(5, 40)] * 4) == pytest.approx([0.25] * 4)
    assert best_of_rates([(0, 0)] * 3) == pytest.approx([1 / 3] * 3)


def test_means_have_the_normal_chance() -> None:
    first, second = Moments(100, 1.0, 99 * 4.0), Moments(50, 1.2, 49 * 1.0)
    found = best_of_means([first, second])
    z = 0.2 / math.sqrt(4 / 100 + 1 / 50)
    assert not isinstance(found, TooFew)
    assert found[1] == pytest.approx(stats.norm.cdf(z), abs=1e-6)
    assert isinstance(best_of_means([Moments(1, 0.0, 0.0), second]), TooFew)
    assert isinstance(best_of_means([Moments(5, 0.0, 0.0), Moments(5, 1.0, 0.0)]), TooFew)


def test_an_arm_without_variance_still_has_a_chance_or_none() -> None:
    found = best_of_means([Moments(50, 0.0, 0.0), Moments(50, 1.0, 49.0)])
    assert not isinstance(found, TooFew)
    assert found[1] == pytest.approx(1, abs=1e-6)


@given(shares, st.floats(0, 0.4))
def test_the_floor_is_that_of_growthbook(weights: list[float], floor: float) -> None:
    """Their test: p = f + (1 - n f) w, and equal shares where n f is above 1."""
    found, count = with_floor(weights, floor), len(weights)
    if count * floor > 1:
        assert found == (1 / count,) * count
    else:
        assert found == pytest.approx([floor + (1 - count * floor) * weight for weight in weights])
        assert min(found) >= floor - 1e-12
    assert sum(found) == pytest.approx(1)


@given(shares)
def test_top_two_gives_challengers_a_share(weights: list[float]) -> None:
    found = top_two(weights)
    assert sum(found) == pytest.approx(1)
    if len(weights) > 1:
        assert max(found) <= max(*weights, 0.5) + 1e-9


def test_top_two_is_what_a_simulation_draws() -> None:
    best, draws = np.array([0.7, 0.2, 0.1]), np.random.default_rng(1)
    leader = draws.choice(3, 200_000, p=best)
    other = draws.choice(3, 200_000, p=best)
    while (same := other == leader).any():
        other[same] = draws.choice(3, int(same.sum()), p=best)
    taken = np.where(draws.random(200_000) < 0.5, leader, other)
    assert top_two(best.tolist()) == pytest.approx(np.bincount(taken) / 200_000, abs=0.005)
    assert top_two([1.0, 0.0]) == (1, 0)


def adaptive(seed: int, effect: float) -> list[Period]:
    """Ten periods of 200 units whose shares follow the outcomes so far, with a floor of 10 %, and a trend over time."""
    draws = np.random.default_rng(seed)
    seen, share, periods = [(0, 0), (0, 0)], 0.5, []
    for step in range(10):
        treated = draws.random(200) < share
        outcome = draws.random(200) < 0.2 + 0.03 * step + effect * treated
        arms_seen = [(int(outcome[kept].sum()), int(kept.sum())) for kept in (~treated, treated)]
        moments = [Moments.of_rate(*arm) for arm in arms_seen]
        periods.append(Period(200, moments[0], moments[1], 1 - share, share))
        seen = [(old[0] + new[0], old[1] + new[1]) for old, new in zip(seen, arms_seen, strict=True)]
        share = with_floor(best_of_rates(seen), 0.1)[1]
    return periods


def test_inverse_propensity_is_unbiased_where_plain_means_are_not() -> None:
    """120 bandits over a rising rate: the plain difference is off by many standard errors, the weighed one covers."""
    plain, weighed, covered = [], [], []
    for seed in range(120):
        periods = adaptive(seed, effect=0.1)
        pooled = [sum((getattr(period, arm) for period in periods), start=Moments()) for arm in ("control", "treated")]
        simple, found = contrast(*pooled), inverse_propensity(periods)
        assert isinstance(simple, Contrast)
        assert isinstance(found, Contrast)
        estimate = found.fixed()
        plain.append(simple.value)
        weighed.append(found.value)
        covered.append(estimate.low <= 0.1 <= estimate.high)
    error = float(np.std(weighed)) / math.sqrt(120)
    assert np.mean(plain) > 0.1 + 10 * np.std(plain) / math.sqrt(120)
    assert np.mean(weighed) == pytest.approx(0.1, abs=3 * error)
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 120))


def test_equal_shares_weigh_as_the_plain_difference() -> None:
    """Half and half in truth and in fact: the estimate is the plain difference, the error is Welch's."""
    draws = np.random.default_rng(2)
    control, treated = (Moments.of(draws.normal(mean, 1, 5000)) for mean in (0.0, 0.2))
    found, plain = inverse_propensity([Period(10_000, control, treated, 0.5, 0.5)]), contrast(control, treated)
    assert isinstance(found, Contrast)
    assert isinstance(plain, Contrast)
    assert found.value == pytest.approx(plain.value)
    assert found.error == pytest.approx(plain.error, rel=0.01)


def test_rows_of_other_arms_count_as_rows() -> None:
    rows = Moments.of(np.array([1.0, 2.0, 3.0]))
    two = inverse_propensity([Period(6, rows, rows + rows, 1 / 3, 2 / 3)])
    assert isinstance(two, Contrast)
    three = inverse_propensity([Period(12, rows, rows + rows, 1 / 6, 1 / 3)])
    assert isinstance(three, Contrast)
    assert (two.count, three.count) == (6, 12)
    assert inverse_propensity([Period(3, rows, Moments(), 0.5, 0.5)]) == TooFew(
        0, 2, "inverse propensity (Horvitz-Thompson)"
    )


def test_the_posterior_is_that_of_growthbook() -> None:
    found = relative_posterior(rate(49, 100), rate(51, 100))
    assert isinstance(found, Posterior)
    assert isinstance(found.effect, Estimate)
    assert round(found.chance_to_win, 5) == 0.60918
    assert [round(value, 5) for value in (found.effect.value, found.effect.low, found.effect.high)] == [
        0.04082,
        -0.24779,
        0.32943,
    ]
    assert (round(found.risk_of_control, 5), round(found.risk_of_treated, 5)) == (0.0814, 0.04058)
    assert isinstance(relative_posterior(rate(0, 0), rate(1, 2)), TooFew)
