"""Small models whose scores can be computed by hand, published as any other."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from scoreline_registry.documents.contract import (
    Band,
    Feature,
    InputContract,
    NeighborContract,
    Points,
    ScoreContract,
    SequenceContract,
)
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE, GoldenFacts, Manifest
from scoreline_registry.registry import Registry

Inputs = Mapping[str, tuple[int, Sequence[str | int]]]

NO_FILES: Mapping[str, bytes] = {}

FEATURES = (
    Feature(name="income", required=True),
    Feature(name="age", default=40.0, min=18, max=99),
    Feature(name="debt"),
)
CITY = Feature(name="city", kind="category", vocabulary=("oslo", "rome"))


def sigmoid(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, np.float64))))


def linear_graph(weights: Sequence[float], bias: float = 0.0, *, extra: bool = False) -> onnx.ModelProto:
    """score = sigmoid(features with NaN as 0 . weights + bias); the extra output ``logit`` is what the sigmoid gets."""
    weight = numpy_helper.from_array(np.array(weights, np.float32).reshape(-1, 1), "weights")
    consts = [weight, numpy_helper.from_array(np.array([bias], np.float32), "bias")]
    consts += [
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array([-1], np.int64), "flat"),
    ]
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["clean"]),
        helper.make_node("MatMul", ["clean", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    outputs = ["score", "logit"] if extra else ["score"]
    inputs: Inputs = {"features": (TensorProto.FLOAT, ["N", len(weights)])}
    return _model(nodes, inputs, outputs, consts)


def fragile_model() -> bytes:
    """score = sigmoid(income), but ONNX Runtime raises for an income of 10 and more: it indexes a table of 10."""
    model = linear_graph((1.0, 0.0, 0.0))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(10, np.float32), "table"))
    model.graph.node[-1].output[0] = "sigmoid"
    model.graph.node.extend(
        [
            helper.make_node("Abs", ["logit"], ["size"]),
            helper.make_node("Cast", ["size"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["nothing"]),
            helper.make_node("Add", ["sigmoid", "nothing"], ["score"]),
        ]
    )
    return model.SerializeToString()


def sequence_graph(weights: Sequence[float]) -> onnx.ModelProto:
    """score = sigmoid(sum over real steps of step . weights / 10); padding does not count."""
    consts = [
        numpy_helper.from_array(np.array(weights, np.float32).reshape(-1, 1) / 10, "weights"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1], np.int64), "time"),
        numpy_helper.from_array(np.array(0, np.int64), "from"),
        numpy_helper.from_array(np.array(1, np.int64), "by"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    nodes = [
        helper.make_node("MatMul", ["sequence", "weights"], ["products"]),
        helper.make_node("Squeeze", ["products", "last"], ["values"]),
        helper.make_node("Shape", ["sequence"], ["steps1"], start=1, end=2),
        helper.make_node("Squeeze", ["steps1"], ["steps"]),
        helper.make_node("Range", ["from", "steps", "by"], ["positions"]),
        helper.make_node("Unsqueeze", ["lengths", "time"], ["ends"]),
        helper.make_node("Less", ["positions", "ends"], ["real"]),
        helper.make_node("Where", ["real", "values", "zero"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "time"], ["sum"], keepdims=0),
        helper.make_node("Sigmoid", ["sum"], ["score"]),
    ]
    inputs: Inputs = {"sequence": (TensorProto.FLOAT, ["N", "T", len(weights)]), "lengths": (TensorProto.INT64, ["N"])}
    return _model(nodes, inputs, ["score"], consts)


def neighbor_graph(weights: Sequence[float]) -> onnx.ModelProto:
    """score = sigmoid(income + sum over neighbours of known values . weights / 10), whatever stands elsewhere."""
    consts = [
        numpy_helper.from_array(np.array(weights, np.float32).reshape(-1, 1) / 10, "weights"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1, 2], np.int64), "behind"),
        numpy_helper.from_array(np.array([1], np.int64), "column"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    nodes = [
        helper.make_node("IsNaN", ["neighbors"], ["hole"]),
        helper.make_node("Unsqueeze", ["neighbor_mask", "last"], ["seen"]),
        helper.make_node("Not", ["hole"], ["known"]),
        helper.make_node("And", ["known", "seen"], ["counts"]),
        helper.make_node("Where", ["counts", "neighbors", "zero"], ["values"]),
        helper.make_node("MatMul", ["values", "weights"], ["products"]),
        helper.make_node("ReduceSum", ["products", "behind"], ["around"], keepdims=0),
        helper.make_node("Squeeze", ["features", "column"], ["own"]),
        helper.make_node("Add", ["own", "around"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    inputs: Inputs = {
        "features": (TensorProto.FLOAT, ["N", 1]),
        "neighbors": (TensorProto.FLOAT, ["N", "K", len(weights)]),
        "neighbor_mask": (TensorProto.BOOL, ["N", "K"]),
    }
    return _model(nodes, inputs, ["score"], consts)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: Inputs,
    outputs: list[str],
    consts: list[onnx.TensorProto],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in outputs],
        consts,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def golden_bytes(**arrays: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub takes keywords for allow_pickle
    return buffer.getvalue()


def publish_linear(
    registry: Registry,
    name: str,
    weights: Sequence[float] = (1.0, 0.0, 0.0),
    *,
    bias: float = 0.0,
    features: tuple[Feature, ...] = FEATURES,
    aliases: tuple[str, ...] = (),
    bands: tuple[Band, ...] = (),
    points: Points | None = None,
    extra: bool = False,
    golden_shift: float = 0.0,
    model_bytes: bytes | None = None,
    more: Mapping[str, bytes] = NO_FILES,
    adverse: Literal["raises", "lowers"] | None = None,
) -> int:
    """Publishes a linear model; ``golden_shift`` plants golden rows that it will not reproduce."""
    rows = np.linspace(-2, 2, 4 * len(weights)).reshape(4, len(weights)).astype(np.float32)
    logit = rows @ np.array(weights, np.float32) + np.float32(bias)
    golden = {"features": rows, "score": (sigmoid(logit) + golden_shift).astype(np.float32)}
    if extra:
        golden["logit"] = logit.astype(np.float32)
    data = linear_graph(weights, bias, extra=extra).SerializeToString() if model_bytes is None else model_bytes
    return registry.publish(
        name,
        files={MODEL_FILE: data, GOLDEN_FILE: golden_bytes(**golden), **more},
        manifest=_manifest(InputContract(features=features), bands=bands, points=points, extra=extra, adverse=adverse),
        author="tester",
        message=f"publish {name}",
        aliases=aliases,
    )


def publish_sequence(
    registry: Registry, name: str, weights: Sequence[float] = (1.0, 2.0), *, max_length: int = 30,
    aliases: tuple[str, ...] = (), more: Mapping[str, bytes] = NO_FILES,
) -> int:  # fmt: skip
    """Publishes a sequence model over the step features paid and late."""
    steps = np.linspace(-1, 1, 2 * 3 * 2).reshape(2, 3, 2).astype(np.float32)
    score = sigmoid((steps @ (np.array(weights, np.float32) / 10)).sum(axis=1)).astype(np.float32)
    golden = golden_bytes(sequence=steps, lengths=np.array([3, 3], np.int64), score=score)
    contract = InputContract(sequence=SequenceContract(features=("paid", "late"), max_length=max_length))
    return registry.publish(
        name,
        files={MODEL_FILE: sequence_graph(weights).SerializeToString(), GOLDEN_FILE: golden, **more},
        manifest=_manifest(contract),
        author="tester",
        message=f"publish {name}",
        aliases=aliases,
    )


def publish_neighbors(
    registry: Registry, name: str, weights: Sequence[float] = (1.0, 2.0), *, max_neighbors: int = 8,
    income: Feature = FEATURES[0], aliases: tuple[str, ...] = ("champion",),
    more: Mapping[str, bytes] = NO_FILES,
) -> int:  # fmt: skip
    """Publishes a model over income and the neighbours' late and age."""
    neighbors = np.linspace(-1, 1, 2 * 3 * 2).reshape(2, 3, 2).astype(np.float32)
    mask = np.array([[True, True, True], [True, False, False]])
    around = (neighbors @ (np.array(weights, np.float32) / 10) * mask).sum(axis=1)
    golden = golden_bytes(
        features=np.zeros((2, 1), np.float32), neighbors=neighbors, neighbor_mask=mask,
        score=sigmoid(around).astype(np.float32),
    )  # fmt: skip
    contract = NeighborContract(features=("late", "age"), max_neighbors=max_neighbors)
    return registry.publish(
        name,
        files={MODEL_FILE: neighbor_graph(weights).SerializeToString(), GOLDEN_FILE: golden, **more},
        manifest=_manifest(InputContract(features=(income,), neighbors=contract)),
        author="tester",
        message=f"publish {name}",
        aliases=aliases,
    )


def _manifest(
    inputs: InputContract, *, bands: tuple[Band, ...] = (), points: Points | None = None, extra: bool = False,
    adverse: Literal["raises", "lowers"] | None = None,
) -> Manifest:  # fmt: skip
    return Manifest(
        family="toy",
        inputs=inputs,
        score=ScoreContract(
            meaning="probability of default",
            bands=bands,
            points=points,
            extras=("logit",) if extra else (),
            adverse=adverse,
        ),
        golden=GoldenFacts(rows=4, tolerance=1e-5),
        created_at=datetime.now(UTC),
    )
