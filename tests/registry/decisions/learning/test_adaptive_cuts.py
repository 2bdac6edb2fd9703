"""Thresholds follow cases: a share of them, or their costs, and stay while nothing but chance moves."""

import numpy as np
import pytest

from scoreline_registry.decisions.learning.adaptive_cuts import (
    LEAST_CASES,
    cut_at_share,
    cut_by_costs,
    untouched_weights,
)

RANDOM = np.random.default_rng(4)
SCORES = RANDOM.random(2_000)
POSITIVE = RANDOM.random(2_000) < SCORES
ONES = np.ones(2_000)


def test_a_cut_at_a_share_is_reached_by_that_share() -> None:
    found = cut_at_share(SCORES, 0.05, current=0.5)
    assert found is not None
    assert (found.value <= SCORES).mean() == found.reached == 0.05
    assert found.cases == 2_000
    assert found.is_worth_moving


def test_a_cut_at_a_share_stays_while_it_is_off_by_chance_only() -> None:
    found = cut_at_share(SCORES, 0.05, current=0.5)
    assert found is not None
    for others in (0.050, 0.054, 0.046):
        current = float(np.quantile(SCORES, 1 - others))
        again = cut_at_share(SCORES, 0.05, current=current)
        assert again is not None
        assert not again.is_worth_moving


def test_equal_scores_are_on_one_side_of_a_cut() -> None:
    values = np.repeat([0.1, 0.4, 0.9], [500, 400, 100])
    found = cut_at_share(values, 0.3, current=0.0)
    assert found is not None
    assert found.value == pytest.approx(0.65)
    assert found.reached == 0.1
    # Half of the cases reach 0.4, none or all reach a cut of equal scores: the higher one of two as near ones.
    only = cut_at_share(np.full(200, 0.5), 0.5, current=0.5)
    assert only is not None
    assert only.value > 0.5
    assert not only.is_worth_moving


def test_neighbouring_floats_are_told_apart() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1))
    found = cut_at_share(np.repeat([low, high], [150, 150]), 0.5, current=0.0)
    assert found is not None
    assert (found.value, found.reached) == (high, 0.5)


def test_too_few_or_unknown_cases_move_no_cut() -> None:
    assert cut_at_share(SCORES[: LEAST_CASES - 1], 0.5, current=0.5) is None
    assert cut_at_share(SCORES[:200], 0.05, current=0.5) is None
    assert cut_at_share(np.full(500, np.nan), 0.5, current=0.5) is None
    assert cut_by_costs(SCORES, np.zeros(2_000, bool), ONES, costs=(1, 1), current=0.5) is None
    assert cut_by_costs(SCORES, POSITIVE, np.zeros(2_000), costs=(1, 1), current=0.5) is None


def test_a_cut_by_costs_is_the_cheapest_of_all_thresholds() -> None:
    found = cut_by_costs(SCORES, POSITIVE, ONES, costs=(1, 4), current=0.9)
    assert found is not None

    def cost(threshold: float) -> float:
        reached = threshold <= SCORES
        return float((reached & ~POSITIVE).mean() + 4 * (~reached & POSITIVE).mean())

    every = [cost(threshold) for threshold in [0.0, *SCORES.tolist(), 1.1]]
    assert found.cost == pytest.approx(min(every))
    assert cost(found.value) == pytest.approx(min(every))
    # Calibrated scores: the best threshold is c_fp / (c_fp + c_fn).
    assert found.value == pytest.approx(0.2, abs=0.06)
    assert found.reached == pytest.approx(1 - found.value, abs=0.03)
    assert found.is_worth_moving


def test_a_cut_by_costs_stays_where_another_saves_nothing_for_certain() -> None:
    found = cut_by_costs(SCORES, POSITIVE, ONES, costs=(1, 4), current=0.21)
    assert found is not None
    assert not found.is_worth_moving


def test_of_equally_cheap_thresholds_the_nearest_is_taken() -> None:
    values = np.repeat([0.2, 0.4, 0.6, 0.8], 50)
    positive = values > 0.7
    weights = np.ones(200)
    for current, expected in ((0.9, 0.7), (0.1, 0.7)):
        found = cut_by_costs(values, positive, weights, costs=(1, 1), current=current)
        assert found is not None
        assert found.value == pytest.approx(expected)
        assert found.cost == 0
    free = cut_by_costs(values, positive, weights, costs=(0, 0), current=0.45)
    assert free is not None
    assert free.value == pytest.approx(0.5)
    assert not free.is_worth_moving


def test_withheld_cases_of_the_control_stand_for_those_that_got_an_action() -> None:
    took, control, withheld = (np.array(flags, bool) for flags in ([1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 1, 0, 0, 1]))
    assert untouched_weights(took, control, withheld, np.full(5, 0.1)).tolist() == pytest.approx([0, 10, 1, 1, 0])
    assert untouched_weights(took, control, withheld, np.zeros(5)).tolist() == [1] * 5


def test_outcomes_that_actions_prevented_do_not_raise_the_cut() -> None:
    random = np.random.default_rng(5)
    scores = random.random(20_000)
    control = random.random(20_000) < 0.1
    took = (scores >= 0.2) & ~control
    # Actions prevent every outcome: without the control's weights all that were reached look like false alarms.
    positive = (random.random(20_000) < scores) & ~took
    weights = untouched_weights(took, control, (scores >= 0.2) & control, np.full(20_000, 0.1))
    weighed = cut_by_costs(scores, positive, weights, costs=(1, 4), current=0.2)
    plain = cut_by_costs(scores, positive, np.ones(20_000), costs=(1, 4), current=0.2)
    assert weighed is not None
    assert plain is not None
    assert weighed.value == pytest.approx(0.2, abs=0.05)
    assert plain.value > 0.9
