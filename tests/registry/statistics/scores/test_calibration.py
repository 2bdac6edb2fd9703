"""Calibration against scikit-learn's unpenalised logistic regression, by its laws and by planted miscalibration."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from scoreline_registry.statistics.contrasts.proportions import wilson
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.scores.calibration import (
    brier,
    calibration_table,
    expected_calibration_error,
    recalibration,
    squared_errors,
)

Rows = tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def drawn(seed: int, *, rows: int = 5000, intercept: float = 0.0, slope: float = 1.0) -> Rows:
    """Labels whose log odds are intercept + slope times the score's."""
    draws = np.random.default_rng(seed)
    odds = draws.normal(-1, 1, rows)
    label = draws.random(rows) < 1 / (1 + np.exp(-(intercept + slope * odds)))
    return label, 1 / (1 + np.exp(-odds))


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    label, score = drawn(1)
    found = estimate(brier(label, score))
    assert found.value == pytest.approx(brier_score_loss(label, score))
    assert found.low < found.value < found.high
    halves = sum((squared_errors(label[part], score[part]) for part in (slice(99), slice(99, None))), start=Moments())
    assert halves.mean == pytest.approx(found.value)


def test_scores_of_0_and_1_have_a_recalibration() -> None:
    label, score = drawn(5, rows=200)
    sure = recalibration(label, np.where(score > 0.3, 1.0, 0.0))
    assert np.isfinite(estimate(sure.slope).value)


def test_a_recalibration_is_the_logistic_regression_on_the_log_odds() -> None:
    label, score = drawn(2, intercept=0.4, slope=0.7)
    found = recalibration(label, score)
    odds = np.log(score / (1 - score))[:, None]
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds, label)
    assert estimate(found.intercept).value == pytest.approx(theirs.intercept_[0], abs=1e-5)
    assert estimate(found.slope).value == pytest.approx(theirs.coef_[0, 0], abs=1e-5)


def test_planted_miscalibration_is_found_and_calibrated_scores_are_not_accused() -> None:
    wrong, right = recalibration(*drawn(3, intercept=0.5, slope=0.6), alpha=1e-3), recalibration(*drawn(7), alpha=1e-3)
    for found, intercept, slope in ((wrong, 0.5, 0.6), (right, 0.0, 1.0)):
        assert estimate(found.intercept).low < intercept < estimate(found.intercept).high
        assert estimate(found.slope).low < slope < estimate(found.slope).high
    for figure in (wrong.intercept, wrong.slope):
        assert (estimate(figure).p or 0) < 1e-6
    for figure in (right.intercept, right.slope):
        assert (estimate(figure).p or 0) > 0.05


def test_the_intervals_cover_the_truth() -> None:
    """Of 400 samples, within three standard errors."""
    hits = []
    for seed in range(400):
        found = recalibration(*drawn(seed, rows=500))
        hits.append((estimate(found.intercept).excludes_zero, abs(estimate(found.slope).p or 0) < 0.05))
    assert np.mean(hits, axis=0) == pytest.approx([0.05, 0.05], abs=0.033)


def test_scores_of_0_and_1_have_log_odds_too() -> None:
    label, score = drawn(4)
    score[:2], label[:2] = (0.0, 1.0), (False, True)
    assert np.isfinite(estimate(recalibration(label, score).slope).value)


def test_the_table_holds_every_row_once() -> None:
    label, score = drawn(5, rows=1003)
    table = calibration_table(label, score, bins=10)
    rows = np.array([part.rows for part in table])
    assert (rows.sum(), rows.max() - rows.min()) == (1003, 1)
    assert rows @ [part.score for part in table] == pytest.approx(score.sum())
    assert rows @ [estimate(part.rate).value for part in table] == pytest.approx(label.sum())
    first = np.argsort(score)[: rows[0]]
    assert table[0].rate == wilson(int(label[first].sum()), int(rows[0]))
    gaps = [abs(part.score - estimate(part.rate).value) for part in table]
    assert expected_calibration_error(label, score, bins=10) == pytest.approx(rows @ gaps / 1003)


def test_float32_scores_keep_their_digits() -> None:
    label, score = drawn(6, rows=200_000)
    assert expected_calibration_error(label, score.astype(np.float32)) == pytest.approx(
        expected_calibration_error(label, score), abs=1e-6
    )


def test_fewer_rows_than_bins_make_fewer_bins() -> None:
    assert len(calibration_table(np.array([True, False]), np.array([0.5, 0.2]))) == 2


def test_too_few_events_are_told() -> None:
    label, score = np.arange(30) < 4, np.linspace(0.1, 0.9, 30)
    assert recalibration(label, score).slope == TooFew(4, 10, "logistic recalibration")
    for separated in (np.full(30, 0.5), np.linspace(0.1, 0.9, 30), np.linspace(0.9, 0.1, 30)):
        assert isinstance(recalibration(np.arange(30) < 15, separated).slope, TooFew)
    assert isinstance(brier(label[:1], score[:1]), TooFew)
