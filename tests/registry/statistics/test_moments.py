"""Moments merge like the samples they are of; figures say what they exclude."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.moments import Moments

SAMPLE = st.lists(st.floats(-1e6, 1e6), max_size=30)


@given(SAMPLE, SAMPLE)
def test_merged_moments_are_those_of_the_merged_sample(first: list[float], second: list[float]) -> None:
    merged = Moments.of(np.array(first)) + Moments.of(np.array(second))
    whole = Moments.of(np.array(first + second))
    assert merged.count == whole.count
    assert merged.mean == pytest.approx(whole.mean, abs=1e-6)
    assert merged.squares == pytest.approx(whole.squares, rel=1e-6, abs=1e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50))
def test_variance_equals_numpy(values: list[float]) -> None:
    sample = np.array(values)
    found = Moments.of_sums(len(values), float(sample.sum()), float(np.square(sample).sum()))
    assert Moments.of(sample).variance == pytest.approx(sample.var(ddof=1))
    assert found.mean == pytest.approx(sample.mean())
    assert found.variance == pytest.approx(sample.var(ddof=1), abs=1e-6)
    assert Moments.of(sample).variance_of_mean == pytest.approx(sample.var(ddof=1) / len(values))


def test_half_floats_are_summed_in_double() -> None:
    """A million float32 values far from 0 keep their variance."""
    sample = (1e4 + np.random.default_rng(1).normal(0, 1, 1_000_000)).astype(np.float32)
    assert Moments.of(sample).variance == pytest.approx(1, rel=0.01)


def test_moments_of_a_rate_are_those_of_zeros_and_ones() -> None:
    found, expected = Moments.of_rate(30, 100), Moments.of(np.array([1.0] * 30 + [0.0] * 70))
    assert (found.count, found.mean, found.squares) == pytest.approx((100, expected.mean, expected.squares))


def test_fewer_than_two_values_have_no_variance() -> None:
    for sample in (Moments(), Moments.of(np.array([3.0]))):
        assert math.isnan(sample.variance)
        assert math.isnan(sample.variance_of_mean)
    assert Moments.of(np.empty(0)) == Moments() == Moments() + Moments() == Moments.of_sums(0, 0, 0)


@pytest.mark.parametrize(("low", "high", "excludes"), [(0.1, 0.3, True), (-0.3, -0.1, True), (-0.1, 0.1, False)])
def test_an_interval_excludes_zero_on_either_side(low: float, high: float, excludes: bool) -> None:
    assert Estimate((low + high) / 2, low, high, None, 0.95, "interval", "none", 10).excludes_zero is excludes
