"""Linear heads and the rules that make them of a few rows."""

import numpy as np
import pytest
from scipy.optimize import minimize

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.heads.heads import descended, log_loss, log_odds, most_probable
from scoreline_trainers.heads.rules import Descend, Rule, Shrink, Spread
from scoreline_trainers.heads.trials import best_rule, trials_of

ANONYMOUS = np.zeros((0, 3)), np.zeros(0, np.int8)
HEADS = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0], [3.0, 0.5, 0, 0], [0.5, 0.1, -0.2, 0.3]])
RULES: tuple[Rule, ...] = (Shrink(strength=2.0), Spread(strength=1.0), Descend(rate=0.5, steps=20))


def rows(count: int = 200, *, seed: int = 0, truth: tuple[float, ...] = (-2.0, 0, 1)) -> tuple[Float64, Label]:
    draw = np.random.default_rng(seed)
    states = draw.normal(size=(count, 3))
    return states, (draw.random(count) < 1 / (1 + np.exp(-states @ truth))).astype(np.int8)


@pytest.mark.parametrize("count", [4, 200])
def test_the_most_probable_head_is_what_a_general_optimiser_finds(count: int) -> None:
    states, label = rows(count)
    centre, root = np.array([1.0, -1, 0, 2]), np.random.default_rng(1).normal(size=(4, 4))
    precision = root @ root.T + np.eye(4)

    def cost(head: Float64) -> float:
        away = head - centre
        return log_loss(states, label, head) * count + float(away @ precision @ away) / 2

    found = most_probable(states, label, centre=centre, precision=precision)
    expected = minimize(cost, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_that_any_line_separates_still_give_a_head() -> None:
    states = np.array([[1000.0, 0, 0], [-1000.0, 0, 0]])
    head = most_probable(states, np.array([1, 0], np.int8), centre=np.zeros(4), precision=np.eye(4) * 1e-6)
    assert np.isfinite(head).all()
    assert log_odds(states, head)[0] > 0 > log_odds(states, head)[1]


def test_descent_follows_the_gradient() -> None:
    states, label = rows(10)
    start, step = np.array([0.1, 0.2, 0.3, 0.4]), 1e-6
    slope = [
        (log_loss(states, label, start + nudge) - log_loss(states, label, start - nudge)) / (2 * step)
        for nudge in np.eye(4) * step
    ]
    found = descended(states, label, start=start, rate=0.5, steps=1)
    np.testing.assert_allclose(found, start - 0.5 * np.array(slope), atol=1e-6)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_a_segment_without_rows_has_the_fallback_head(rule: Rule) -> None:
    np.testing.assert_array_equal(rule.head(*ANONYMOUS, HEADS), HEADS[-1])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_a_rule_learns_from_the_rows(rule: Rule) -> None:
    shown, judged = rows(10), rows(500, seed=1)
    assert log_loss(*judged, rule.head(*shown, HEADS)) < log_loss(*judged, HEADS[-1]) - 0.05


def test_a_new_head_differs_where_others_do() -> None:
    careful, free = Spread(strength=1.0, share=0.01), Shrink(strength=1.0)
    changes = [np.abs(rule.head(*rows(10), HEADS) - HEADS[-1]) for rule in (careful, free)]
    along = [float(change[0] / np.linalg.norm(change)) for change in changes]
    assert along[0] > 0.98 > 0.95 > along[1]


def test_one_head_alone_still_leaves_room_for_another() -> None:
    head = Spread(strength=1e-3).head(*rows(100), HEADS[-1:])
    assert np.abs(head - HEADS[-1]).max() > 0.01


def test_trials_score_no_support_row_and_leave_the_segments_own_head_out() -> None:
    states, label = rows(60)
    states[:, 0] = np.arange(60)
    trials = trials_of(states, label, {0: np.arange(40), 1: np.arange(40, 50)}, HEADS, shots=10, seed=0)
    assert len(trials) == 5
    for trial in trials:
        assert len(trial.support[0]) == 10
        assert not set(trial.support[0][:, 0]) & set(trial.query[0][:, 0])
        np.testing.assert_array_equal(trial.heads, HEADS[1:])


def test_the_best_rule_is_bold_where_segments_differ_and_careful_where_they_do_not() -> None:
    members = {place: np.arange(place * 100, (place + 1) * 100) for place in range(3)}
    rules = [Shrink(strength=strength) for strength in (0.3, 100.0)]
    for truths, expected in ((((4.0, 0, 0), (-4.0, 0, 0), (0, 4.0, 0)), 0.3), (((0.0, 0, 0),) * 3, 100.0)):
        parts = [rows(100, seed=seed, truth=truth) for seed, truth in enumerate(truths)]
        states, label = (np.concatenate(part) for part in zip(*parts, strict=True))
        trials = trials_of(states, label, members, np.zeros((4, 4)), shots=10, seed=0)
        assert best_rule(rules, trials) == Shrink(strength=expected)


def test_without_trials_the_most_careful_rule_is_taken() -> None:
    assert best_rule(RULES[:2], []) == RULES[1]
