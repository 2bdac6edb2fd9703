"""Shares of a bandit and its floor."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from scoreline_registry.statistics.experiments.allocation import best_of_means, best_of_rates, with_floor
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments

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
