"""Sample sizes: published designs of group-sequential tests, and what simulated experiments do."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.experiments.power import Plan, constant_bound, crossed, days, ratio_variance

Z = stats.norm.ppf(0.975)


@pytest.mark.parametrize(("looks", "alarms"), [(1, 0.05), (2, 0.083), (5, 0.142), (10, 0.193), (20, 0.248)])
def test_false_alarms_of_repeated_z_tests_equal_armitage(looks: int, alarms: float) -> None:
    """Armitage, McPherson and Rowe 1969, table 2."""
    assert round(crossed([Z] * looks, np.arange(1, looks + 1) / looks)[-1], 3) == pytest.approx(alarms)


def test_bounds_equal_those_of_obrien_fleming_and_pocock() -> None:
    factor = constant_bound(lambda time: time**-0.5, 5)
    assert [round(factor / math.sqrt(look / 5), 2) for look in range(1, 6)] == [4.56, 3.23, 2.63, 2.28, 2.04]
    assert round(constant_bound(lambda _: 1.0, 5), 3) == 2.413


def test_one_look_is_the_fixed_test() -> None:
    plan = Plan.of_means(1, 0.05)
    assert crossed([Z], [1.0], drift=plan.drift(9000))[-1] == pytest.approx(plan.power(9000), abs=1e-9)


def test_a_bound_of_zero_is_crossed_at_once_and_an_infinite_one_never() -> None:
    assert crossed([math.inf, 0.0, 2.0], [0.2, 0.6, 1.0]).tolist() == [0, 1, 1]
    assert crossed([math.inf] * 3, [0.2, 0.6, 1.0], drift=2.0) == pytest.approx(0, abs=1e-9)


def test_rows_of_a_fixed_test() -> None:
    """0.05 standard deviations at 80 %, and 10 % against 11 %; with a tenth of the rows in one arm 2.8 times that."""
    assert Plan.of_means(1, 0.05).rows() == 12_559
    assert Plan.of_rates(0.10, 0.01).rows() == math.ceil(2 * (Z + stats.norm.ppf(0.8)) ** 2 * (0.09 + 0.0979) / 0.01**2)
    assert Plan.of_means(1, 0.05, share=0.1).rows() == pytest.approx(Plan.of_means(1, 0.05).rows() * 0.25 / 0.09, abs=3)


@given(st.floats(0.01, 0.2), st.floats(0.05, 0.95), st.floats(0.5, 0.99))
def test_rows_power_and_effect_agree(effect: float, share: float, power: float) -> None:
    plan = Plan(effect, 1.0, 2.0, share)
    rows = plan.rows(power)
    assert plan.power(rows) == pytest.approx(power, abs=0.01)
    assert plan.power(rows) >= power
    assert plan.smallest_effect(rows, power) == pytest.approx(effect, rel=0.05)
    assert Plan(-effect, 1.0, 2.0, share).smallest_effect(rows, power) < 0


def test_watching_costs_rows_and_saves_time() -> None:
    """The figures of a published simulation with many looks: 55 % at the rows of the fixed test, 96 % and a median of
    5,013 rows for an effect of 0.08.
    """
    sequence = ConfidenceSequence()
    small, large = Plan.of_means(1, 0.05), Plan.of_means(1, 0.08)
    assert small.power(12_559) == pytest.approx(0.8, abs=1e-4)
    assert small.watched(12_559, sequence)[-1] == pytest.approx(0.498, abs=1e-3)
    assert small.watched(12_559, sequence, looks=200)[-1] == pytest.approx(0.55, abs=0.025)
    assert large.watched(12_559, sequence, looks=200)[-1] == pytest.approx(0.956, abs=0.005)
    assert large.median_stop(12_559, sequence, looks=200) == pytest.approx(5013, rel=0.05)
    assert Plan.of_means(1, 0.01).median_stop(12_559, sequence) is None


def test_rows_of_a_watched_experiment() -> None:
    sequence = ConfidenceSequence()
    for plan in (Plan.of_means(1, 0.05), Plan.of_rates(0.05, 0.02, share=0.2)):
        rows = plan.watched_rows(sequence)
        assert plan.watched(rows, sequence)[-1] == pytest.approx(0.8, abs=0.002)
        assert 1.2 * plan.rows() < rows < 2.5 * plan.rows()


def test_the_burn_in_does_not_decide() -> None:
    """With an effect this large the first look at all decides, and it is the first with 100 rows in each arm."""
    stopped = Plan.of_means(1, 3.0, share=0.1).watched(3000, ConfidenceSequence(), looks=30)
    assert stopped[:9].tolist() == [0] * 9
    assert stopped[9] > 0.99


def test_looks_with_few_events_do_not_decide() -> None:
    """At 0.2 % and a tenth of the rows treated at 2 %, 20 events are 10,000 rows of the treated or 11,112 of all."""
    plan = Plan.of_rates(0.002, 0.018, share=0.1)
    assert plan.event_rate == pytest.approx(min(0.002 * 0.9 / 0.1, 0.02))
    stopped = plan.watched(30_000, ConfidenceSequence(), looks=30)
    assert stopped[:11].tolist() == [0] * 11
    assert stopped[11] > 0.9
    assert Plan.of_means(1, 1).event_rate == 1


def test_ratio_variance_is_that_of_the_delta_method() -> None:
    rng = np.random.default_rng(3)
    below = rng.gamma(4, 1, 400_000)
    above = 0.5 * below + rng.normal(0, 1, 400_000)
    covariance = np.cov(above, below)
    variance = ratio_variance((above.mean(), covariance[0, 0]), (below.mean(), covariance[1, 1]), covariance[0, 1])
    blocks = above.reshape(400, 1000).sum(1) / below.reshape(400, 1000).sum(1)
    assert variance / 1000 == pytest.approx(blocks.var(ddof=1), rel=0.2)


def test_days_are_whole_and_count_the_share_in_the_experiment() -> None:
    assert days(10_000, 1000) == 10
    assert days(10_001, 1000) == 11
    assert days(10_000, 1000, exposed=0.1) == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Plan.of_means(1, 0.0), "an effect other than 0"),
        (lambda: Plan.of_means(0, 0.1), "positive variances"),
        (lambda: Plan.of_means(1, 0.1, share=1.0), "share must be between 0 and 1"),
        (lambda: Plan.of_rates(0.99, 0.02), "rates must be between 0 and 1"),
        (lambda: days(100, 0), "rows_per_day must be positive"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: object, message: str) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match=message):
        wrong()
