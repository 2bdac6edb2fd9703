"""PSI with its null thresholds, by simulation too, and Kolmogorov-Smirnov as SciPy's."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.scores.distances import (
    Stability,
    bin_counts,
    bin_table,
    index_of,
    ks_distance,
    paired_psi,
    psi,
    quantile_edges,
)

DECILES = np.full(10, 100)
counts = st.lists(st.integers(0, 500), min_size=10, max_size=10).filter(lambda found: sum(found) >= 60).map(np.array)


def stability(found: Stability | TooFew) -> Stability:
    assert isinstance(found, Stability)
    return found


def test_the_index_is_that_of_the_published_example() -> None:
    observed = np.array([50, 80, 100, 100, 100, 100, 100, 120, 120, 130])
    assert index_of(DECILES, observed) == pytest.approx(0.054284, abs=5e-7)


@pytest.mark.parametrize(
    ("first", "second", "bins", "threshold", "digits"),
    [
        (1000, 1000, 10, 0.03384, 5),
        (10_000, 1000, 10, 0.01861, 5),
        (10_000, 10_000, 10, 0.003384, 6),
        (10_000, 500, 20, 0.0633, 4),
    ],
)
def test_thresholds_are_those_of_the_published_law(
    first: int, second: int, bins: int, threshold: float, digits: int
) -> None:
    found = stability(psi(np.full(bins, first // bins), np.full(bins, second // bins)))
    assert round(found.threshold, digits) == threshold
    assert found.expected == pytest.approx((1 / first + 1 / second) * (bins - 1))
    assert (found.value, found.p, found.unlike) == (0, 1, False)


def test_independent_samples_of_one_distribution_pass_in_95_of_100() -> None:
    draws = np.random.default_rng(1)
    samples = draws.multinomial([3000, 1000], np.full(10, 0.1), size=(1000, 2))
    alarms = [stability(psi(first, second)).unlike for first, second in samples]
    assert np.mean(alarms) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 1000))


def paired_rows(seed: int, noise: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two exchangeable scores of the same 2,000 rows: alike in distribution, nearly equal where noise is small."""
    draws = np.random.default_rng(seed)
    common = draws.normal(size=2000)
    return common + noise * draws.normal(size=2000), common + noise * draws.normal(size=2000)


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_paired_rows_pass_in_95_of_100_where_the_law_of_independent_samples_hardly_alarms(noise: float) -> None:
    alarms, lax = [], []
    edges = quantile_edges(paired_rows(0, noise)[0])
    for seed in range(1, 501):
        table = bin_table(*paired_rows(seed, noise), edges)[:-1, :-1]
        alarms.append(stability(paired_psi(table)).unlike)
        lax.append(stability(psi(table.sum(axis=1), table.sum(axis=0))).unlike)
    assert np.mean(alarms) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 500))
    assert np.mean(lax) < 0.035


def test_a_shift_of_paired_rows_is_found_that_independent_samples_would_hide() -> None:
    first, second = paired_rows(3, 0.05)
    table = bin_table(first, second + 0.06, quantile_edges(first))
    assert stability(paired_psi(table)).unlike
    assert not stability(psi(table.sum(axis=1), table.sum(axis=0))).unlike


def test_independent_scores_of_the_same_rows_have_the_law_of_independent_samples() -> None:
    table = np.full((10, 10), 20)
    paired, free = stability(paired_psi(table)), stability(psi(table.sum(axis=1), table.sum(axis=0)))
    assert paired.threshold == pytest.approx(free.threshold)
    assert paired.expected == pytest.approx(free.expected)


