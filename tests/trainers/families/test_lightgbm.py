"""LightGBM's graph on the rows where exporters go wrong."""

from typing import Any

import lightgbm
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from pydantic import ValidationError

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract
from scoreline_registry.documents.manifest import BOOSTER_FILE
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import ExportError
from scoreline_trainers.families.trees.lightgbm import FittedLightGBM, LightGBMConfig
from scoreline_trainers.families.trees.lightgbm_graph import booster_graph, float32_threshold
from scoreline_trainers.gate.checks import Proof, prove
from scoreline_trainers.graph.builder import normalised
from scoreline_trainers.graph.scorer import OnnxScorer
from tests.trainers.tables import dataset, fit

ZERO = float(np.float32(1e-35))


def numeric_dataset(rows: int = 2000, columns: int = 4) -> Dataset:
    """Values that float32 cannot hold exactly, so that thresholds must be rounded."""
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(rows, columns)) * 1000 / 3).astype(np.float32)
    label = (features[:, 0] + features[:, 1] * draw.normal(size=rows) > 0).astype(np.int8)
    inputs = InputContract(features=tuple(Feature(name=f"x{column}") for column in range(columns)))
    return Dataset(inputs, Batch(features=features), label)


@pytest.fixture(scope="module")
def fitted() -> FittedLightGBM:
    model = fit("lightgbm", dataset())
    assert isinstance(model, FittedLightGBM)
    return model


@pytest.fixture(scope="module")
def scorer(fitted: FittedLightGBM) -> OnnxScorer:
    return OnnxScorer(fitted.to_onnx().SerializeToString())


numbers = st.floats(width=32) | st.sampled_from([0.0, -0.0, ZERO, -ZERO, 1.5 * ZERO, -1.5 * ZERO, 3e38])
codes = st.sampled_from([np.nan, -1.0, -0.5, 0.0, 0.7, 1.0, 1.99, 3.0, 5.0, 6.0, 7.0, 100.0, 2.0**31, 1e30, -1e30])


@given(st.lists(st.tuples(numbers, numbers, numbers, codes, codes), min_size=1, max_size=20))
def test_any_float_in_any_column_takes_the_same_way(
    fitted: FittedLightGBM, scorer: OnnxScorer, rows: list[tuple[float, ...]]
) -> None:
    batch = Batch(features=np.array(rows, np.float32))
    # LightGBM itself casts a code above int32 to whatever the machine gives; no vocabulary reaches that far.
    batch.table[:, 3:][np.abs(batch.table[:, 3:]) > 2**30] = -1
    np.testing.assert_allclose(scorer.score(batch), fitted.predict(batch), atol=1e-6)


def test_rows_exactly_on_a_threshold_take_the_same_way() -> None:
    data = numeric_dataset()
    model = fit("lightgbm", data)
    scorer = OnnxScorer(model.to_onnx().SerializeToString())
    for column, values in model.edges().items():
        table: Float32 = np.repeat(data.batch.table[:3], len(values), axis=0)
        table[:, column] = np.tile(values, 3)
        batch = Batch(features=table)
        np.testing.assert_allclose(scorer.score(batch), model.predict(batch), atol=1e-6)


def test_the_gate_catches_an_export_that_rounds_thresholds_to_the_nearest() -> None:
    data = numeric_dataset()
    model = fit("lightgbm", data)
    assert isinstance(model, FittedLightGBM)
    assert proof(model, data, model.to_onnx()).parity is not None
    with pytest.raises(GateError, match=r"rows differ by more than 1e-05; worst: row \d+ \(edge of 'x\d'\)"):
        proof(model, data, naive_export(model))


@given(st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_a_threshold_as_float32_sends_every_float32_where_lightgbm_sends_it(threshold: float, value: float) -> None:
    seen = 0.0 if abs(value) <= ZERO else value
    assert (np.float32(value) <= float32_threshold(threshold)) == (seen <= threshold)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-2, 2))
def test_that_holds_right_beside_the_threshold_too(value: float, steps: int) -> None:
    threshold = float(np.nextafter(value, np.inf)) if steps % 2 else value
    for _ in range(abs(steps)):
        with np.errstate(over="ignore"):
            value = float(np.nextafter(np.float32(value), np.float32(np.inf * steps)))
    seen = 0.0 if abs(value) <= ZERO else value
    assert (np.float32(value) <= float32_threshold(threshold)) == (seen <= threshold)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged trees"),
        ({"linear_tree": True}, "linear_tree"),
        ({"zero_as_missing": True}, "zero_as_missing"),
        ({"objective": "regression_l1"}, "'binary' or 'regression' only"),
        ({"objective": "regression", "reg_sqrt": True}, "'binary' or 'regression' only"),
    ],
)
def test_boosters_without_an_exact_graph_are_refused(parameters: dict[str, Any], message: str) -> None:
    data = numeric_dataset(400)
    table = lightgbm.Dataset(data.batch.table, data.label, params={"linear_tree": "linear_tree" in parameters})
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 4, **parameters}
    booster = lightgbm.train(options, table, 3)
    with pytest.raises(ExportError, match=message):
        booster_graph(booster.dump_model(), data.inputs)


@pytest.mark.parametrize("options", [{"params": {"linear_tree": True}}, {"params": {"seed": 3}}, {"boosting": "rf"}])
def test_options_that_cannot_be_exported_are_refused_in_the_recipe(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LightGBMConfig(**options)


def test_dart_is_exact() -> None:
    data = numeric_dataset(500)
    model = fit("lightgbm", data, boosting="dart", early_stopping_rounds=0)
    assert isinstance(model, FittedLightGBM)
    assert proof(model, data, model.to_onnx()).differences["score"] < 1e-6


def test_a_label_that_nothing_explains_still_exports() -> None:
    data = numeric_dataset(60)
    blank = Dataset(data.inputs, Batch(features=np.zeros_like(data.batch.table)), data.label)
    model = fit("lightgbm", blank)
    score = OnnxScorer(model.to_onnx().SerializeToString()).score(blank.batch)
    np.testing.assert_allclose(score, model.predict(blank.batch), atol=1e-6)


def test_boosting_stops_early_and_keeps_the_best_round() -> None:
    model = fit("lightgbm", dataset(), n_estimators=400, early_stopping_rounds=5, learning_rate=0.3)
    assert 1 <= int(model.describe()["trees"]) < 100


def test_the_boosters_text_scores_as_the_model(fitted: FittedLightGBM) -> None:
    booster = lightgbm.Booster(model_str=fitted.files()[BOOSTER_FILE].decode())
    batch = dataset().batch
    np.testing.assert_array_equal(booster.predict(batch.table), fitted.predict(batch))


def proof(model: FittedLightGBM, data: Dataset, graph: onnx.ModelProto) -> Proof:
    return prove(
        graph.SerializeToString(),
        subject="test",
        inputs=data.inputs,
        score=ScoreContract(meaning="test"),
        samples=data.batch,
        reference=lambda batch: {"score": model.predict(batch)},
        edges=model.edges(),
    )


def naive_export(model: FittedLightGBM) -> onnx.ModelProto:
    """onnxmltools' graph with the standard signature around it."""
    width = len(model.inputs.features)
    graph = convert_lightgbm(
        model.booster, initial_types=[("features", FloatTensorType([None, width]))], zipmap=False, target_opset=15
    )
    graph.graph.node.append(onnx.helper.make_node("Gather", ["probabilities", "positive"], ["score"], axis=1))
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1), "positive"))
    del graph.graph.output[:]
    graph.graph.output.append(onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ["N"]))
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    return normalised(graph)
