"""Recipes whose columns are computed in the graph, from a table to a version that scores as the native model does."""

import re
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

from scoreline_registry.documents.manifest import BOOSTER_FILE, MODEL_FILE
from scoreline_registry.errors import GateError
from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.engineering.pipeline import FEATURES_FILE, Engineered, FeaturePipeline
from scoreline_trainers.errors import DataError
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.synthetic.delinquency import delinquency
from scoreline_trainers.synthetic.propensity import propensity
from scoreline_trainers.training.candidate import Candidate
from scoreline_trainers.training.recipe import Recipe, find_recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import SMALL, histories, people

TABLE = {
    "name": "income",
    "data": "unused.csv",
    "label": "label",
    "features": ["income", "age", "visits", "city", {"name": "plan", "kind": "category"}],
    "family": "lightgbm",
    "config": SMALL["lightgbm"],
    "engineered": [
        {"kind": "log1p", "columns": ["income"]},
        {"kind": "cross", "columns": ["city", "plan"]},
        {"kind": "ratio", "numerator": "income_log1p", "denominator": "visits"},
        {"kind": "bins", "column": "income", "count": 5},
    ],
}
STEPS = {
    "name": "history",
    "data": "unused.csv",
    "label": "label",
    "features": ["age"],
    "sequence": {"entity": "person", "order": "day", "features": ["spent", "earned", "calls"]},
    "family": "lightgbm",
    "config": SMALL["lightgbm"],
    "engineered": [
        {"kind": "velocity", "windows": [3, 7]},
        {"kind": "rolling", "windows": [5], "statistics": ["mean", "std"]},
        {"kind": "ratio", "numerator": "spent_mean_5", "denominator": "age"},
    ],
}


def packaged(name: str, **changes: Any) -> Recipe:
    return find_recipe(name)[0].model_copy(update=changes)


def check(recipe: Recipe, learned: pl.DataFrame, new: pl.DataFrame, *, at_least: float) -> Candidate:
    """Trains through the gate and holds the graph against the native model on rows it has never seen."""
    found = train(recipe, learned)
    assert found.report.metrics["auc"] > at_least
    data = Dataset.from_table(new, recipe, inputs=found.manifest.inputs)
    score = OnnxScorer(found.files[MODEL_FILE]).score(data.batch)
    np.testing.assert_allclose(score, found.fitted.predict(data.batch), atol=1e-5)
    return found


@pytest.mark.parametrize("family", ["logistic", "lightgbm"])
def test_raw_columns_in_score_out(family: str) -> None:
    recipe = Recipe.parse({**TABLE, "family": family, "config": SMALL[family]})
    found = check(recipe, people(), people(300, seed=5), at_least=0.6)
    assert [feature.name for feature in found.manifest.inputs.features] == ["income", "age", "visits", "city", "plan"]
    assert found.report.described["engineered columns"] == 4


@pytest.mark.parametrize("family", ["logistic", "lightgbm"])
@pytest.mark.parametrize("calibration", ["isotonic", "sigmoid"])
def test_a_history_feeds_a_family_of_tables_and_is_calibrated(family: str, calibration: str) -> None:
    recipe = Recipe.parse({**STEPS, "family": family, "config": SMALL[family], "calibration": calibration})
    found = check(recipe, histories(), histories(50, seed=5), at_least=0.7)
    assert isinstance(found.fitted, Calibrated)
    assert found.manifest.inputs.sequence is not None
    assert re.fullmatch(
        r"brier 0\.\d{4}, ece_10_equal_mass 0\.\d{4}", str(found.report.described["without calibration"])
    )


def test_a_network_keeps_its_history_beside_what_is_computed_from_it() -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    recipe = Recipe.parse({**STEPS, "family": "lstm", "config": SMALL["lstm"], "keep": ["features", "sequence"]})
    check(recipe, histories(), histories(50, seed=5), at_least=0.6)


def test_propensity_is_scored_from_what_callers_send() -> None:
    recipe = packaged("propensity-engineered", validation=Validation())
    found = check(recipe, propensity(4000, seed=7), propensity(500, seed=8), at_least=0.7)
    assert "rfm" not in {feature.name for feature in found.manifest.inputs.features}
    assert [band.name for band in found.manifest.score.bands] == ["low", "medium", "high"]


