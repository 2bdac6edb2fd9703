"""The ONNX model behind a fake route, and what is published beside it."""

import io
import math
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from scoreline.testing.fake_route import FakeRoute
from scoreline_registry.documents.contract import Band, Feature, InputContract, ScoreContract
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE, GoldenFacts, Manifest

_GOLDEN_ROWS = 3


def files(route: FakeRoute) -> Mapping[str, bytes]:
    """The graph and golden rows that it must reproduce, computed without it."""
    rows = np.array([[row + 1.0 if row else math.nan for _ in route.weights] for row in range(_GOLDEN_ROWS)], "f4")
    contract = features(route)
    sent = [{one.name: _text(one, value) for one, value in zip(contract, row.tolist(), strict=True)} for row in rows]
    buffer = io.BytesIO()
    np.savez(buffer, features=rows, score=np.array([route.score(entity) for entity in sent], "f4"))
    return {MODEL_FILE: graph(route), GOLDEN_FILE: buffer.getvalue()}


def manifest(route: FakeRoute) -> Manifest:
    """What the model takes and gives."""
    bands = tuple(Band(name=name, from_score=score) for name, score in route.bands.items())
    return Manifest(
        family="fake",
        inputs=InputContract(features=features(route)),
        score=ScoreContract(meaning="what a test expects", bands=bands),
        golden=GoldenFacts(rows=_GOLDEN_ROWS, tolerance=1e-5),
        created_at=datetime.now(UTC),
    )


def features(route: FakeRoute) -> tuple[Feature, ...]:
    """One feature for each weight, in their order."""
    return tuple(
        Feature(name=name, kind="category", vocabulary=tuple(weight), required=name in route.required)
        if isinstance(weight, Mapping)
        else Feature(name=name, required=name in route.required)
        for name, weight in route.weights.items()
    )


def graph(route: FakeRoute) -> bytes:
    """``features`` float32 [N, F] to ``score`` float32 [N]."""
    constants = {"zero": np.array(0, "f4"), "flat": np.array([-1]), "sum0": np.array([[route.bias]], "f4")}
    nodes: list[NodeProto] = []
    for index, weight in enumerate(route.weights.values()):
        constants[f"index{index}"] = np.array([index])
        nodes.append(helper.make_node("Gather", ["features", f"index{index}"], [f"column{index}"], axis=1))
        nodes += _category(index) if isinstance(weight, Mapping) else _number(index)
        nodes.append(helper.make_node("MatMul", [f"clean{index}", f"weight{index}"], [f"added{index}"]))
        nodes.append(helper.make_node("Add", [f"sum{index}", f"added{index}"], [f"sum{index + 1}"]))
        of_each = list(weight.values()) if isinstance(weight, Mapping) else [weight]
        constants[f"weight{index}"] = np.array(of_each, "f4").reshape(-1, 1)
        constants[f"codes{index}"] = np.arange(len(of_each), dtype="f4")
    nodes.append(helper.make_node("Reshape", [f"sum{len(route.weights)}", "flat"], ["logit"]))
    nodes.append(helper.make_node("Sigmoid", ["logit"], ["score"]))
    return _model(nodes, constants, len(route.weights))


def _number(index: int) -> list[NodeProto]:
    """The column with NaN as 0."""
    column, missing = f"column{index}", f"missing{index}"
    return [
        helper.make_node("IsNaN", [column], [missing]),
        helper.make_node("Where", [missing, "zero", column], [f"clean{index}"]),
    ]


def _category(index: int) -> list[NodeProto]:
    """1 in the column of the name that it is, 0 elsewhere; NaN equals nothing."""
    return [
        helper.make_node("Equal", [f"column{index}", f"codes{index}"], [f"is{index}"]),
        helper.make_node("Cast", [f"is{index}"], [f"clean{index}"], to=TensorProto.FLOAT),
    ]


def _model(nodes: list[NodeProto], constants: Mapping[str, npt.NDArray[np.generic]], width: int) -> bytes:
    used = {name for node in nodes for name in node.input}
    made = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model.SerializeToString()


def _text(feature: Feature, value: float) -> float | str | None:
    """A column's value as a caller would send it."""
    if feature.kind == "number":
        return value
    return None if math.isnan(value) or value >= len(feature.vocabulary) else feature.vocabulary[int(value)]
