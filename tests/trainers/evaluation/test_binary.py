"""Figures of a score against labels, beside scikit-learn's and brute force."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.binary.calibration import calibration_of
from scoreline_trainers.evaluation.binary.curves import POINTS, precision_recall_curve, roc_curve
from scoreline_trainers.evaluation.binary.cuts import cut_at, named_cuts
from scoreline_trainers.evaluation.binary.deciles import deciles
from scoreline_trainers.evaluation.binary.figures import binary_metrics
from scoreline_trainers.evaluation.binary.profit import best_cut
from scoreline_trainers.evaluation.binary.ranked import Ranked
from scoreline_trainers.evaluation.costs import Costs
from scoreline_trainers.evaluation.metrics import METRICS, Label, evaluate

EXACT = 1e-9


def sample(rows: int = 2000, *, seed: int = 0, ties: bool = False) -> tuple[Label, Float64]:
    """Labels drawn by their own scores: a calibrated score."""
    draw = np.random.default_rng(seed)
    score = draw.beta(1, 4, rows)
    score = np.round(score, 2) if ties else score
    return (draw.random(rows) < score).astype(np.int8), score


@pytest.mark.parametrize("ties", [False, True])
def test_metrics_equal_those_of_scikit_learn(ties: bool) -> None:
    label, score = sample(ties=ties)
    found = {name: figure.value for name, figure in binary_metrics(label, score, draws=0).items()}
    false, true, _ = sklearn_metrics.roc_curve(label, score)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(label, score)
    area = sklearn_metrics.roc_auc_score(label, score)
    expected = {
        "auc": area,
        "gini": 2 * area - 1,
        "average_precision": sklearn_metrics.average_precision_score(label, score),
        "brier": sklearn_metrics.brier_score_loss(label, score),
        "log_loss": sklearn_metrics.log_loss(label, score),
        "ks": (true - false).max(),
        "best_f1": np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300)),
        "rate": label.mean(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=EXACT)


def test_the_metrics_of_a_manifest_are_those_of_the_evaluation() -> None:
    label, score = sample(500)
    flat, found = evaluate(label, score), binary_metrics(label, score, draws=0)
    assert {name: found[name].value for name in METRICS} == pytest.approx({name: flat[name] for name in METRICS})
    assert (flat["auc_low_95"], flat["auc_high_95"]) == (found["auc"].low, found["auc"].high)


def test_a_certain_score_that_is_wrong_has_a_finite_log_loss() -> None:
    label, score = np.array([1, 0, 1], np.int8), np.array([0.0, 0.0, 1.0])
    assert evaluate(label, score)["log_loss"] == pytest.approx(sklearn_metrics.log_loss(label, score), abs=EXACT)


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.3, 0.9999])
def test_decisions_at_a_cut_equal_those_of_scikit_learn(cut: float) -> None:
    label, score = sample(700)
    found, chosen = cut_at(label, score, cut, name="given"), score >= cut
    cells = found.confusion
    table = sklearn_metrics.confusion_matrix(label, chosen)
    assert [[cells.true_negatives, cells.false_positives], [cells.false_negatives, cells.true_positives]] == (
        table.tolist()
    )
    assert found.f1 == pytest.approx(sklearn_metrics.f1_score(label, chosen), abs=EXACT)
    assert found.recall is not None
    assert found.recall.value == pytest.approx(sklearn_metrics.recall_score(label, chosen), abs=EXACT)
    assert found.selected == chosen.mean()
    assert (found.precision is None) == (not chosen.any())
    if found.precision is not None:
        assert found.precision.value == pytest.approx(sklearn_metrics.precision_score(label, chosen), abs=EXACT)
    assert found.specificity is not None
    assert found.specificity.value == pytest.approx(sklearn_metrics.recall_score(1 - label, ~chosen), abs=EXACT)


def test_the_cut_with_the_best_f1_is_shown_beside_the_given_ones() -> None:
    label, score = sample(300)
    cuts = named_cuts(label, score, {"band high": 0.5, "given 0.2": 0.2})
    assert {cut.name for cut in cuts} == {"band high", "given 0.2", "best F1"}
    assert [cut.score for cut in cuts] == sorted(cut.score for cut in cuts)
    best = next(cut for cut in cuts if cut.name == "best F1")
    assert best.f1 == pytest.approx(max(sklearn_metrics.f1_score(label, score >= cut) for cut in score))


def test_curves_pass_through_points_of_scikit_learns_and_stay_short() -> None:
    label, score = sample(3000)
    ranked = Ranked.of(label, score)
    roc, precision_recall = roc_curve(ranked), precision_recall_curve(ranked)
    assert max(len(roc.x), len(precision_recall.x)) <= POINTS
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    area = sklearn_metrics.auc(roc.x, roc.y)
    assert area == pytest.approx(sklearn_metrics.roc_auc_score(label, score), abs=1e-3)
    for curve, take in ((roc, 0), (precision_recall, 1)):
        places = [at for at, cut in enumerate(curve.cuts) if cut is not None][::25]
        for at in places:
            chosen = score >= np.float64(curve.cuts[at] or 0)
            of_positives = sklearn_metrics.recall_score(label, chosen)
            other = sklearn_metrics.precision_score(label, chosen) if take else 1 - (~chosen)[label == 0].mean()
            expected = (of_positives, other) if take else (other, of_positives)
            assert (curve.x[at], curve.y[at]) == pytest.approx(expected, abs=EXACT)


def test_the_parts_of_the_brier_score_add_up_to_it() -> None:
    label, score = sample(1234)
    found = calibration_of(label, score)
    assert None not in (found.reliability, found.resolution, found.uncertainty, found.within_bins)
    total = (found.reliability or 0) - (found.resolution or 0) + (found.uncertainty or 0) + (found.within_bins or 0)
    assert total == pytest.approx(sklearn_metrics.brier_score_loss(label, score), abs=EXACT)


def test_scores_that_are_equal_within_bins_leave_murphys_three_parts() -> None:
    # Two bins of four rows: rates 1/4 and 3/4 beside scores 0.4 and 0.7.
    label = np.array([0, 0, 0, 1, 1, 1, 1, 0], np.int8)
    found = calibration_of(label, np.repeat([0.4, 0.7], 4), bins=2)
    assert (found.reliability, found.resolution, found.uncertainty) == pytest.approx(
        ((0.15**2 + 0.05**2) / 2, 0.25**2, 0.25)
    )
    assert found.within_bins == pytest.approx(0, abs=1e-15)


def test_calibration_bins_hold_every_row_and_a_calibrated_score_is_within_their_intervals() -> None:
    label, score = sample(8000, seed=3)
    found = calibration_of(label, score)
    assert len(found.bins) == 20
    assert sum(each.rows for each in found.bins) == 8000
    within = [(each.observed.low or 0) <= each.score <= (each.observed.high or 0) for each in found.bins]
    assert sum(within) >= 17
    assert found.slope is not None
    assert found.slope.low is not None
    assert found.slope.low < 1 < (found.slope.high or 0)


def test_the_error_of_a_true_score_is_within_what_chance_gives_and_that_of_a_bent_one_is_not() -> None:
    within = 0
    for seed in range(40):
        label, score = sample(400, seed=seed)
        chance = calibration_of(label, score).error_by_chance
        assert chance is not None
        within += (chance.low or 0) <= evaluate(label, score)["ece_20_equal_mass"] <= (chance.high or 0)
    assert within >= 35
    label, score = sample(4000)
    bent = calibration_of(label, np.sqrt(score)).error_by_chance
    assert bent is not None
    assert bent.low is not None
    assert bent.high is not None
    assert bent.low < bent.value < bent.high < evaluate(label, np.sqrt(score))["ece_20_equal_mass"]


def test_deciles_give_lift_gain_and_ks() -> None:
    label, score = sample(1000)
    found = deciles(label, score)
    assert [each.rows for each in found] == [100] * 10
    top = np.argsort(-score)[:300]
    third = found[2]
    assert third.gain == pytest.approx(label[top].sum() / label.sum())
    assert third.cumulative_lift == pytest.approx(label[top].mean() / label.mean())
    assert (found[-1].gain, found[-1].cumulative_lift, found[-1].ks) == pytest.approx((1, 1, 0))
    assert max(each.ks for each in found) <= evaluate(label, score)["ks"] + EXACT
    assert found[0].lowest >= found[1].highest


def test_the_best_cut_earns_most_among_all_cuts() -> None:
    label, score = sample(600, ties=True)
    costs = Costs(false_positive=2, false_negative=7, true_positive=-3, true_negative=-0.5)
    found = best_cut(label, score, costs)
    profits = {cut: costs.profits(label, score >= cut).mean() for cut in (*np.unique(score), 1.1)}
    assert found.profit.value == pytest.approx(max(profits.values()))
    assert found.profit.value == pytest.approx(profits[found.cut.score])
    assert found.select_all == pytest.approx(profits[min(score)])
    assert found.select_none == pytest.approx(profits[1.1])
    assert max(found.curve.y) <= found.profit.value + EXACT
    assert list(found.curve.x) == sorted(found.curve.x)


def test_where_every_selection_loses_the_best_cut_selects_no_row() -> None:
    label, score = np.array([0, 1, 0, 0], np.int8), np.array([0.9, 0.8, 0.3, 0.1])
    found = best_cut(label, score, Costs(false_positive=1000, false_negative=1))
    assert (found.cut.selected, found.cut.precision) == (0, None)
    assert found.profit.value == found.select_none == pytest.approx(-label.mean())


def test_the_theoretical_cut_is_elkans_and_near_the_best_for_a_calibrated_score() -> None:
    # c_FP / (c_FP + b_TP): a call costs 1 and a purchase brings 4 beyond it.
    costs = Costs(false_positive=1, false_negative=0, true_positive=-4)
    assert costs.threshold == pytest.approx(1 / (1 + 4))
    label, score = sample(40_000, seed=5)
    found = best_cut(label, score, costs)
    assert found.theoretical is not None
    assert found.theoretical.score == pytest.approx(0.2)
    assert found.cut.score == pytest.approx(0.2, abs=0.05)
    assert found.theoretical.profit == pytest.approx(found.profit.value, abs=0.01)


def test_costs_by_which_one_decision_is_always_best_are_refused() -> None:
    with pytest.raises(ValueError, match="'false_negative' must cost more than 'true_positive'"):
        Costs(false_positive=1, false_negative=0, true_positive=3)


def test_one_label_leaves_what_can_be_said_of_it() -> None:
    label, score = np.zeros(40, np.int8), np.linspace(0.01, 0.3, 40)
    found = binary_metrics(label, score)
    assert found.keys() == {"rate", "brier", "log_loss", "ece_10_equal_mass", "ece_20_equal_mass", "mean_score"}
    assert deciles(label, score) == ()


def test_a_score_that_is_no_probability_has_no_calibration() -> None:
    label, score = sample(400)
    found = binary_metrics(label, 50 * score, probability=False)
    assert {"auc", "ks"} <= found.keys()
    assert not {"brier", "log_loss", "ece_10_equal_mass", "brier_skill"} & found.keys()
