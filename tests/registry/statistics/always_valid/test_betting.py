"""Tests by betting: exact at every count, valid at every look, and the same however the values are grouped."""

import math

import numpy as np
import pytest

from scoreline_registry.statistics.always_valid.betting import (
    BoundedSample,
    log_evidence_above,
    log_evidence_below,
    log_rate_evidence,
    lower_bound,
    upper_bound,
)

ALPHA = 0.05


def test_evidence_is_the_wealth_of_bets_as_they_are_defined() -> None:
    """E = mean over alternatives q of the product of q / p for a one and (1 - q) / (1 - p) for a zero."""
    p, odds = 0.1, 0.1 / 0.9 * np.exp(np.geomspace(0.1, 8.0, 24))
    q = odds / (1 + odds)
    wealth = np.mean((q / p) ** 3 * ((1 - q) / (1 - p)) ** 7)
    assert log_evidence_above(BoundedSample.of_rate(3, 10), p) == pytest.approx(math.log(wealth))
    assert log_rate_evidence(np.array([3]), 10, p)[0] == pytest.approx(math.log(wealth))


def test_zeros_and_ones_are_as_good_as_counts() -> None:
    values = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    assert log_evidence_above(BoundedSample.of(values), 0.2) == log_evidence_above(BoundedSample.of_rate(2, 5), 0.2)


def test_samples_add_up() -> None:
    values = np.random.default_rng(0).random(1000)
    parts = BoundedSample.of(values[:300]) + BoundedSample.of(values[300:])
    whole = BoundedSample.of(values)
    assert parts.count == 1000
    assert log_evidence_above(parts, 0.4) == log_evidence_above(whole, 0.4)
    assert parts.mean == pytest.approx(values.mean(), abs=1e-4)


def test_values_between_thousandths_favour_no_difference_in_both_directions() -> None:
    exact, off = BoundedSample.of(np.full(500, 0.3)), BoundedSample.of(np.full(500, 0.3004))
    assert log_evidence_above(off, 0.2) == log_evidence_above(exact, 0.2)
    assert log_evidence_below(off, 0.4) < log_evidence_below(exact, 0.4)
    assert off.mean == pytest.approx(0.3005)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan])
def test_values_that_are_no_shares_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        BoundedSample.of(np.array([0.5, value]))


@pytest.mark.parametrize(("successes", "count"), [(0, 50), (1, 50), (5, 50), (50, 50), (700, 1000), (3, 100_000)])
def test_bounds_are_the_means_that_evidence_just_rejects(successes: int, count: int) -> None:
    sample, needed = BoundedSample.of_rate(successes, count), math.log(1 / ALPHA)
    low, high = lower_bound(sample, ALPHA), upper_bound(sample, ALPHA)
    assert low <= successes / count <= high
    if low > 1e-5:
        assert log_evidence_above(sample, low) == pytest.approx(needed, abs=1e-4)
    if high < 1:
        assert log_evidence_below(sample, high) == pytest.approx(needed, abs=1e-4)
    below_low = [log_evidence_above(sample, mean) for mean in np.linspace(1e-5, low, 20)] if low > 1e-5 else [needed]
    assert min(below_low) >= needed - 1e-4


def test_bounds_are_near_those_of_the_beta_binomial_mixture() -> None:
    """confseq's bernoulli_confidence_interval of 700 in 1000, tuned for 100, is (0.651629, 0.745949)."""
    sample = BoundedSample.of_rate(700, 1000)
    assert lower_bound(sample, 0.025) == pytest.approx(0.651629, abs=2e-3)
    assert upper_bound(sample, 0.025) == pytest.approx(0.745949, abs=2e-3)


def _ever_rejected(rate: float, limit: float, *, seeds: int, rows: int) -> float:
    """The share of sequences whose evidence above a limit is enough at one of ``rows`` looks."""
    rejected = 0
    counts = np.arange(1, rows + 1)
    for seed in range(seeds):
        successes = np.cumsum(np.random.default_rng(seed).random(rows) < rate)
        looks = [log_rate_evidence(np.array([s]), int(n), limit)[0] for s, n in zip(successes, counts, strict=True)]
        rejected += max(looks) >= math.log(1 / ALPHA)
    return rejected / seeds


def test_a_rate_at_its_limit_is_rarely_rejected_though_each_row_is_a_look() -> None:
    """A test for one look, looked at a thousand times, would reject in about half of the sequences."""
    assert _ever_rejected(0.05, 0.05, seeds=60, rows=1000) <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 60)


def test_a_rate_of_five_limits_is_found_within_a_few_hundred_rows() -> None:
    assert _ever_rejected(0.05, 0.01, seeds=40, rows=600) >= 0.95
