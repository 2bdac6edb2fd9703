"""The shapes in which other tools write models: each published, and its graph held against the native model."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto

from scoreline_registry.documents.contract import (
    Feature,
    InputContract,
    NeighborContract,
    ScoreContract,
    SequenceContract,
)
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.gate.golden import read_arrays
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.publishing.external import ExternalVersion, scored_version
from scoreline_trainers.publishing.spec import ManifestSpec, Wrapping
from tests.trainers.graphs import inspected, mean_model, model, node, value

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NAMES = ("age", "income", "visits")
CITIES = ("lima", "oslo", "pune")


def numbers(*names: str) -> ManifestSpec:
    return ManifestSpec.stated(features=names, meaning="test")


def published(
    graph: onnx.ModelProto, folder: Path, spec: ManifestSpec, *, score: str, inputs: Mapping[str, str] | None = None
) -> ExternalVersion:
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    wrapping = Wrapping(score_output=score, inputs=dict(inputs or {}))
    return scored_version("toy", folder / "m.onnx", spec, created_at=NOW, wrapping=wrapping)


def scores(version: ExternalVersion, rows: npt.ArrayLike) -> Float32:
    """What the published graph gives; its golden rows are right and its parity was shown."""
    assert version.manifest.parity is not None
    assert version.manifest.parity.rows >= 2000
    scorer = OnnxScorer(version.files[MODEL_FILE])
    golden = read_arrays(version.files[GOLDEN_FILE])
    np.testing.assert_array_equal(scorer.score(Batch(features=golden["features"])), golden["score"])
    return scorer.score(Batch(features=np.asarray(rows, np.float32)))


@pytest.fixture(scope="module")
def table() -> Float32:
    return np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def logistic(table: Float32) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(table, table.sum(axis=1) > 0)


@pytest.mark.parametrize(
    ("options", "dtype", "score"),
    [
        ({}, np.float32, "output_probability:1"),
        ({"options": {"zipmap": False}}, np.float32, "probabilities:1"),
        ({"options": {"zipmap": False}}, np.float64, "probabilities:1"),
        ({"options": {"zipmap": False}, "target_opset": {"": 9, "ai.onnx.ml": 1}}, np.float32, "probabilities:1"),
        ({"options": {"zipmap": False}, "target_opset": {"": 22, "ai.onnx.ml": 3}}, np.float32, "probabilities:1"),
    ],
)
def test_scikit_learn_by_skl2onnx(
    options: Mapping[str, Any], dtype: type, score: str, logistic: Any, table: Float32, tmp_path: Path
) -> None:
    from skl2onnx import to_onnx

    graph = to_onnx(logistic, table[:1].astype(dtype), **options)
    version = published(graph, tmp_path, numbers(*NAMES), score=score)
    np.testing.assert_allclose(scores(version, table), logistic.predict_proba(table)[:, 1], rtol=0, atol=1e-6)
    written = onnx.load_model_from_string(version.files[MODEL_FILE])
    assert [opset.version for opset in written.opset_import if not opset.domain] == [21]
    assert written.ir_version == 10


def test_a_zipmap_of_named_classes_is_stripped(table: Float32, tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(table, np.where(table[:, 0] > 0, "pays", "defaults"))
    version = published(to_onnx(fitted, table[:1]), tmp_path, numbers(*NAMES), score="output_probability:0")
    np.testing.assert_allclose(scores(version, table), fitted.predict_proba(table)[:, 0], rtol=0, atol=1e-6)


def test_a_forest_whose_sums_pass_one_by_a_rounding_error_is_kept_within_it(table: Float32, tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    fitted = RandomForestClassifier(20, random_state=0).fit(table, table.sum(axis=1) > 0)
    graph = to_onnx(fitted, table[:1], options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    version = published(graph, tmp_path, numbers(*NAMES), score="probabilities:1")
    found = scores(version, table)
    np.testing.assert_allclose(found, fitted.predict_proba(table)[:, 1], rtol=0, atol=1e-5)
    (raw,) = OnnxScorer(graph.SerializeToString()).fetch(["probabilities"], {"X": table})
    assert raw[:, 1].max() > found.max() == 1


def test_lightgbm_by_onnxmltools_with_missing_values(table: Float32, tmp_path: Path) -> None:
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    label = (table.sum(axis=1) > 0).astype(int)
    holes = np.where(np.random.default_rng(1).random(table.shape) < 0.1, np.float32(np.nan), table)
    settings = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(holes, label), 20)
    graph = convert_lightgbm(booster, initial_types=[("input", FloatTensorType([None, 3]))], zipmap=True)
    features = tuple(Feature(name=name) for name in NAMES)
    spec = ManifestSpec(inputs=InputContract(features=features), score=ScoreContract(meaning="test"))
    version = published(graph, tmp_path, spec, score="probabilities:1")
    np.testing.assert_allclose(scores(version, holes), booster.predict(holes), rtol=0, atol=1e-6)


def test_a_pipeline_with_one_input_for_each_column_and_strings(tmp_path: Path) -> None:
    import pandas as pd
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    draw = np.random.default_rng(2)
    city = draw.integers(0, len(CITIES), 500)
    frame = pd.DataFrame(
        {
            "income": draw.lognormal(3, 1, 500),
            "visits": draw.integers(0, 20, 500),
            "city": np.array(CITIES, object)[city],
        }
    )
    label = np.log(frame["income"]) + (city == 1) + 0.1 * frame["visits"] > 4
    steps = [("n", StandardScaler(), ["income", "visits"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["city"])]
    fitted = make_pipeline(ColumnTransformer(steps), LogisticRegression()).fit(frame, label)
    types = [("income", DoubleTensorType([None, 1])), ("visits", Int64TensorType([None, 1]))]
    types.append(("city", StringTensorType([None, 1])))
    graph = to_onnx(fitted, initial_types=types, options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    features = (
        Feature(name="city", kind="category", vocabulary=CITIES),
        Feature(name="visits", required=True, min=0, max=100),
        Feature(name="income", required=True, min=0, max=1000),
    )
    spec = ManifestSpec(inputs=InputContract(features=features), score=ScoreContract(meaning="test"))
    version = published(graph, tmp_path, spec, score="probabilities:1")
    frame["income"] = frame["income"].astype(np.float32).astype(np.float64)
    rows = np.stack([city, frame["visits"], frame["income"]], axis=1)
    np.testing.assert_allclose(scores(version, rows), fitted.predict_proba(frame)[:, 1], rtol=0, atol=1e-6)
    strange = frame.assign(city="atlantis")
    unseen = np.where(np.arange(3) == 0, len(CITIES), rows)
    np.testing.assert_allclose(scores(version, unseen), fitted.predict_proba(strange)[:, 1], rtol=0, atol=1e-6)


def test_torch_with_a_fixed_batch_of_one_is_made_dynamic_where_the_graph_allows(tmp_path: Path) -> None:
    graph = mean_model(inputs=[value("x", (1, 2))], outputs=[value("y", (1,))])
    version = published(graph, tmp_path, numbers("a", "b"), score="y")
    np.testing.assert_allclose(scores(version, [[0, 0], [2, 4]]), [0.5, 1 / (1 + np.exp(-3))], rtol=0, atol=1e-6)
    inside = [node("Reshape", ["x", "one"], ["r"]), node("ReduceMean", ["r", "axes"], ["m"], keepdims=0)]
    constants = {"one": np.array([1, 2]), "axes": np.array([1])}
    fixed = model(
        [*inside, node("Sigmoid", ["m"], ["y"])],
        inputs=[value("x", (1, 2))],
        outputs=[value("y", (1,))],
        constants=constants,
    )
    with pytest.raises(GateError, match=r"it fails on features \[\d+, 2\].*declares batches of 1 rows .* export it"):
        published(fixed, tmp_path, numbers("a", "b"), score="y")


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_single_columns_blocks_and_the_order_of_columns(kind: int, tmp_path: Path) -> None:
    """y = sigmoid(10 p - q + 0.1 r): p and q arrive as a block in another order, r alone and flat."""
    number = np.float32 if kind == TensorProto.FLOAT else np.float64
    nodes = [
        node("MatMul", ["block", "weights"], ["left"]),
        node("Mul", ["flat", "tenth"], ["right"]),
        node("Unsqueeze", ["right", "axes"], ["column"]),
        node("Add", ["left", "column"], ["margin"]),
        node("Sigmoid", ["margin"], ["score"]),
    ]
    graph = model(
        nodes,
        inputs=[value("block", (None, 2), kind), value("flat", (None,), kind)],
        outputs=[value("score", (None, 1), kind)],
        constants={"weights": np.array([[-1], [10]], number), "tenth": number(0.1), "axes": np.array([1])},
    )
    named = {"block": "q,p", "flat": "r"}
    version = published(graph, tmp_path, numbers("p", "q", "r"), score="score", inputs=named)
    rows = np.random.default_rng(3).normal(size=(50, 3))
    expected = 1 / (1 + np.exp(-(10 * rows[:, 0] - rows[:, 1] + 0.1 * rows[:, 2])))
    np.testing.assert_allclose(scores(version, rows), expected, rtol=0, atol=1e-5)


def test_inputs_of_one_column_lend_their_names_to_the_features(tmp_path: Path) -> None:
    graph = model(
        [node("Add", ["age", "income"], ["sum"]), node("Sigmoid", ["sum"], ["y"])],
        inputs=[value("age", ("N", 1)), value("income", ("N", 1))],
        outputs=[value("y", ("N", 1))],
    )
    version = published(graph, tmp_path, numbers(), score="y", inputs={"income": "wage"})
    assert [(feature.name, feature.required) for feature in version.manifest.inputs.features] == [
        ("age", True),
        ("wage", True),
    ]
    with pytest.raises(GateError, match=r"input 'x' takes several columns: name the features that it takes"):
        published(mean_model(), tmp_path, numbers(), score="y")


def test_a_sequence_model_is_fed_from_the_standard_sequence(tmp_path: Path) -> None:
    """The mean of the real steps: a mask is made of lengths inside the graph."""
    nodes = [
        node("Shape", ["steps"], ["T"], start=1, end=2),
        node("Squeeze", ["T"], ["t"]),
        node("Range", ["zero", "t", "one"], ["every"]),
        node("Unsqueeze", ["n", "axes"], ["column"]),
        node("Cast", ["column"], ["wide"], to=TensorProto.INT64),
        node("Less", ["every", "wide"], ["real"]),
        node("Squeeze", ["steps", "last"], ["flat"]),
        node("Where", ["real", "flat", "nothing"], ["kept"]),
        node("IsNaN", ["kept"], ["hole"]),
        node("Where", ["hole", "nothing", "kept"], ["known"]),
        node("ReduceSum", ["known", "axes"], ["sum"], keepdims=0),
        node("Sigmoid", ["sum"], ["y"]),
    ]
    constants: dict[str, Any] = {"zero": np.int64(0), "one": np.int64(1), "axes": np.array([1]), "last": np.array([2])}
    graph = model(
        nodes,
        inputs=[value("steps", ("b", "s", 1), TensorProto.DOUBLE), value("n", ("b",), TensorProto.INT32)],
        outputs=[value("y", ("b",), TensorProto.DOUBLE)],
        constants={**constants, "nothing": np.float64(0)},
    )
    inputs = InputContract(sequence=SequenceContract(features=("spent",), max_length=5))
    spec = ManifestSpec(inputs=inputs, score=ScoreContract(meaning="test"))
    version = published(graph, tmp_path, spec, score="y", inputs={"steps": "sequence", "n": "lengths"})
    steps = np.array([[[1.0], [2.0], [9.0]]], np.float32)
    score = OnnxScorer(version.files[MODEL_FILE]).score(Batch(sequence=steps, lengths=np.array([2])))
    np.testing.assert_allclose(score, [1 / (1 + np.exp(-3))], rtol=0, atol=1e-6)


def test_neighbors_reach_a_graph_of_doubles_with_a_mask_of_numbers(tmp_path: Path) -> None:
    nodes = [
        node("Squeeze", ["around", "last"], ["flat"]),
        node("Cast", ["seen"], ["real"], to=TensorProto.BOOL),
        node("IsNaN", ["flat"], ["hole"]),
        node("Not", ["hole"], ["known"]),
        node("And", ["real", "known"], ["counts"]),
        node("Where", ["counts", "flat", "nothing"], ["kept"]),
        node("ReduceSum", ["kept", "axes"], ["sum"], keepdims=0),
        node("Sigmoid", ["sum"], ["y"]),
    ]
    graph = model(
        nodes,
        inputs=[value("around", ("b", "k", 1), TensorProto.DOUBLE), value("seen", ("b", "k"), TensorProto.FLOAT)],
        outputs=[value("y", ("b",), TensorProto.DOUBLE)],
        constants={"axes": np.array([1]), "last": np.array([2]), "nothing": np.float64(0)},
    )
    inputs = InputContract(neighbors=NeighborContract(features=("late",), max_neighbors=5))
    spec = ManifestSpec(inputs=inputs, score=ScoreContract(meaning="test"))
    version = published(graph, tmp_path, spec, score="y", inputs={"around": "neighbors", "seen": "neighbor_mask"})
    around = np.array([[[1.0], [2.0], [9.0]]], np.float32)
    batch = Batch(neighbors=around, neighbor_mask=np.array([[True, True, False]]))
    score = OnnxScorer(version.files[MODEL_FILE]).score(batch)
    np.testing.assert_allclose(score, [1 / (1 + np.exp(-3))], rtol=0, atol=1e-6)


def test_extra_outputs_come_along_by_their_names(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", ["x"], ["parts"]), node("ReduceMean", ["parts", "axes"], ["y"], keepdims=0)]
    graph = model(nodes, outputs=[value("y", ("N",)), value("parts")], constants={"axes": np.array([1])})
    spec = numbers("a", "b").model_copy(update={"score": ScoreContract(meaning="test", extras=("parts",))})
    version = published(graph, tmp_path, spec, score="y")
    outputs = OnnxScorer(version.files[MODEL_FILE]).run(Batch(features=np.zeros((3, 2), np.float32)))
    assert outputs["parts"].shape == (3, 2)


def test_large_values_are_held_to_what_float32_can_hold(tmp_path: Path) -> None:
    nodes = [node("Mul", ["x", "big"], ["m"]), node("ReduceSum", ["m", "axes"], ["y"], keepdims=0)]
    graph = model(
        nodes,
        inputs=[value("x", kind=TensorProto.DOUBLE)],
        outputs=[value("y", ("N",), TensorProto.DOUBLE)],
        constants={"big": np.float64(1000.1), "axes": np.array([1])},
    )
    score = ScoreContract(meaning="test", kind="value")
    version = published(graph, tmp_path, numbers("a", "b").model_copy(update={"score": score}), score="y")
    assert version.manifest.parity is not None
    assert 1e-5 < version.manifest.parity.max_difference <= version.manifest.parity.tolerance


def test_names_with_colons_slashes_and_those_of_the_standard_signature_do_not_clash(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", ["score", "axes"], ["features"], keepdims=0),
        node("Sigmoid", ["features"], ["out/y:0"]),
    ]
    graph = model(nodes, inputs=[value("score")], outputs=[value("out/y:0", ("N",))], constants={"axes": np.array([1])})
    version = published(graph, tmp_path, numbers("a", "b"), score="out/y:0")
    np.testing.assert_allclose(scores(version, [[2, 4]]), [1 / (1 + np.exp(-3))], rtol=0, atol=1e-6)


TWO_COLUMNS = model([node("Sigmoid", ["x"], ["y"])], outputs=[value("y")])
STRINGS = model(
    [node("Identity", ["x"], ["y"])],
    inputs=[value("x", kind=TensorProto.STRING)],
    outputs=[value("y", kind=TensorProto.STRING)],
)
WHOLE = model(
    [node("Cast", ["x"], ["f"], to=1), node("ReduceMean", ["f", "axes"], ["y"], keepdims=0)],
    inputs=[value("x", kind=TensorProto.INT64)],
    constants={"axes": np.array([1])},
)


def optional(*names: str) -> ManifestSpec:
    features = tuple(Feature(name=name) for name in names)
    return ManifestSpec(inputs=InputContract(features=features), score=ScoreContract(meaning="test"))


@pytest.mark.parametrize(
    ("graph", "spec", "score", "inputs", "reason"),
    [
        (mean_model(), numbers("a", "b"), "z", {}, r"it has no output 'z': its outputs are 'y'; name one with"),
        (TWO_COLUMNS, numbers("a", "b"), "y", {}, r"output 'y' has 2 columns: say which, --score-output y:1"),
        (TWO_COLUMNS, numbers("a", "b"), "y:2", {}, r"output 'y' has 2 columns, counted from 0, so none is 2"),
        (mean_model(), numbers("a"), "y", {}, r"input 'x' has the shape \['N', 2\], and 1 features go into it"),
        (mean_model(), numbers("a", "b"), "y", {"x": "a,c"}, r"the contract has no feature 'c'"),
        (mean_model(), numbers("a", "b", "c"), "y", {"x": "a,c"}, r"no input takes 'b'"),
        (mean_model(), numbers("a", "b"), "y", {"z": "a"}, r"it has no input 'z'; it has 'x'"),
        (STRINGS, numbers("a", "b"), "y", {}, r"input 'x' takes strings: make 'a' a category with its vocabulary"),
        (STRINGS, numbers(), "y", {}, r"input 'x' takes several columns"),
        (WHOLE, optional("a", "b"), "y", {}, r"takes whole numbers, never missing ones: make 'a' required"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_and_the_way_out_is_named(
    graph: onnx.ModelProto,
    spec: ManifestSpec,
    score: str,
    inputs: Mapping[str, str],
    reason: str,
    tmp_path: Path,
) -> None:
    verdict = inspected(graph, tmp_path, spec, Wrapping(score_output=score, inputs=dict(inputs)))
    assert re.search(reason, "; ".join(verdict.problems))
