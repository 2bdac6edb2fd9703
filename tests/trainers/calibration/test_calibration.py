"""Calibrators: what they learn, and that their nodes compute it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl
import pytest
from sklearn.isotonic import IsotonicRegression

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract
from scoreline_registry.statistics.scores.calibration import expected_calibration_error
from scoreline_trainers.calibration import CALIBRATORS, Method, calibrated
from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.calibration.isotonic import STEEPEST, Isotonic
from scoreline_trainers.calibration.odds import log_odds
from scoreline_trainers.calibration.sigmoid import EXTREME, Sigmoid
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError
from scoreline_trainers.evaluation.binary.pooling import pooled
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.family import Fitted
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.progress import Silent
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe
from tests.trainers.tables import SMALL, dataset, fit, lacking

SURE = {"family": "lightgbm", "config": {**SMALL["lightgbm"], "n_estimators": 150, "learning_rate": 0.5}}
ONE = InputContract(features=(Feature(name="p"),))


class Given(Fitted):
    """The score is the one feature, 0.5 where it is missing."""

    def predict(self, batch: Batch) -> Float64:
        values = batch.table[:, 0].astype(np.float64)
        return np.clip(np.where(np.isnan(values), 0.5, values), 0, 1)

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        return {"twice": 2 * self.predict(batch)}

    def to_onnx(self) -> onnx.ModelProto:
        graph = GraphBuilder(ONE)
        given = graph.column("features", 0)
        filled = graph.add("Where", graph.add("IsNaN", given), graph.constant(0.5, np.float32), given)
        limits = [graph.constant(limit, np.float32) for limit in (0, 1)]
        score = graph.add("Clip", filled, *limits)
        return graph.build(score, extras={"twice": Extra(graph.add("Add", score, score))})


def overconfident(rows: int = 4000, *, seed: int = 0) -> tuple[npt.NDArray[np.int8], Float64]:
    """Scores whose log odds are twice what they should be, and labels."""
    draw = np.random.default_rng(seed)
    odds = draw.normal(-1, 1, rows)
    score = 1 / (1 + np.exp(-2 * odds))
    label = (draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    return label, score.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("method", CALIBRATORS)
def test_a_calibrated_score_says_what_share_has_the_label_and_keeps_the_order(method: Method) -> None:
    label, score = overconfident()
    calibrator = CALIBRATORS[method](label, score, None)
    label, score = overconfident(seed=1)
    after = calibrator.apply(score)
    assert expected_calibration_error(label, score) > 0.08
    assert expected_calibration_error(label, after) < 0.03
    assert auc(label, after) == pytest.approx(auc(label, score), abs=0.001)
    assert (np.diff(after[np.argsort(score)]) >= 0).all()


@pytest.mark.parametrize("method", CALIBRATORS)
def test_the_graph_is_the_native_calibrator_on_every_score(method: Method) -> None:
    label, score = overconfident()
    model = Calibrated(ONE, Given(), CALIBRATORS[method](label, score, None))
    every = np.concatenate([score, np.linspace(0, 1, 5000), [np.nan]]).astype(np.float32)
    proof = prove(
        model.to_onnx().SerializeToString(),
        subject=method,
        inputs=ONE,
        score=ScoreContract(meaning="t", extras=("twice",)),
        samples=Batch(features=every[:, None]),
        reference=lambda batch: {"score": model.predict(batch), **model.extras(batch)},
    )
    assert proof.differences["score"] < 1e-6


def test_pools_are_those_of_isotonic_regression() -> None:
    label, score = overconfident(500)
    score = score.round(2)
    pools = pooled(label, score)
    known = IsotonicRegression().fit(score, label)
    place = np.searchsorted(pools.start, score, side="right") - 1
    np.testing.assert_allclose(pools.rate[place], known.predict(score), atol=1e-9)
    assert pools.rows.sum() == 500
    assert (np.diff(pools.rate) > 0).all()
    for pool in range(len(pools.start)):
        assert pools.centre[pool] == pytest.approx(score[place == pool].mean())


def test_isotonic_interpolates_between_the_centres_of_pools() -> None:
    label = np.array([0, 0, 0, 1, 0, 1, 1, 1], np.int8)
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    found = Isotonic.fit(label, score)
    # The pools are [0.1 .. 0.3], [0.4, 0.5] and [0.6 .. 0.8]; 0 and 1 stay half a row away.
    np.testing.assert_allclose(found.x, [0.2, 0.45, 0.7])
    np.testing.assert_allclose(found.y, [1 / 16, 0.5, 15 / 16])
    np.testing.assert_allclose(
        found.apply(np.array([0, 0.2, 0.325, 0.7, 1])), [1 / 16, 1 / 16, 9 / 32, 15 / 16, 15 / 16]
    )


def test_isotonic_is_never_so_steep_that_rounding_shows() -> None:
    draw = np.random.default_rng(0)
    score = 0.5 + 1e-4 * draw.normal(size=1000)
    label = (score > 0.5).astype(np.int8)
    found = Isotonic.fit(label, score)
    assert found.slope.max() <= STEEPEST
    assert found.apply(score).mean() == pytest.approx(label.mean(), abs=0.02)


def test_isotonic_is_as_flat_as_it_is_told_to_be() -> None:
    label, score = overconfident(3000)
    assert Isotonic.fit(label, score).slope.max() > 3
    assert Isotonic.fit(label, score, steepest=1.5).slope.max() <= 1.5


def test_a_score_that_says_nothing_becomes_the_rate_of_the_label() -> None:
    label = (np.arange(200) % 4 == 0).astype(np.int8)
    for method in CALIBRATORS.values():
        answer = method(label, np.full(200, 0.9), None).apply(np.array([0.0, 0.9, 1.0]))
        assert answer[1] == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(Isotonic.fit(label, np.full(200, 0.9)).apply(np.array([0.0, 1.0])), 0.25)


def test_sigmoid_finds_the_slope_and_shift_that_made_the_labels() -> None:
    found = Sigmoid.fit(*overconfident(20_000))
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.shift == pytest.approx(0.0, abs=0.06)


def test_labels_that_the_score_separates_leave_the_sigmoid_finite() -> None:
    found = Sigmoid.fit(np.array([0] * 50 + [1] * 50, np.int8), np.repeat([0.2, 0.8], 50))
    assert 1 < found.slope < 100
    assert found.apply(np.array([0.2, 0.8])) == pytest.approx([1 / 52, 51 / 52], abs=1e-4)


@pytest.mark.parametrize("method", CALIBRATORS)
def test_a_calibrated_family_keeps_what_it_had(method: Method) -> None:
    data = dataset()
    learned, held = data.take(np.arange(600)), data.take(np.arange(600, 800))
    model = calibrated(fit("lightgbm", learned), held, method)
    assert str(model.describe()["calibration"]).startswith(method)
    assert model.files().keys() == model.model.files().keys()
    assert model.edges().keys() == model.model.edges().keys()


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("lightgbm", {"n_estimators": 150, "learning_rate": 0.5}),
        ("catboost", {"n_estimators": 150, "learning_rate": 0.8}),
        ("segmented", {"segment": "plan", "member": SURE, "members": {}, "fallback": SURE}),
    ],
)
@pytest.mark.parametrize("method", CALIBRATORS)
def test_scores_that_are_far_too_sure_are_calibrated_without_a_loss(
    family: str, options: Mapping[str, Any], method: Method
) -> None:
    if lacking(family):
        pytest.skip(lacking(family))
    data = dataset()
    learned, held = data.take(np.arange(500)), data.take(np.arange(500, 800))
    model = calibrated(fit(family, learned, **options), held, method)
    assert np.ptp(log_odds(model.model.predict(held.batch), EXTREME)) > 12
    proof = prove(
        model.to_onnx().SerializeToString(),
        subject=family,
        inputs=data.inputs,
        score=ScoreContract(meaning="t"),
        samples=data.batch,
        reference=lambda batch: {"score": model.predict(batch)},
        edges=model.edges(),
    )
    assert proof.differences["score"] < 2e-6


@pytest.mark.parametrize("method", CALIBRATORS)
def test_a_row_that_counts_twice_is_two_rows(method: Method) -> None:
    label, score = overconfident(1000)
    twice = np.where(label == 1, 2.0, 1.0)
    again = np.concatenate([np.arange(1000), np.flatnonzero(label == 1)])
    grid = np.linspace(0.05, 0.95, 50)
    found = CALIBRATORS[method](label, score, 1e6 * twice).apply(grid)
    np.testing.assert_allclose(found, CALIBRATORS[method](label[again], score[again], None).apply(grid), atol=2e-3)
    assert np.abs(found - CALIBRATORS[method](label, score, None).apply(grid)).max() > 0.1


@pytest.mark.parametrize(
    ("family", "config", "calibration"),
    [
        ("logistic", {}, "isotonic"),
        ("logistic", {}, {"method": "sigmoid", "fraction": 0.3}),
        ("stacking", {**SMALL["stacking"], "calibration": "auto"}, None),
        ("stacking", {**SMALL["stacking"], "meta": "logistic", "calibration": "sigmoid"}, None),
    ],
)
def test_scores_mean_the_population_that_weights_describe(
    family: str, config: Mapping[str, Any], calibration: Any
) -> None:
    """One of four negatives was kept and counts for four; class weights, which only shift training, change nothing."""
    draw = np.random.default_rng(0)
    income = draw.normal(0, 1, 6000)
    bought = draw.random(6000) < 1 / (1 + np.exp(2 - income))
    kept = bought | (draw.random(6000) < 0.25)
    frame = pl.DataFrame({"income": income, "bought": bought.astype(int), "counts": np.where(bought, 1.0, 4.0)})
    recipe = Recipe.parse(
        {
            "name": "sampled",
            "data": "-",
            "label": "bought",
            "features": ["income"],
            "weight": "counts",
            "class_weight": "balanced",
            "family": family,
            "config": config,
            "calibration": calibration,
        }
    )
    data = Dataset.from_table(frame.filter(pl.Series(kept)), recipe)
    score = fit_model(recipe, data, progress=Silent()).predict(Batch(features=income[:, None].astype(np.float32)))
    assert score.mean() == pytest.approx(bought.mean(), abs=0.02)


def test_rows_of_one_label_cannot_calibrate() -> None:
    data = dataset()
    ones = data.take(np.flatnonzero(data.label == 1)[:20])
    with pytest.raises(DataError, match="the 20 rows held out for calibration have one label: raise its fraction"):
        calibrated(fit("logistic", data), ones, "sigmoid")
