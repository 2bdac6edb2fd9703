"""Figures of a score against amounts and against classes, beside scikit-learn's and SciPy's."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.amounts.figures import regression_calibration, regression_metrics
from scoreline_trainers.evaluation.classes.figures import class_figures, confusion_matrix, multiclass_metrics
from scoreline_trainers.evaluation.evaluate import evaluate_scores
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.scored import Scored

EXACT = 1e-9
NAMES = ("a", "b", "c")


def amounts(rows: int = 500) -> tuple[Float64, Float64]:
    draw = np.random.default_rng(0)
    score = draw.gamma(2, 50, rows)
    return score * draw.uniform(0.5, 1.5, rows), score


def classes(rows: int = 600) -> tuple[Label, Float64]:
    draw = np.random.default_rng(1)
    shares = draw.dirichlet([2, 1, 1], rows)
    label = (draw.random(rows)[:, None] > np.cumsum(shares, axis=1)).sum(axis=1)
    return label.astype(np.int8), shares


def test_errors_of_amounts_equal_those_of_scikit_learn() -> None:
    amount, score = amounts()
    found = {name: figure.value for name, figure in regression_metrics(amount, score, draws=0).items()}
    assert found == pytest.approx(
        {
            "mae": sklearn_metrics.mean_absolute_error(amount, score),
            "rmse": sklearn_metrics.root_mean_squared_error(amount, score),
            "median_error": sklearn_metrics.median_absolute_error(amount, score),
            "r2": sklearn_metrics.r2_score(amount, score),
            "spearman": stats.spearmanr(amount, score).statistic,
            "bias": np.mean(amount - score),
            "mean_score": score.mean(),
            "mean_outcome": amount.mean(),
        },
        abs=EXACT,
    )


def test_every_error_of_amounts_has_an_interval_around_it() -> None:
    for figure in regression_metrics(*amounts()).values():
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high


def test_constant_amounts_have_no_r2_and_no_correlation() -> None:
    found = regression_metrics(np.full(20, 3.0), np.arange(20.0))
    assert {"mae", "rmse"} <= found.keys()
    assert not {"r2", "spearman"} & found.keys()


def test_calibration_of_amounts_is_the_line_through_them() -> None:
    amount, score = amounts()
    found = regression_calibration(amount, score)
    line = stats.linregress(score, amount)
    assert found.slope is not None
    assert found.intercept is not None
    assert (found.slope.value, found.intercept.value) == pytest.approx((line.slope, line.intercept))
    # Errors grow with the amount here, so that White's error is above that of equal spread, which linregress has.
    error = ((found.slope.high or 0) - (found.slope.low or 0)) / 2 / 1.96
    assert line.stderr < error < 3 * line.stderr
    assert sum(each.rows for each in found.bins) == 500
    assert [each.score for each in found.bins] == sorted(each.score for each in found.bins)


def test_whites_intervals_of_slope_and_intercept_cover_the_truth() -> None:
    draw, covered = np.random.default_rng(2), np.zeros(2)
    for _ in range(200):
        score = draw.gamma(2, 50, 200)
        found = regression_calibration(score * draw.uniform(0.5, 1.5, 200), score)
        assert found.slope is not None
        assert found.intercept is not None
        covered[0] += (found.slope.low or 0) < 1 < (found.slope.high or 0)
        covered[1] += (found.intercept.low or 0) < 0 < (found.intercept.high or 0)
    assert ((covered >= 0.88 * 200) & (covered <= 0.99 * 200)).all()


def test_figures_of_classes_equal_those_of_scikit_learn() -> None:
    label, shares = classes()
    found = {name: figure.value for name, figure in multiclass_metrics(label, shares).items()}
    decided = shares.argmax(axis=1)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(label, decided, average="macro")
    one_hot = np.eye(3)[label]
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(label, decided),
        "log_loss": sklearn_metrics.log_loss(label, shares),
        "auc_macro": sklearn_metrics.roc_auc_score(label, shares, multi_class="ovr"),
        "auc_micro": sklearn_metrics.roc_auc_score(one_hot, shares, average="micro"),
        "average_precision_macro": sklearn_metrics.average_precision_score(one_hot, shares, average="macro"),
        "average_precision_micro": sklearn_metrics.average_precision_score(one_hot, shares, average="micro"),
        "precision_macro": precision,
        "recall_macro": recall,
        "f1_macro": f1,
    }
    assert found == pytest.approx(expected, abs=EXACT)
    assert np.array(confusion_matrix(label, shares)).tolist() == (
        sklearn_metrics.confusion_matrix(label, decided).tolist()
    )


def test_each_class_is_evaluated_against_the_rest() -> None:
    label, shares = classes()
    found = class_figures(label, shares, NAMES)
    for place, figures in enumerate(found):
        area = sklearn_metrics.roc_auc_score(label == place, shares[:, place])
        assert figures.metrics["auc"].value == pytest.approx(area, abs=EXACT)
        assert figures.rows == np.count_nonzero(label == place)
        recall = sklearn_metrics.recall_score(label == place, shares.argmax(axis=1) == place)
        assert figures.metrics["recall"].value == pytest.approx(recall, abs=EXACT)


def test_a_class_without_rows_is_left_out_of_the_averages() -> None:
    label = np.array([0, 1, 0, 1, 0, 1], np.int8)
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]] * 3)
    found = multiclass_metrics(label, shares)
    assert found["recall_macro"].value == 1.0
    assert found["auc_macro"].value == 1.0


def test_each_task_has_its_own_evaluation() -> None:
    amount, score = amounts(100)
    label, shares = classes(100)
    none = np.zeros(100, np.int8)
    regression = evaluate_scores(Scored(score, none, amount=amount))
    multiclass = evaluate_scores(Scored(shares[:, 2], label, probabilities=shares, classes=NAMES))
    assert (regression.task, multiclass.task) == ("regression", "multiclass")
    assert regression.positives is None
    assert len(regression.calibration.bins) == 10
    assert [each.name for each in multiclass.classes] == list(NAMES)
    assert regression.roc is None
    assert sum(map(sum, multiclass.confusion_matrix)) == 100
