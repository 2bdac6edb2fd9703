"""Corrections against SciPy, by their definitions and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.multiplicity import (
    Correction,
    benjamini_hochberg,
    e_benjamini_hochberg,
    e_of_p,
    holm,
)

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_is_that_of_the_paper() -> None:
    """Holm 1979: p 0.01, 0.04, 0.03, 0.005 of four tests are compared with alpha / 4, / 3, / 2, / 1 in turn."""
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert found.adjusted == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert found.rejected == (True, False, False, True)


@given(p_values, st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_rejects_until_the_first_p_above_its_level(p: list[float], alpha: float) -> None:
    found = holm(p, alpha=alpha)
    rejected = [False] * len(p)
    for step, at in enumerate(np.argsort(p, kind="stable")):
        if p[at] * (len(p) - step) > alpha:
            break
        rejected[at] = True
    assert list(found.rejected) == rejected


@given(p_values)
def test_benjamini_hochberg_is_that_of_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p).adjusted == pytest.approx(stats.false_discovery_control(p))


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_e_values_are_rejected_as_the_paper_says(e: list[float], alpha: float) -> None:
    """Wang and Ramdas 2022: k is the greatest k whose k-th largest e-value is at least K / (alpha k)."""
    ordered = sorted(e, reverse=True)
    k = max((k for k in range(1, len(e) + 1) if k * ordered[k - 1] * alpha >= len(e)), default=0)
    found = e_benjamini_hochberg(e, alpha=alpha)
    near = [abs(k * ordered[k - 1] * alpha / len(e) - 1) < 1e-9 for k in range(1, len(e) + 1)]
    assert sum(found.rejected) == k or any(near)


@given(p_values, st.randoms())
def test_the_order_does_not_matter(p: list[float], shuffle: "np.random.Generator") -> None:
    order = list(range(len(p)))
    shuffle.shuffle(order)
    for correct in (holm, benjamini_hochberg):
        plain, moved = correct(p), correct([p[at] for at in order])
        assert moved.adjusted == pytest.approx([plain.adjusted[at] for at in order])


def test_one_hypothesis_is_left_as_it_is() -> None:
    for found in (holm([0.03]), benjamini_hochberg([0.03]), e_benjamini_hochberg([1 / 0.03])):
        assert found.adjusted == pytest.approx((0.03,))
        assert found.rejected == (True,)
    assert holm([]) == Correction((), (), 0.05, "Holm", "the chance of any false discovery")


def test_an_e_value_of_a_p_value_is_one_on_average() -> None:
    """The integral over uniform p, by quadrature."""
    from scipy.integrate import quad

    whole = quad(lambda t: e_of_p(math.exp(-t)) * math.exp(-t), 1e-4, 60, limit=400)[0]
    assert whole == pytest.approx(1, abs=0.02)
    assert (e_of_p(0), e_of_p(1)) == (math.inf, 0.5)
    assert e_of_p(1 - 1e-5) == pytest.approx(0.5, abs=1e-4)


@given(st.floats(1e-12, 0.99), st.floats(1e-12, 0.99))
def test_smaller_p_values_are_larger_e_values(first: float, second: float) -> None:
    if first < second * (1 - 1e-6):
        assert e_of_p(first) > e_of_p(second)


def test_false_discoveries_stay_below_alpha() -> None:
    """1,000 experiments with ten metrics of which five move; noise of three standard errors."""
    draws = np.random.default_rng(1)
    z = draws.normal(np.repeat([0.0, 3.0], 5), 1, (1000, 10))
    p = 2 * stats.norm.sf(np.abs(z))
    any_false = [any(holm(row.tolist()).rejected[:5]) for row in p]
    shares = []
    for row in p:
        found = benjamini_hochberg(row.tolist()).rejected
        shares.append(sum(found[:5]) / max(sum(found), 1))
    assert np.mean(any_false) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)
    assert np.mean(shares) < 0.05 + 3 * np.std(shares) / math.sqrt(1000)
