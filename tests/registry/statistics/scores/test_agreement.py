"""Agreement of two scores of the same rows, against SciPy and by coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.contrasts.differences import mean
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.scores.agreement import differences_of, kendall, pearson, quantiles, spearman

scores = st.lists(st.integers(0, 12), min_size=10, max_size=40).filter(lambda found: len(set(found)) > 2)


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


@given(scores, scores)
def test_correlations_are_those_of_scipy(first: list[int], second: list[int]) -> None:
    rows = min(len(first), len(second))
    left, right = np.array(first[:rows], np.float64), np.array(second[:rows], np.float64)
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return
    theirs = stats.pearsonr(left, right)
    found = estimate(pearson(JointMoments.of(left, right)))
    assert found.value == pytest.approx(theirs.statistic, abs=1e-9)
    if abs(found.value) < 1 - 1e-9:
        interval = theirs.confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert estimate(spearman(left, right)).value == pytest.approx(stats.spearmanr(left, right).statistic)
    assert estimate(kendall(left, right)).value == pytest.approx(stats.kendalltau(left, right).statistic)


@given(scores)
def test_ranks_do_not_see_a_rising_transformation(first: list[int]) -> None:
    left = np.array(first, np.float64)
    right = np.sin(left)
    for figure in (spearman, kendall):
        assert figure(left, np.exp(right)) == figure(left, right)
        assert estimate(figure(right, left)).value == pytest.approx(estimate(figure(left, right)).value)


def test_intervals_of_correlations_cover_the_truth() -> None:
    """Bivariate normal with r 0.6: rho is 6 / pi asin(r / 2), tau is 2 / pi asin(r). 300 samples, 3 standard errors."""
    truths = (0.6, 6 / math.pi * math.asin(0.3), 2 / math.pi * math.asin(0.6))
    hits = []
    for seed in range(300):
        draws = np.random.default_rng(seed)
        left, noise = draws.normal(size=(2, 200))
        right = 0.6 * left + 0.8 * noise
        figures = pearson(JointMoments.of(left, right)), spearman(left, right), kendall(left, right)
        hits.append([estimate(f).low <= truth <= estimate(f).high for f, truth in zip(figures, truths, strict=True)])
    assert np.mean(hits, axis=0) == pytest.approx([0.95] * 3, abs=3 * math.sqrt(0.05 * 0.95 / 300))


def test_intervals_and_p_are_what_a_person_calculates() -> None:
    """On Fisher's scale: artanh of the correlation plus or minus z times the published standard error."""
    draws = np.random.default_rng(4)
    left = draws.normal(size=60)
    right = left + draws.normal(size=60)
    joint = JointMoments.of(left, right)
    for figure, method, variance in (
        (pearson(joint, alpha=0.1), "Pearson's r, Fisher's z", lambda _: 1 / 57),
        (spearman(left, right, alpha=0.1), "Spearman's rho, Bonett-Wright", lambda r: (1 + r * r / 2) / 57),
        (kendall(left, right, alpha=0.1), "Kendall's tau-b, Fieller-Hartley-Pearson", lambda _: 0.437 / 56),
    ):
        found = estimate(figure)
        centre, error = math.atanh(found.value), math.sqrt(variance(found.value))
        ends = [math.tanh(centre + side * 1.6448536 * error) for side in (-1, 1)]
        assert (found.low, found.high) == pytest.approx(tuple(ends), abs=1e-7)
        assert found.p == pytest.approx(2 * stats.norm.sf(centre / error))
        assert (found.method, found.level, found.count) == (method, 0.9, 60)
    same = estimate(pearson(JointMoments.of(left, left)))
    assert (same.value, same.low, same.high, same.p) == (1, 1, 1, 0)
    (quantile,) = quantiles(left, (0.5,), alpha=0.1)
    assert (estimate(quantile).level, estimate(quantile).count) == (0.9, 60)


def test_many_rows_are_sampled_for_kendall_and_it_says_so() -> None:
    draws = np.random.default_rng(1)
    left = draws.normal(size=5000)
    right = left + draws.normal(size=5000)
    found, whole = estimate(kendall(left, right, rows=1000)), estimate(kendall(left, right))
    assert (found.count, whole.count) == (1000, 5000)
    assert "of 1,000 of 5,000 rows" in found.method
    assert found.low < whole.value < found.high
    assert found == kendall(left, right, rows=1000)
    assert found != kendall(left, right, rows=1000, seed=1)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=60), st.sampled_from([0.05, 0.25, 0.5, 0.9]))
def test_quantiles_are_order_statistics(values: list[float], share: float) -> None:
    sample = np.array(values)
    (found,) = quantiles(sample, (share,))
    theirs = np.quantile(sample, share, method="inverted_cdf")
    assert estimate(found).value == theirs
    assert estimate(found).low <= theirs <= estimate(found).high
    (turned,) = quantiles(-sample, (0.5,))
    (middle,) = quantiles(sample, (0.5,))
    assert (estimate(turned).low, estimate(turned).high) == (-estimate(middle).high, -estimate(middle).low)


def test_intervals_of_quantiles_cover_at_least_their_level() -> None:
    """The exact coverage, from the binomial law of how many values lie below the true quantile."""
    for count, share in ((60, 0.5), (200, 0.9), (500, 0.05)):
        (found,) = quantiles(np.arange(1.0, count + 1), (share,))
        low, high = int(estimate(found).low), int(estimate(found).high)
        below = stats.binom(count, share)
        assert 0.95 <= below.cdf(high - 1) - below.cdf(low - 1) < 0.99


def test_an_end_beyond_the_sample_is_open() -> None:
    (found,) = quantiles(np.arange(10.0), (0.99,))
    assert estimate(found).high == math.inf
    assert quantiles(np.zeros(0), (0.5,)) == (TooFew(0, 1, "sample quantile, binomial order statistics"),)


def test_the_mean_difference_of_paired_rows_is_far_narrower_than_that_of_arms() -> None:
    draws = np.random.default_rng(2)
    primary = draws.uniform(size=1000)
    shadow = primary + draws.normal(0.01, 0.02, 1000)
    paired = estimate(mean(differences_of(primary, shadow)))
    theirs = stats.ttest_rel(shadow, primary)
    assert paired.p == pytest.approx(theirs.pvalue)
    assert (paired.low, paired.high) == pytest.approx(tuple(theirs.confidence_interval()))
    unpaired = stats.ttest_ind(shadow, primary, equal_var=False).confidence_interval()
    assert (paired.high - paired.low) < 0.1 * (unpaired.high - unpaired.low)


def test_constant_scores_have_no_correlation() -> None:
    flat, rising = np.ones(20), np.arange(20.0)
    for figure in (spearman(flat, rising), kendall(rising, flat), pearson(JointMoments.of(flat, rising))):
        assert isinstance(figure, TooFew)
    assert spearman(rising[:9], rising[:9]) == TooFew(9, 10, "Spearman's rho")
    assert estimate(spearman(rising, rising)).low == 1
