"""The comparison of champion and challenger on the same rows."""

import numpy as np
import pytest

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores.ranking import paired_auc_difference
from scoreline_trainers.training.retraining.comparison import compare_amounts, compare_labels
from scoreline_trainers.training.retraining.rule import RetrainRule

RULE = RetrainRule()
DRAWS = np.random.default_rng(4)
TRUTH = DRAWS.normal(0, 1, 2000)
LABEL = (DRAWS.random(2000) < 1 / (1 + np.exp(-2 * TRUTH))).astype(np.int8)


def probability(noise: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(1 / (1 + np.exp(-TRUTH - np.random.default_rng(5).normal(0, noise, 2000))))


def test_figures_are_those_of_the_registry_and_losses_row_by_row() -> None:
    old, new = probability(1.0), probability(0.2)
    found = compare_labels("credit@1", LABEL, old, new, rule=RULE)
    figures = {each.metric: each for each in found.figures}
    expected = paired_auc_difference(LABEL.astype(bool), old, new)
    assert isinstance(expected, Estimate)
    area = figures["auc"].difference
    assert (area.value, area.low, area.high) == (expected.value, expected.low, expected.high)
    assert figures["auc"].challenger - figures["auc"].champion == pytest.approx(expected.value)
    assert figures["brier"].champion == pytest.approx(np.mean((LABEL - old) ** 2))
    assert figures["brier"].difference.high is not None
    assert figures["brier"].difference.high < 0
    assert (found.rows, found.positives, found.worse) == (2000, int(LABEL.sum()), False)


def test_a_challenger_is_worse_beyond_chance_or_beyond_what_is_allowed() -> None:
    good, bad = probability(0.2), probability(3.0)
    assert compare_labels("c", LABEL, good, bad, rule=RULE).worse
    assert not compare_labels("c", LABEL, good, good, rule=RULE).worse
    few = slice(0, 25)
    unclear = compare_labels("c", LABEL[few], good[few], probability(1.2)[few], rule=RULE)
    assert unclear.worse == (unclear.figures[0].difference.value < -0.05)


def test_labels_of_one_value_have_no_area_and_are_compared_by_their_losses() -> None:
    found = compare_labels("c", np.zeros(50, np.int8), np.full(50, 0.4), np.full(50, 0.2), rule=RULE)
    assert [each.metric for each in found.figures] == ["brier", "log_loss"]
    assert not found.worse


def test_amounts_are_compared_by_their_errors() -> None:
    close, far = TRUTH + DRAWS.normal(0, 0.1, 2000), TRUTH + DRAWS.normal(0, 0.5, 2000)
    found = compare_amounts("c", TRUTH, close, far, rule=RULE)
    assert found.worse
    assert found.figures[0].champion == pytest.approx(np.mean(np.abs(TRUTH - close)))
    assert not compare_amounts("c", TRUTH, far, close, rule=RULE).worse
