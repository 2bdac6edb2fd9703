"""What the usual converters do silently wrong, and that the gate refuses every one of it.

Each case is a model as its library would have it exported, held against the library's own prediction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import lightgbm
import numpy as np
import onnx
import onnxmltools
import pytest
import skl2onnx
from onnxmltools.convert.common.data_types import FloatTensorType as LightGBMFloats
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract, SequenceContract
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES, GROUP
from scoreline_trainers.families.logistic import FittedLogistic, Logistic, LogisticConfig
from scoreline_trainers.families.trees.lightgbm_graph import booster_trees
from scoreline_trainers.families.trees.trees import tree_edges
from scoreline_trainers.family import FamilyConfig
from scoreline_trainers.gate.checks import Proof, prove
from scoreline_trainers.gate.probes import Edges
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.progress import Progress
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import people

WIDTH = 5
INPUTS = InputContract(features=tuple(Feature(name=f"x{index}") for index in range(WIDTH)))
SMALL: dict[str, Any] = {"n_estimators": 20, "num_leaves": 15, "verbose": -1, "n_jobs": 1, "random_state": 0}

Predict = Callable[[Float32], Float64]


def rows(count: int = 1500) -> tuple[Float32, Any]:
    """Numbers, 3 in 10 of them 0, and a label that depends on them."""
    draw = np.random.default_rng(0)
    values = draw.normal(size=(count, WIDTH)).astype(np.float32)
    values[draw.random(values.shape) < 0.3] = 0
    label = (draw.random(count) < 1 / (1 + np.exp(-(values[:, 0] + np.abs(values[:, 1]) - 1)))).astype(np.int64)
    return values, label


def checked(model: onnx.ModelProto, native: Predict, *, edges: Edges | None = None) -> Proof:
    """The gate on the probability of label 1 that a converted classifier gives as column 1 of its second output."""
    graph = GraphBuilder(INPUTS)
    (source,) = (value.name for value in model.graph.input)
    outputs = graph.embed(model, prefix="naive", feeds={source: "features"})
    chances = list(outputs.values())[-1].tensor
    exported = graph.build(graph.column(chances, 1))

    def reference(batch: Batch) -> Mapping[str, Float64]:
        return {"score": np.asarray(native(batch.table), np.float64)}

    return prove(
        exported.SerializeToString(),
        subject="naive export",
        inputs=INPUTS,
        score=ScoreContract(meaning="t"),
        samples=Batch(features=rows()[0]),
        reference=reference,
        edges=edges,
    )


def boosted(**options: Any) -> tuple[lightgbm.LGBMClassifier, onnx.ModelProto]:
    model = lightgbm.LGBMClassifier(**{**SMALL, **options}).fit(*rows())
    kinds = [("features", LightGBMFloats([None, WIDTH]))]
    return model, onnxmltools.convert_lightgbm(model, initial_types=kinds, zipmap=False, target_opset=15)


def converted(model: Any) -> onnx.ModelProto:
    """By skl2onnx, with LightGBM's converter registered as its documentation says."""
    skl2onnx.update_registered_converter(
        lightgbm.LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"], "raw_scores": [True, False]},
    )
    kinds = [("features", FloatTensorType([None, WIDTH]))]
    opsets = {"": 21, "ai.onnx.ml": 3}
    options = {id(model): {"zipmap": False}}
    exported: onnx.ModelProto = skl2onnx.to_onnx(model, initial_types=kinds, options=options, target_opset=opsets)
    return exported


def chances_of(model: Any) -> Predict:
    # By the booster where there is one: the wrapper warns that arrays have no column names.
    booster = getattr(model, "booster_", None)
    if booster is not None:
        return lambda table: np.asarray(booster.predict(table, num_threads=1))
    return lambda table: np.asarray(model.predict_proba(table)[:, 1])


def test_the_plain_converter_passes_where_no_row_lies_on_a_threshold() -> None:
    model, exported = boosted()
    assert checked(exported, chances_of(model)).differences["score"] < 1e-6


def test_rows_on_a_threshold_show_that_it_was_rounded_to_the_nearest() -> None:
    model, exported = boosted()
    edges = tree_edges(booster_trees(model.booster_.dump_model()))
    with pytest.raises(GateError, match=r"of the native model: \d+ of \d+ rows .* \(edge of 'x\d'\)"):
        checked(exported, chances_of(model), edges=edges)


