"""Two versions' scores of the same rows."""

import numpy as np
import pytest

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores.ranking import paired_auc_difference
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.document import Interval
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.versions import compare_scores


def two_scores(rows: int = 800, *, seed: int = 0) -> tuple[Label, Float64, Float64]:
    """Labels with a noisy score of them, and a less noisy one."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(-1, 1.2, rows)
    noise = draw.normal(size=rows)
    label = (draw.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.int8)
    return label, 1 / (1 + np.exp(-truth - 0.9 * noise)), 1 / (1 + np.exp(-truth - 0.4 * noise))


def width(figure: Interval | None) -> float:
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    return figure.high - figure.low


def test_a_better_score_is_seen_as_better_on_the_same_rows() -> None:
    label, champion, challenger = two_scores()
    found = compare_scores(label, champion, challenger)
    delong = paired_auc_difference(label, champion, challenger)
    assert isinstance(delong, Estimate)
    assert found.auc_difference is not None
    assert (found.auc_difference.low, found.auc_difference.high, found.p) == (delong.low, delong.high, delong.p)
    assert found.auc_difference.value == pytest.approx(found.challenger["auc"] - found.champion["auc"])
    assert (found.auc_difference.low or 0) > 0
    assert found.brier_difference is not None
    assert (found.brier_difference.high or 0) < 0
    assert found.brier_difference.value == pytest.approx(found.challenger["brier"] - found.champion["brier"])
    assert found.average_precision_difference is not None
    assert (found.average_precision_difference.low or 0) > 0


def test_equal_scores_do_not_differ() -> None:
    label, champion, _ = two_scores()
    found = compare_scores(label, champion, champion)
    assert found.auc_difference == Interval(value=0, low=0, high=0, method="DeLong, paired")
    assert found.p == 1


def test_units_with_many_rows_widen_the_difference() -> None:
    label, champion, challenger = two_scores(400)
    four = np.repeat(np.arange(400), 4)
    rows = (label[four], champion[four], challenger[four])
    naive, clustered = compare_scores(*rows), compare_scores(*rows, units=four)
    single = compare_scores(label, champion, challenger)
    assert width(clustered.auc_difference) == pytest.approx(width(single.auc_difference), rel=0.2)
    assert width(naive.auc_difference) < 0.6 * width(single.auc_difference)
    assert clustered.p is None
    assert width(clustered.brier_difference) == pytest.approx(width(single.brier_difference), rel=0.05)


def test_one_label_leaves_the_losses() -> None:
    found = compare_scores(np.zeros(5, np.int8), np.full(5, 0.2), np.full(5, 0.1))
    assert found.auc_difference is None
    assert found.brier_difference is not None
    assert found.brier_difference.value == pytest.approx(0.01 - 0.04)
