"""Confidence sequences of quantiles and of distributions: published values, and what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from scoreline_registry.statistics.always_valid import quantiles
from scoreline_registry.statistics.always_valid.quantiles import QuantileSequence
from scoreline_registry.statistics.always_valid.rates import RateSequence
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def quantile_p(quantile: float, offset: int) -> float:
    values = np.arange(1.0, 1001)
    return QuantileSequence(quantile, tuning_rows=100).p_value(values, values + offset)


def test_p_values_of_equal_quantiles_equal_confseq() -> None:
    found = [quantile_p(0.5, 70), quantile_p(0.5, 85), quantile_p(0.5, 100), quantile_p(0.9, 55)]
    assert found == pytest.approx([0.814704, 0.0838055, 0.0054947, 0.0340463], rel=1e-5)


def test_many_values_give_a_slightly_larger_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = quantile_p(0.5, 90)
    monkeypatch.setattr(quantiles, "CANDIDATES", 40)
    assert exact < quantile_p(0.5, 90) < 2 * exact


def test_quantiles_are_compared_in_either_order_and_with_ties() -> None:
    rng = np.random.default_rng(4)
    first, second = (np.sort(np.round(rng.gamma(2, scale, 3000), 1)) for scale in (1.0, 1.5))
    sequence = QuantileSequence(0.9)
    assert sequence.p_value(first, second) < 1e-6
    assert sequence.p_value(first, second) == pytest.approx(sequence.p_value(second, first))
    assert sequence.p_value(first, first) == 1
    assert sequence.p_value(first, first[:0]) == 1


def test_the_interval_of_a_quantile_lies_between_ranks() -> None:
    values = np.sort(np.random.default_rng(8).exponential(10, 20_000))
    found = estimate(QuantileSequence(0.99).of(values))
    assert found.low < stats.expon(scale=10).ppf(0.99) < found.high
    assert found.low < found.value < found.high
    low, high = QuantileSequence(0.99).ranks(20_000)
    assert (found.low, found.high) == (values[low - 1], values[high - 1])


def test_few_values_do_not_bound_a_high_quantile() -> None:
    found = estimate(QuantileSequence(0.99).of(np.arange(100.0)))
    assert found.high == math.inf
    assert found.low > 50
    assert isinstance(QuantileSequence(0.5).of(np.empty(0)), TooFew)
    with pytest.raises(ValueError, match="a quantile must be above 0"):
        QuantileSequence(1.0)


def test_a_limit_of_a_quantile_is_a_limit_of_a_rate() -> None:
    """The p99 is above 20 ms exactly where more than 1 % of the rows take longer."""
    slow = np.sort(np.random.default_rng(2).exponential(8, 4000))
    over = int((slow > 20).sum())
    guard = estimate(RateSequence().of(over, len(slow), null=0.01))
    assert guard.low > 0.01
    assert estimate(QuantileSequence(0.99).of(slow)).low > 20


def test_distributions_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    first, second = np.sort(rng.beta(2, 5, 8000)), np.sort(rng.beta(2, 3, 6000))
    found = estimate(quantiles.distribution_difference(first, second))
    assert found.value == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert found.low > 0.05
    same = estimate(quantiles.distribution_difference(first, np.sort(rng.beta(2, 5, 6000))))
    assert same.low == 0
    assert isinstance(quantiles.distribution_difference(first, second[:99]), TooFew)