@pytest.mark.parametrize(
    "options",
    [
        {"boosting_type": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
        {"linear_tree": True},
        {"zero_as_missing": True},
    ],
    ids=["averaged trees", "linear leaves", "zero as missing"],
)
def test_boosters_that_the_converter_misreads_are_refused(options: dict[str, Any]) -> None:
    model, exported = boosted(**options)
    with pytest.raises(GateError, match=r"of the native model: \d{3,} of \d+ rows differ"):
        checked(exported, chances_of(model))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_scikit_learns_calibration_is_refused_as_converted(method: str) -> None:
    model = CalibratedClassifierCV(lightgbm.LGBMClassifier(**SMALL), method=method, cv=2).fit(*rows())
    with pytest.raises(GateError, match=r"of the native model: \d{4} of \d{4} rows differ"):
        checked(converted(model), chances_of(model))


def test_a_forest_that_learned_from_missing_values_is_refused_as_converted() -> None:
    values, label = rows()
    holes = np.where(np.random.default_rng(1).random(values.shape) < 0.2, np.float32(np.nan), values)
    model = RandomForestClassifier(20, max_leaf_nodes=32, random_state=0).fit(holes, label)
    with pytest.raises(GateError, match=r"of the native model: \d+ of \d+ rows .* \(missing values\)"):
        checked(converted(model), chances_of(model))


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore")
def test_a_traced_network_that_reads_the_step_after_a_history_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra deep")
    pytest.importorskip("onnxscript", reason="torch exports with it")

    class Traced(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.recurrent = torch.nn.LSTM(2, 4, num_layers=2, batch_first=True)
            self.dense = torch.nn.Linear(4, 1)

        def forward(self, sequence: Any, lengths: Any, *, last: Any = None) -> Any:
            steps, _ = self.recurrent(sequence)
            state = steps[:, -1] if last is None else steps[torch.arange(len(steps)), last]
            return torch.sigmoid(self.dense(state))[:, 0]

    network = Traced().eval()
    rows_, steps = torch.export.Dim("N"), torch.export.Dim("T")
    exported = torch.onnx.export(
        network,
        (torch.zeros(3, 6, 2), torch.full((3,), 6)),
        dynamo=True,
        external_data=False,
        input_names=["sequence", "lengths"],
        output_names=["score"],
        dynamic_shapes={"sequence": {0: rows_, 1: steps}, "lengths": {0: rows_}},
        verbose=False,
    )
    draw = np.random.default_rng(0)
    samples = Batch(sequence=draw.normal(size=(300, 9, 2)).astype(np.float32), lengths=draw.integers(1, 10, 300))

    def reference(batch: Batch) -> Mapping[str, Float64]:
        sequence, lengths = (torch.from_numpy(part) for part in batch.history)
        with torch.no_grad():
            return {"score": network(sequence, lengths, last=lengths - 1).numpy().astype(np.float64)}

    with pytest.raises(GateError):
        prove(
            exported.model_proto.SerializeToString(),
            subject="naive export",
            inputs=InputContract(sequence=SequenceContract(features=("v", "w"), max_length=9)),
            score=ScoreContract(meaning="t"),
            samples=samples,
            reference=reference,
        )


FAULTS: dict[str, Callable[[onnx.NodeProto], None]] = {
    # Absurd values are no longer cut, categories are mixed up, numbers are off their centre, the bias is negated.
    "Clip": lambda node: _as(node, "Identity", inputs=1),
    "Min": lambda node: _as(node, "Max"),
    "Sub": lambda node: _as(node, "Add"),
    "Add": lambda node: _as(node, "Sub"),
}


def _as(node: onnx.NodeProto, op: str, *, inputs: int | None = None) -> None:
    node.op_type = op
    del node.input[inputs if inputs is not None else len(node.input) :]


class PlantedConfig(FamilyConfig):
    fault: str


@dataclass(frozen=True, slots=True, eq=False)
class FittedPlanted(FittedLogistic):
    """A right model whose graph has one wrong node."""

    fault: str

    def to_onnx(self) -> onnx.ModelProto:
        model = FittedLogistic.to_onnx(self)
        FAULTS[self.fault](next(node for node in model.graph.node if node.op_type == self.fault))
        return model


class Planted:
    """A family for this test alone."""

    name = "planted"
    summary = "a logistic regression with a fault in its graph"
    needs_label = True
    config_type = PlantedConfig
    libraries = ("scikit-learn",)

    def fit(self, data: Dataset, config: PlantedConfig, *, seed: int, progress: Progress) -> FittedPlanted:
        right = Logistic().fit(data, LogisticConfig(scaling="standard"), seed=seed, progress=progress)
        return FittedPlanted(right.inputs, right.design, right.weights, right.bias, config.fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_wrong_node_in_an_exporter_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("planted", f"{Planted.__module__}:Planted", GROUP)
    monkeypatch.setattr(FAMILIES, "_points", {"planted": point})
    recipe = Recipe.parse(
        {
            "name": "planted",
            "data": "unused.csv",
            "label": "label",
            "features": ["income", {"name": "age", "min": 18}, "city", {"name": "plan", "kind": "category"}],
            "family": "planted",
            "config": {"fault": fault},
        }
    )
    with pytest.raises(GateError, match=r"^version of planted: 'score' of the graph and of the native model: \d+ of"):
        train(recipe, people())
