"""Uniform boundaries: the values of confseq's own tests, which their authors computed in R."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special as oracle

from scoreline_registry.statistics import special
from scoreline_registry.statistics.always_valid.mixtures import (
    BetaBinomialMixture,
    GammaExponentialMixture,
    GammaPoissonMixture,
    Mixture,
    NormalMixture,
    crossing,
    distribution_bound,
    polynomial_stitching_bound,
    tuned_rho,
)

ONE_SIDED = tuned_rho(100, one_sided=True)


@pytest.mark.parametrize(
    ("mixture", "evidence", "bound"),
    [
        (NormalMixture(tuned_rho(100)), -0.6510052, 30.35209),
        (NormalMixture(ONE_SIDED, one_sided=True), -0.06502391, 27.66071),
        (GammaExponentialMixture(ONE_SIDED, 2), -0.2490165, 33.02017),
        (GammaPoissonMixture(ONE_SIDED, 2), -0.06991219, 30.1949),
        (BetaBinomialMixture.tuned(100, 0.2, 0.8), -0.6941012, 31.4308),
        (BetaBinomialMixture.tuned(100, 0.2, 0.8, one_sided=True), -0.07134019, 28.41238),
    ],
    ids=lambda value: type(value).__name__,
)
def test_mixtures_equal_confseq(mixture: NormalMixture, evidence: float, bound: float) -> None:
    assert mixture.log_evidence(10, 100) == pytest.approx(evidence, abs=1e-7)
    assert mixture.bound(100, 0.05) == pytest.approx(bound, abs=5e-6)


def test_stitched_and_distribution_bounds_equal_confseq() -> None:
    assert polynomial_stitching_bound(100, 0.05, 10, c=3) == pytest.approx(64.48755, abs=5e-6)
    assert polynomial_stitching_bound(100, 0.05, 10, c=-1) == pytest.approx(28.99389, abs=5e-6)
    assert distribution_bound(1000, 0.05) == pytest.approx(0.08204769, abs=1e-6)
    assert distribution_bound(99, 0.05) == math.inf


def test_the_closed_rho_is_nearly_the_best() -> None:
    assert tuned_rho(100) == pytest.approx(12.60056, abs=5e-6)
    best = NormalMixture(12.1773)
    assert best.bound(100, 0.05) == pytest.approx(30.35122, abs=5e-6)
    assert best.bound(100, 0.05) == min(NormalMixture(12.1773 + step / 10).bound(100, 0.05) for step in range(-50, 51))


@pytest.mark.parametrize("mixture", [NormalMixture(12.6), BetaBinomialMixture.tuned(100, 0.5, 0.5)])
def test_the_evidence_at_the_bound_is_one_over_alpha(mixture: NormalMixture) -> None:
    for v in (20.0, 100.0, 1000.0):
        assert mixture.log_evidence(mixture.bound(v, 0.05), v) == pytest.approx(math.log(20))


def test_a_walk_that_cannot_reach_the_bound_never_crosses_it() -> None:
    """Ten rows of a rate of a half sum to 5 at most."""
    assert BetaBinomialMixture.tuned(100, 0.5, 0.5).bound(2.5, 1e-6) == 5


class Flat:
    def log_evidence(self, s: float, v: float) -> float:
        return s / 1e6 - v


def test_a_crossing_far_away_is_found() -> None:
    mixture: Mixture = Flat()
    assert crossing(mixture, 1.0, math.exp(-1)) == pytest.approx(2e6)


@given(st.floats(0.01, 5000), st.floats(0.01, 5000), st.floats(1e-6, 1))
def test_incomplete_beta_equals_scipy(a: float, b: float, x: float) -> None:
    expected = oracle.betainc(a, b, x)
    if expected > 1e-290:
        assert special.log_beta_ratio(a, b, x) == pytest.approx(np.log(expected), abs=1e-8, rel=1e-8)
    else:
        assert special.log_beta_ratio(a, b, x) < -600


@given(st.floats(0.01, 5000), st.floats(0.01, 5000))
def test_incomplete_gamma_equals_scipy(a: float, x: float) -> None:
    for found, expected in (
        (special.log_gamma_p(a, x), oracle.gammainc(a, x)),
        (special.log_gamma_q(a, x), oracle.gammaincc(a, x)),
    ):
        if expected > 1e-290:
            assert found == pytest.approx(np.log(expected), abs=1e-8, rel=1e-8)
        else:
            assert found < -600


@given(st.floats(-37, 8))
def test_normal_distribution_equals_scipy(z: float) -> None:
    assert special.log_normal_cdf(z) == pytest.approx(oracle.log_ndtr(z), rel=1e-9, abs=1e-12)
    assert special.log_normal_cdf(-40) == -math.inf