def test_p_and_threshold_are_of_one_law() -> None:
    """p is the upper tail of chi-square with bins - 1 degrees of freedom over 1/n + 1/m."""
    observed = np.array([50, 80, 100, 100, 100, 100, 100, 120, 120, 130])
    for found in (stability(psi(DECILES, observed)), stability(psi(DECILES, observed, alpha=0.01))):
        assert found.p == pytest.approx(stats.chi2.sf(found.value / (1 / 1000 + 1 / 1000), 9))
        assert (found.count, found.bins) == (2000, 10)
    strict = stability(psi(DECILES, observed, alpha=0.01))
    assert strict.threshold == pytest.approx(stats.chi2.isf(0.01, 9) * 0.002)
    table = np.full((4, 4), 20) + 100 * np.eye(4, dtype=np.int64)
    paired = stability(paired_psi(table + np.eye(4, k=1, dtype=np.int64) * 40, alpha=0.01))
    at_threshold = stability(paired_psi(table + np.eye(4, k=1, dtype=np.int64) * 40, alpha=paired.p))
    assert at_threshold.threshold == pytest.approx(paired.value)
    assert (paired.bins, paired.count) == (4, int(table.sum()) + 120)


def test_one_bin_says_nothing() -> None:
    found = stability(psi(np.array([5]), np.array([9])))
    assert (found.value, found.p, found.threshold, found.expected) == (0, 1, 0, 0)
    assert stability(paired_psi(np.array([[5]]))).p == 1


def test_a_score_compared_with_itself_is_stable() -> None:
    found = stability(paired_psi(np.diag(DECILES)))
    assert (found.value, found.threshold, found.p, found.unlike) == (0, 0, 1, False)


@given(counts, counts)
def test_the_index_is_symmetric_and_not_negative(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> None:
    found, turned = psi(first, second), psi(second, first)
    assert stability(found).value == pytest.approx(stability(turned).value)
    assert stability(found).value >= 0
    assert stability(psi(first, first)).value == 0


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=60), st.integers(1, 3))
def test_counts_of_blocks_add_up(values: list[float], cut: int) -> None:
    sample = np.array([*values, np.nan])
    edges = quantile_edges(sample, bins=4)
    parts = bin_counts(sample[:cut], edges) + bin_counts(sample[cut:], edges)
    assert parts.tolist() == bin_counts(sample, edges).tolist()
    assert (parts.sum(), parts[-1]) == (len(sample), 1)
    table = bin_table(sample, sample[::-1].copy(), edges)
    assert table.sum(axis=1).tolist() == parts.tolist()
    assert table.sum(axis=0).tolist() == parts.tolist()


def test_edges_are_distinct_and_those_of_known_values() -> None:
    assert quantile_edges(np.array([1.0] * 50 + [2.0] * 50)).tolist() == [1, 2]
    assert quantile_edges(np.array([np.nan])).tolist() == []
    assert bin_counts(np.array([1.0, 1.5, 2.0, 3.0]), np.array([1.0, 2.0])).tolist() == [1, 2, 1, 0]


def test_empty_bins_have_a_finite_index() -> None:
    found = stability(psi(np.array([50, 50, 0]), np.array([50, 0, 50])))
    assert np.isfinite(found.value)
    assert stability(psi(np.array([50, 50, 0]), np.array([60, 40, 0]))).bins == 2


def test_too_few_rows_are_told() -> None:
    assert psi(np.full(10, 4), DECILES) == TooFew(40, 50, "population stability index")
    assert paired_psi(np.eye(10, dtype=np.int64)) == TooFew(10, 50, "population stability index")
    assert isinstance(psi(np.zeros(3, np.int64), np.zeros(3, np.int64)), TooFew)
    assert ks_distance(np.zeros(0), np.zeros(3)) == TooFew(0, 1, "two-sample Kolmogorov-Smirnov")
    assert isinstance(ks_distance(np.zeros(1), np.ones(1)), Estimate)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=50), st.lists(st.integers(0, 9), min_size=2, max_size=50))
def test_kolmogorov_smirnov_is_that_of_scipy(first: list[int], second: list[int]) -> None:
    left, right = np.array(first, np.float64), np.array(second, np.float64)
    found, theirs = ks_distance(left, right), stats.ks_2samp(left, right, method="asymp")
    assert isinstance(found, Estimate)
    assert (found.value, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (found.low, found.high, found.level, found.count) == (found.value, found.value, 0, len(first) + len(second))
    paired = ks_distance(left, right, paired=True)
    assert isinstance(paired, Estimate)
    assert (paired.value, paired.p) == (found.value, None)
