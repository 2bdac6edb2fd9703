"""Every library's trees on the rows where exporters go wrong."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from skl2onnx import to_onnx

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import ExportError, FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.anomaly.isolation_forest import FittedIsolationForest
from scoreline_trainers.families.trees.catboost import FittedCatBoost
from scoreline_trainers.families.trees.catboost_graph import booster_graph as catboost_graph
from scoreline_trainers.families.trees.random_forest import FittedRandomForest
from scoreline_trainers.families.trees.trees import below, floored
from scoreline_trainers.families.trees.xgboost import FittedXGBoost
from scoreline_trainers.families.trees.xgboost_graph import booster_graph as xgboost_graph
from scoreline_trainers.family import Fitted
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.graph.builder import normalised
from scoreline_trainers.graph.scorer import OnnxScorer
from tests.trainers.tables import dataset, fit

FORESTS = ("xgboost", "catboost", "random_forest", "isolation_forest")


@pytest.fixture(scope="module", params=FORESTS)
def family(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if FAMILIES.problem(name):
        pytest.skip(FAMILIES.problem(name))
    return name


@pytest.fixture(scope="module")
def fitted(family: str) -> Fitted:
    return fit(family, dataset())


@pytest.fixture(scope="module")
def scorer(fitted: Fitted) -> OnnxScorer:
    return OnnxScorer(fitted.to_onnx().SerializeToString())


def numeric(rows: int = 600, columns: int = 3, *, missing: float = 0.0) -> Dataset:
    """Values that float32 cannot hold exactly, so that thresholds must be rounded."""
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(rows, columns)) * 1000 / 3).astype(np.float32)
    label = (features[:, 0] + features[:, 1] * draw.normal(size=rows) > 0).astype(np.int8)
    features[draw.random(features.shape) < missing] = np.nan
    inputs = InputContract(features=tuple(Feature(name=f"x{column}") for column in range(columns)))
    return Dataset(inputs, Batch(features=features), label)


numbers = st.floats(width=32, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 3e38])
codes = st.sampled_from([np.nan, -1.0, -0.5, 0.0, 0.7, 1.0, 1.99, 3.0, 5.0, 6.0, 7.0, 100.0, 1e30, -1e30])


# scikit-learn sums all numbers to look for NaN; the largest of both signs overflow to both infinities.
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")
@given(rows=st.lists(st.tuples(numbers, numbers, numbers, codes, codes), min_size=1, max_size=20))
def test_any_float_in_any_column_takes_the_same_way(
    fitted: Fitted, scorer: OnnxScorer, rows: list[tuple[float, ...]]
) -> None:
    batch = Batch(features=np.array(rows, np.float32))
    np.testing.assert_allclose(scorer.score(batch), fitted.predict(batch), atol=2e-6)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_rows_exactly_on_a_threshold_take_the_same_way(family: str, missing: float) -> None:
    data = numeric(missing=missing)
    model = fit(family, data)
    scorer = OnnxScorer(model.to_onnx().SerializeToString())
    assert model.edges().keys() == {0, 1, 2}
    for column, values in model.edges().items():
        table: Float32 = np.repeat(data.batch.table[:3], len(values), axis=0)
        table[:, column] = np.tile(values, 3)
        batch = Batch(features=table)
        np.testing.assert_allclose(scorer.score(batch), model.predict(batch), atol=2e-6)


def test_a_number_that_was_never_missing_in_training_may_be_missing_later(family: str) -> None:
    data = numeric()
    model = fit(family, data)
    table = data.batch.table.copy()
    table[:, 1] = np.nan
    table[::3] = np.nan
    batch = Batch(features=table)
    score = OnnxScorer(model.to_onnx().SerializeToString()).score(batch)
    np.testing.assert_allclose(score, model.predict(batch), atol=2e-6)


def test_a_constant_column_is_no_obstacle(family: str) -> None:
    data = numeric()
    data.batch.table[:, 2] = 7
    model = fit(family, data)
    score = OnnxScorer(model.to_onnx().SerializeToString()).score(data.batch)
    np.testing.assert_allclose(score, model.predict(data.batch), atol=2e-6)


def test_vocabularies_too_long_for_a_matrix_are_refused(family: str) -> None:
    names = tuple(f"n{index}" for index in range(5000))
    inputs = InputContract(features=(Feature(name="shop", kind="category", vocabulary=names),))
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 5000, (50, 1)).astype(np.float32)
    data = Dataset(inputs, Batch(features=codes), draw.integers(0, 2, 50).astype(np.int8))
    with pytest.raises(FitError, match="5002 are more than 4096: shorten the vocabularies, or use 'lightgbm'"):
        fit(family, data)


@given(threshold=st.floats(allow_nan=False), value=st.floats(width=32, allow_nan=False))
def test_a_rounded_threshold_parts_all_floats_as_the_exact_one(threshold: float, value: float) -> None:
    assert (np.float32(value) <= np.float32(floored(threshold))) == (value <= threshold)


@given(threshold=st.floats(width=32, allow_nan=False), value=st.floats(width=32, allow_nan=False))
def test_not_above_the_float_below_is_below(threshold: float, value: float) -> None:
    if threshold > -np.inf:
        assert (np.float32(value) <= np.float32(below(threshold))) == (value < threshold)


def test_boosting_stops_early_and_keeps_the_best_round() -> None:
    most: dict[str, dict[str, Any]] = {
        "xgboost": {"n_estimators": 400, "learning_rate": 0.5},
        "catboost": {"n_estimators": 400, "learning_rate": 0.9},
    }
    for name, options in most.items():
        model = fit(name, dataset(), early_stopping_rounds=5, **options)
        assert 1 <= int(model.describe()["trees"]) < 100
        score = OnnxScorer(model.to_onnx().SerializeToString()).score(dataset().batch)
        np.testing.assert_allclose(score, model.predict(dataset().batch), atol=2e-6)


def test_facts_name_the_category_behind_a_column() -> None:
    fitted = fit("xgboost", dataset())
    assert isinstance(fitted, FittedXGBoost)
    names = fitted.columns.names(fitted.inputs.features)
    assert names[:4] == ["income", "age", "visits", "city = berlin"]
    assert names[-2:] == ["plan = any other", "plan = missing"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("xgboost", {"params": {"booster": "dart"}}),
        ("xgboost", {"params": {"seed": 3}}),
        ("xgboost", {"params": {"reg_alpha": 1.0}}),
        ("catboost", {"params": {"grow_policy": "Lossguide"}}),
        ("catboost", {"params": {"n_estimators": 3}}),
        ("catboost", {"depth": 12}),
    ],
)
def test_options_that_cannot_be_exported_are_refused_in_the_recipe(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FAMILIES[name].config_type(**options)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("gradient_booster", "name"), "gblinear", "'gbtree' only"),
        (("objective", "name"), "reg:logistic", "reg:squarederror with one target only"),
        (("learner_model_param", "num_target"), "2", "with one target only"),
    ],
)
def test_other_boosters_of_xgboost_are_refused(path: tuple[str, str], value: str, message: str) -> None:
    fitted = fit("xgboost", dataset())
    assert isinstance(fitted, FittedXGBoost)
    dump = fitted.dump()
    dump["learner"][path[0]][path[1]] = value
    with pytest.raises(ExportError, match=message):
        xgboost_graph(dump, fitted.columns, fitted.inputs)


def test_catboosts_own_categories_and_asymmetric_trees_are_refused() -> None:
    fitted = fit("catboost", dataset())
    assert isinstance(fitted, FittedCatBoost)
    dump = dict(fitted.dump())
    dump["oblivious_trees"][0]["splits"][0]["split_type"] = "OneHotFeature"
    with pytest.raises(ExportError, match="give it numbers"):
        catboost_graph(dump, fitted.columns, fitted.inputs)
    del dump["oblivious_trees"]
    with pytest.raises(ExportError, match="SymmetricTree"):
        catboost_graph(dump, fitted.columns, fitted.inputs)


def test_nothing_to_split_on_is_a_plain_error_of_catboost() -> None:
    data = numeric(50)
    data.batch.table[:] = 1
    with pytest.raises(FitError, match="cannot learn from these rows"):
        fit("catboost", data)


def test_outliers_are_more_anomalous_than_the_usual() -> None:
    data = numeric()
    data.batch.table[:10] *= 20
    fitted = fit("isolation_forest", data, n_estimators=50)
    score = fitted.predict(data.batch)
    assert score[:10].mean() > score[10:].mean() + 0.1
    np.testing.assert_array_equal(fitted.extras(data.batch)["anomaly_score"], score)


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_an_isolation_forest_of_few_rows_and_few_columns_is_exact(share: float) -> None:
    data = numeric(9)
    fitted = fit("isolation_forest", data, max_features=share)
    assert isinstance(fitted, FittedIsolationForest)
    score = OnnxScorer(fitted.to_onnx().SerializeToString()).score(data.batch)
    np.testing.assert_allclose(score, fitted.predict(data.batch), atol=2e-6)


def test_the_gate_refuses_a_random_forest_whose_converter_loses_missing_values() -> None:
    data = numeric(missing=0.2)
    fitted = fit("random_forest", data)
    assert isinstance(fitted, FittedRandomForest)
    with pytest.raises(GateError, match=r"of the native model: \d+ of \d+ rows differ"):
        prove(
            naive_export(fitted).SerializeToString(),
            subject="naive",
            inputs=data.inputs,
            score=ScoreContract(meaning="test"),
            samples=data.batch,
            reference=lambda batch: {"score": fitted.predict(batch)},
        )


def naive_export(fitted: FittedRandomForest) -> onnx.ModelProto:
    """skl2onnx's graph with the standard signature around it."""
    graph = to_onnx(
        fitted.forest,
        np.zeros((1, len(fitted.inputs.features)), np.float32),
        options={"zipmap": False},
        target_opset={"": 21, "ai.onnx.ml": 3},
    )
    graph.graph.node.append(onnx.helper.make_node("Gather", ["probabilities", "positive"], ["score"], axis=1))
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1), "positive"))
    del graph.graph.output[:]
    graph.graph.output.append(onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ["N"]))
    for node in graph.graph.node:
        node.input[:] = ["features" if name == "X" else name for name in node.input]
    graph.graph.input[0].name = "features"
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    return normalised(graph)
