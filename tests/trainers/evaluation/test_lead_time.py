"""How early the score of a history warns."""

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.lead_time.lead_time import cut_for, lead_times, steps_of_warning
from scoreline_trainers.evaluation.lead_time.prefixes import prefix_scores
from scoreline_trainers.synthetic.delinquency import delinquency

NONE = float("nan")


def last_step(batch: Batch) -> Float64:
    """Scores a history by the newest value of its first step feature."""
    assert batch.sequence is not None
    assert batch.lengths is not None
    values: Float64 = batch.sequence[np.arange(len(batch)), batch.lengths - 1, 0].astype(np.float64)
    return values


def recent_mean(batch: Batch) -> Float64:
    """Scores a history by the mean of its last ten values of the first step feature."""
    assert batch.sequence is not None
    assert batch.lengths is not None
    steps = np.arange(batch.sequence.shape[1])
    recent = (steps < batch.lengths[:, None]) & (steps >= batch.lengths[:, None] - 10)
    means: Float64 = (batch.sequence[:, :, 0] * recent).sum(axis=1) / recent.sum(axis=1)
    return means


def test_prefixes_are_scored_from_the_end_back() -> None:
    steps = np.array([[1, 2, 3, 4], [5, 6, 0, 0]], np.float32)[:, :, None]
    batch = Batch(sequence=steps, lengths=np.array([4, 2]))
    expected = np.array([[4, 3, 2], [6, 5, NONE]])
    np.testing.assert_array_equal(prefix_scores(last_step, batch, window=3), expected)


def test_a_warning_is_the_unbroken_run_above_the_cut_that_ends_with_the_newest_score() -> None:
    scores = np.array(
        [
            [0.9, 0.8, 0.7, 0.1],
            [0.9, 0.1, 0.9, 0.9],
            [0.1, 0.9, 0.9, 0.9],
            [0.6, 0.5, NONE, NONE],
        ]
    )
    assert steps_of_warning(scores, 0.5).tolist() == [3, 1, 0, 2]


def test_lead_times_count_the_steps_before_the_newest() -> None:
    events = np.array([[0.9, 0.8, 0.7, 0.1], [0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1]])
    others = np.array([[0.2, 0.3, 0.1, 0.1], [0.1, 0.2, 0.6, 0.3]])
    label = np.array([1, 1, 1, 0, 0], np.int8)
    (found,) = lead_times(label, np.concatenate([events, others]), false_alarm_rates=(0.5,), step_days=7)
    # One of the two others peaks at 0.6 and may be a false alarm, so that the cut is just above 0.3.
    assert found.cut == pytest.approx(0.3)
    assert (found.unit, found.entities) == ("days", 3)
    assert found.warned.value == pytest.approx(2 / 3)
    assert found.mean == pytest.approx((2 * 7 + 0) / 2)
    assert found.alerted is not None
    assert found.alerted.value == pytest.approx(2 / 3)
    assert found.first_alert is not None
    assert found.first_alert.value == pytest.approx((2 * 7 + 0) / 2)
    assert found.shares == pytest.approx({0: 2 / 3, 1: 1 / 3, 2: 1 / 3, 3: 0})


def test_the_first_alert_may_be_taken_back() -> None:
    scores = np.array([[0.1, 0.1, 0.9, 0.1], [0.9, 0.1, 0.9, NONE], [0.2, 0.2, 0.2, 0.2]])
    (found,) = lead_times(np.array([1, 1, 0], np.int8), scores, false_alarm_rates=(0.01,))
    assert found.alerted is not None
    assert found.first_alert is not None
    assert (found.warned.value, found.alerted.value, found.first_alert.value) == (0.5, 1, 2)


def test_the_cut_keeps_the_false_alarm_rate() -> None:
    peaks = np.random.default_rng(0).random(997)
    for rate in (0.01, 0.05, 0.1):
        cut = cut_for(peaks, rate)
        assert (peaks >= cut).mean() <= rate
        lower = np.sort(peaks[peaks < cut])[-1]
        assert (peaks >= lower).mean() > rate


def test_one_outcome_has_no_lead_time() -> None:
    assert lead_times(np.zeros(3, np.int8), np.full((3, 4), 0.5)) == ()


def test_accounts_that_default_are_warned_about_days_before() -> None:
    frame = delinquency(1500, seed=1)
    columns = Columns.model_validate(
        {
            "label": "defaulted",
            "sequence": {"entity": "account_id", "order": "day", "features": ("utility_delay_days",)},
        }
    )
    data = Dataset.from_table(frame.select("account_id", "day", "utility_delay_days", "defaulted"), columns)
    assert isinstance(frame, pl.DataFrame)
    scores = prefix_scores(recent_mean, data.batch, window=30)
    found = lead_times(data.label, scores, false_alarm_rates=(0.02, 0.15, 0.3))
    warned = [each.warned.value for each in found]
    assert warned == sorted(warned)
    assert 0.45 < warned[1] < 0.7
    # Decline sets in after 35 to 85 % of 30 to 90 days: a median of some days, and some accounts two weeks before.
    assert found[1].median is not None
    assert 3 <= found[1].median.value <= 20
    assert found[1].shares[13] > 0.05
    shares = list(found[1].shares.values())
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(warned[1])
