"""The regressions over members' scores: their weights with few rows, with many, and with useless members."""

import numpy as np
import pytest
from scipy.special import expit

from scoreline_trainers.calibration import method_for
from scoreline_trainers.calibration.odds import log_odds
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label, auc
from scoreline_trainers.families.ensembles.regressions import EXTREME, AmountMeta, Meta, stacked

C = 0.01


def alike(rows: int, *, members: int = 4, seed: int = 0) -> tuple[Label, Float64]:
    """Labels, and calibrated scores [rows, members] of members that are equally good and differ by noise alone."""
    draw = np.random.default_rng(seed)
    odds = draw.normal(-1, 1, rows)
    label = (draw.random(rows) < expit(odds)).astype(np.int8)
    return label, expit(odds[:, None] + draw.normal(0, 0.4, (rows, members)))


def test_few_rows_leave_members_that_are_alike_nearly_equal_weights() -> None:
    label, scores = alike(300)
    weights = Meta.fit(scores, label, C=C).weights
    assert np.ptp(weights) < 0.1
    assert np.ptp(Meta.fit(scores, label, C=100.0).weights) > 0.3
    assert weights.sum() == pytest.approx(1, abs=0.25)


def test_many_rows_decide_the_weights_themselves() -> None:
    label, scores = alike(40_000, members=2)
    noisier = expit(log_odds(scores[:, 1], EXTREME) + np.random.default_rng(1).normal(0, 1.5, len(label)))
    strict, loose = (Meta.fit(np.stack([scores[:, 0], noisier], axis=1), label, C=C_).weights for C_ in (C, 100.0))
    assert strict[0] > 10 * strict[1]
    np.testing.assert_allclose(strict, loose, atol=0.03)


def test_a_stack_of_few_rows_ranks_better_where_weights_are_near_each_other() -> None:
    """Tables of 300 rows with members that are alike, judged by other rows."""
    new, unseen = alike(10_000, seed=1_000)
    best = max(auc(new, member) for member in unseen.T)
    ranked: dict[float, list[float]] = {C: [], 100.0: []}
    for seed in range(8):
        label, scores = alike(300, seed=seed)
        for strength, found in ranked.items():
            found.append(auc(new, Meta.fit(scores, label, C=strength).apply(unseen)))
    assert min(ranked[C]) > best
    assert np.mean(ranked[C]) > np.mean(ranked[100.0]) + 0.002


def test_no_weight_is_negative_and_members_that_are_wrong_get_none() -> None:
    label, scores = alike(4_000, members=2)
    both = np.stack([scores[:, 0], 1 - scores[:, 1]], axis=1)
    assert Meta.fit(both, label, C=C).weights[1] == 0
    wrong = stacked(1 - scores, label, np.arange(4_000) % 5, C=C, calibration="isotonic")
    assert (wrong.meta.weights == 0).all()
    np.testing.assert_allclose(wrong.apply(scores), label.mean(), atol=0.01)


def test_members_that_separate_the_labels_leave_the_weights_finite() -> None:
    label = (np.arange(200) % 2).astype(np.int8)
    scores = np.where(label[:, None] == 1, 0.999, 0.001) * np.ones((1, 3))
    found = Meta.fit(scores, label, C=C)
    np.testing.assert_allclose(found.weights, found.weights[0])
    assert 0.33 < found.weights[0] < 2


def test_the_weights_are_where_the_penalised_loss_is_least() -> None:
    label, scores = alike(500, members=2)
    found = Meta.fit(scores, label, C=C)

    def loss(weights: Float64) -> float:
        score = expit(log_odds(scores, EXTREME) @ weights + found.bias)
        apart = weights - weights.mean()
        penalty = (apart @ apart / C + (weights.sum() - 1) ** 2) / 2
        return float(penalty - np.log(np.where(label == 1, score, 1 - score)).sum())

    for step in np.array([[0.003, 0], [-0.003, 0], [0, 0.003], [0, -0.003], [0.003, -0.003]]):
        assert loss(found.weights) < loss(found.weights + step)


def test_a_row_that_counts_twice_is_two_rows() -> None:
    label, scores = alike(400)
    twice = np.where(np.arange(400) < 100, 2.0, 1.0)
    again = np.concatenate([np.arange(400), np.arange(100)])
    found, known = Meta.fit(scores, label, C=C, weight=twice), Meta.fit(scores[again], label[again], C=C)
    np.testing.assert_allclose([*found.weights, found.bias], [*known.weights, known.bias], atol=1e-5)
    amount = log_odds(scores, EXTREME).mean(axis=1) + label
    weighted = AmountMeta.fit(scores, amount, C=C, weight=twice)
    repeated = AmountMeta.fit(scores[again], amount[again], C=C)
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_weights_of_amounts_are_near_each_other_in_any_unit(unit: float) -> None:
    draw = np.random.default_rng(0)
    amount = draw.gamma(2, 100, 200)
    scores = amount[:, None] + draw.normal(0, 150, (200, 3))
    found = AmountMeta.fit(scores * unit, amount * unit, C=C)
    same = AmountMeta.fit(scores, amount, C=C)
    np.testing.assert_allclose(found.weights, same.weights, rtol=1e-6)
    assert found.bias == pytest.approx(same.bias * unit, rel=1e-6)
    apart = [np.ptp(AmountMeta.fit(scores * unit, amount * unit, C=strength).weights) for strength in (1e-4, 0.01, 100)]
    assert sorted(apart) == apart
    assert apart[0] < 0.01


def test_amounts_that_a_member_knows_exactly_are_its_own() -> None:
    draw = np.random.default_rng(0)
    amount = draw.gamma(2, 100, 2_000)
    found = AmountMeta.fit(np.stack([amount, draw.gamma(2, 100, 2_000)], axis=1), amount, C=C)
    np.testing.assert_allclose(found.weights, [1, 0], atol=0.05)


@pytest.mark.parametrize(
    ("rows", "positives", "method"),
    [(2_000, 1_000, "isotonic"), (2_000, 999, "sigmoid"), (50_000, 49_001, "sigmoid"), (50_000, 1_500, "isotonic")],
)
def test_the_method_of_calibration_follows_the_rows_of_the_rarer_label(rows: int, positives: int, method: str) -> None:
    label = (np.arange(rows) < positives).astype(np.int8)
    assert method_for("auto", label) == method
    assert method_for("isotonic", label) == "isotonic"
    found = stacked(alike(rows)[1], label, np.arange(rows) % 2, C=C, calibration="auto")
    assert str(found.describe(["a", "b", "c", "d"])["calibration"]).startswith(method)
