"""Holm's correction against the paper, by its definition and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.experiments.multiplicity import (
    Correction,
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


@given(p_values, st.randoms())
def test_the_order_does_not_matter(p: list[float], shuffle: "np.random.Generator") -> None:
    order = list(range(len(p)))
    shuffle.shuffle(order)
    plain, moved = holm(p), holm([p[at] for at in order])
    assert moved.adjusted == pytest.approx([plain.adjusted[at] for at in order])


def test_one_hypothesis_is_left_as_it_is() -> None:
    assert holm([0.03]) == Correction((0.03,), (True,), 0.05, "Holm", "the chance of any false discovery")
    assert holm([]) == Correction((), (), 0.05, "Holm", "the chance of any false discovery")


def test_false_discoveries_stay_below_alpha() -> None:
    """1,000 experiments with ten metrics of which five move; noise of three standard errors."""
    draws = np.random.default_rng(1)
    z = draws.normal(np.repeat([0.0, 3.0], 5), 1, (1000, 10))
    p = 2 * stats.norm.sf(np.abs(z))
    any_false = [any(holm(row.tolist()).rejected[:5]) for row in p]
    assert np.mean(any_false) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)