def test_delinquency_is_scored_from_raw_days_by_trees() -> None:
    recipe = packaged("delinquency-lightgbm", config={**SMALL["lightgbm"], "n_estimators": 60})
    found = check(recipe, delinquency(700, seed=7), delinquency(100, seed=8), at_least=0.7)
    assert found.manifest.inputs.features == ()


def test_propensity_is_scored_by_a_stack() -> None:
    recipe = packaged("propensity-stacking", validation=Validation())
    found = check(recipe, propensity(3000, seed=7), propensity(500, seed=8), at_least=0.7)
    assert found.manifest.score.extras == ("member_scores",)
    assert str(found.report.described["calibration"]).startswith("isotonic")


def test_delinquency_is_scored_by_a_network_over_days_beside_trees_over_windows() -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    network = {"family": "lstm", "config": {**SMALL["lstm"], "epochs": 2}, "keep": ["sequence"], "weight": 0.7}
    trees = {"family": "lightgbm", "config": SMALL["lightgbm"], "keep": ["features"], "weight": 0.3}
    recipe = packaged("delinquency-weighted", config={"members": [network, trees], "measuring_fraction": 0})
    found = check(recipe, delinquency(500, seed=7), delinquency(100, seed=8), at_least=0.7)
    assert found.report.described["weights"] == "lstm 0.700, lightgbm 0.300"


def test_what_a_family_sees_is_chosen() -> None:
    data = Dataset.from_table(histories(), Recipe.parse(STEPS))
    entries = Recipe.parse(STEPS).engineered
    assert Recipe.parse(STEPS).kept == {"features"}
    assert Recipe.parse(TABLE).kept == {"features", "sequence"}
    assert Recipe.parse({**STEPS, "keep": ["sequence"]}).kept == {"sequence"}
    both = FeaturePipeline.fit(entries, data, keep_sequence=True).dataset(data)
    assert (both.inputs.sequence, both.inputs.features[0].name) == (data.inputs.sequence, "age")
    alone = FeaturePipeline.fit(entries, data, keep_features=False).dataset(data)
    assert (alone.inputs.sequence, alone.inputs.features[0].name) == (None, "spent_velocity_3")
    assert alone.batch.table.shape == (len(data), 13)


def test_a_model_file_comes_with_the_graph_that_makes_its_columns() -> None:
    found = train(Recipe.parse(TABLE), people())
    assert isinstance(found.fitted, Engineered)
    data = Dataset.from_table(people(50, seed=3), Recipe.parse(TABLE), inputs=found.manifest.inputs)
    columns = OnnxScorer(found.files[FEATURES_FILE]).run(data.batch)["columns"]
    np.testing.assert_array_equal(columns, found.fitted.pipeline.apply(data.batch).table)
    assert BOOSTER_FILE in found.files
    logistic = train(Recipe.parse({**TABLE, "family": "logistic", "config": {}}), people())
    assert FEATURES_FILE not in logistic.files


def test_columns_that_are_computed_otherwise_than_in_training_do_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The skew that writing features twice brings: here the exported graph takes logarithms to base ten."""
    honest = FeaturePipeline.graph

    def skewed(pipeline: FeaturePipeline) -> onnx.ModelProto:
        graph = GraphBuilder(pipeline.raw)
        columns = graph.embed(honest(pipeline), prefix="honest")["columns"]
        names = [feature.name for feature in pipeline.inputs.features]
        scale = np.where(np.array(names) == "income_log1p", 1 / np.log(10), 1)
        wrong = graph.add("Mul", columns.tensor, graph.constant(scale, np.float32))
        return graph.build_outputs({"columns": Extra(wrong, columns.shape)})

    monkeypatch.setattr(FeaturePipeline, "graph", skewed)
    with pytest.raises(GateError, match="'score' of the graph and of the native model"):
        train(Recipe.parse({**TABLE, "family": "logistic", "config": {}}), people())


def test_a_column_that_is_not_there_is_named() -> None:
    recipe = Recipe.parse({**TABLE, "engineered": [{"kind": "log1p", "columns": ["wealth"]}]})
    with pytest.raises(DataError, match="column 'wealth' is neither a feature nor made by an earlier entry"):
        train(recipe, people())


def test_the_recipe_that_is_published_is_the_recipe_as_written() -> None:
    for document in (TABLE, {**STEPS, "calibration": "sigmoid", "keep": ["features"]}):
        recipe = Recipe.parse(document)
        assert Recipe.parse(recipe.model_dump(mode="json", exclude_defaults=True)) == recipe
