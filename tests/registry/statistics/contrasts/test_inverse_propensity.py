"""Comparisons that weigh by the shares in force, after shares that followed outcomes."""

import math

import numpy as np
import pytest

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import contrast
from scoreline_registry.statistics.contrasts.inverse_propensity import NAME, Period, inverse_propensity
from scoreline_registry.statistics.experiments.allocation import best_of_rates, with_floor
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments


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
    assert inverse_propensity([Period(3, rows, Moments(), 0.5, 0.5)]) == TooFew(0, 2, NAME)
