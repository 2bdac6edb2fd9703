import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.statistics.scores.calibration import expected_calibration_error
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import (
    METRICS,
    Label,
    auc,
    auc_interval,
    average_precision,
    brier,
    evaluate,
    ks,
)


def sample(seed: int, *, ties: bool) -> tuple[Label, Float64]:
    draw = np.random.default_rng(seed)
    label = np.concatenate([[0, 1], draw.integers(0, 2, draw.integers(3, 300))]).astype(np.int8)
    score = np.clip(0.5 * label + draw.normal(0.25, 0.3, len(label)), 0, 1)
    return label, np.round(score, 1) if ties else score


@given(st.integers(0, 10_000), st.booleans())
def test_auc_is_the_share_of_pairs_that_stand_in_order(seed: int, ties: bool) -> None:
    label, score = sample(seed, ties=ties)
    gap = score[label == 1][:, None] - score[label == 0]
    assert auc(label, score) == pytest.approx(((gap > 0) + 0.5 * (gap == 0)).mean())


def test_average_precision_counts_a_step_of_recall_for_each_distinct_score() -> None:
    label, score = np.array([1, 0, 1, 0, 1], np.int8), np.array([0.9, 0.8, 0.5, 0.5, 0.1])
    # At 0.9 one of one, at 0.5 two of four, at 0.1 three of five; each adds a third of the positives.
    assert average_precision(label, score) == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)


def test_brier_is_the_mean_squared_difference() -> None:
    assert brier(np.array([1, 0], np.int8), np.array([0.8, 0.4])) == pytest.approx((0.04 + 0.16) / 2)


# SciPy is imported on first use, which may take longer than hypothesis gives an example.
@given(st.integers(0, 10_000), st.booleans())
def test_ks_is_the_largest_gap_between_the_distributions_of_both_labels(seed: int, ties: bool) -> None:
    label, score = sample(seed, ties=ties)
    positive, negative = score[label == 1], score[label == 0]
    gaps = [abs((positive <= cut).mean() - (negative <= cut).mean()) for cut in score]
    assert ks(label, score) == pytest.approx(max(gaps))


def test_the_auc_interval_is_delongs() -> None:
    # By hand: the positives' placements are 1, 2/3, 2/3, of variance 1/27, the negatives' 1/3, 1, 1, of variance 4/27.
    label, score = np.array([1, 1, 1, 0, 0, 0], np.int8), np.array([0.9, 0.5, 0.6, 0.7, 0.1, 0.2])
    reach = 1.959964 * np.sqrt(1 / 27 / 3 + 4 / 27 / 3)
    low, high = auc_interval(label, score)
    assert auc(label, score) == pytest.approx(7 / 9)
    assert low == pytest.approx(7 / 9 - reach, abs=1e-6)
    assert high == 1.0


def test_the_auc_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw, covered = np.random.default_rng(0), 0
    truth = 0.7602499  # the chance that N(1, 1) is above N(0, 1): the normal distribution at 1/sqrt(2)
    for _ in range(300):
        label = np.repeat([0, 1], 150).astype(np.int8)
        low, high = auc_interval(label, draw.normal(label.astype(float), 1))
        covered += low <= truth <= high
    assert 0.92 <= covered / 300 <= 0.98


def test_calibration_error_is_the_mean_gap_of_equally_filled_bins() -> None:
    label = np.array([0, 0, 1, 1], np.int8)
    score = np.array([0.1, 0.3, 0.6, 0.6])
    assert expected_calibration_error(label, score, bins=2) == pytest.approx((0.2 + 0.4) / 2)
    assert expected_calibration_error(label, label.astype(float)) == 0


def test_metrics_carry_their_estimators_names() -> None:
    label, score = sample(1, ties=False)
    assert {"auc", "auc_low_95", "auc_high_95", "ece_10_equal_mass"} <= evaluate(label, score).keys()
    assert evaluate(label, score, ["ks"]).keys() == {"ks"}


def test_what_needs_both_labels_is_left_out_where_there_is_one() -> None:
    assert evaluate(np.zeros(3, np.int8), np.full(3, 0.2), tuple(METRICS)).keys() == {
        "brier",
        "log_loss",
        "ece_10_equal_mass",
        "ece_20_equal_mass",
    }
