"""What is read from graphs: trees of any comparison, sums, and the sources of columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from scoreline_trainers.explanation.additive import TreeTerm, additive_form, margin_of
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.explanation.provenance import Columns, Provenances

Arrays = dict[str, npt.NDArray[Any]]
THREE = {"features": Columns((frozenset({0}), frozenset({1}), frozenset({2})))}


def graph(nodes: Sequence[onnx.NodeProto], constants: Arrays | None = None) -> onnx.ModelProto:
    """A model of features [N, 3] whose output is ``score``."""
    made = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def stump(mode: str, *, missing: int, output: str = "score", weights: Sequence[float] = (2.0, -3.0)) -> onnx.NodeProto:
    """One test of the second column against 0.5."""
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        [output],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[1, 0, 0],
        nodes_modes=[mode, "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[missing, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=list(weights),
        n_targets=1,
        base_values=[0.25],
    )


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
def test_every_comparison_is_read_as_onnx_runtime_takes_it(mode: str, missing: int) -> None:
    model = graph([stump(mode, missing=missing)])
    half = np.float32(0.5)
    around = [np.nextafter(half, np.float32(0)), half, np.nextafter(half, np.float32(1)), np.float32(np.nan)]
    rows = np.zeros((4, 3), np.float32)
    rows[:, 1] = around
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"features": rows})
    form = additive_form(GraphIndex.of(model), "score")
    assert form is not None
    (term,) = form.terms
    assert isinstance(term, TreeTerm)
    assert (form.constant + term.trees.margin(rows)).tolist() == expected.reshape(-1).tolist()


def test_trees_that_compare_for_equality_are_not_read() -> None:
    assert additive_form(GraphIndex.of(graph([stump("BRANCH_EQ", missing=0)])), "score") is None


def test_sums_factors_and_far_cuts_of_trees_are_added_up() -> None:
    nodes = [
        stump("BRANCH_LEQ", missing=0, output="first"),
        stump("BRANCH_LEQ", missing=0, output="second", weights=(1.0, 5.0)),
        helper.make_node("Mul", ["first", "factor"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "second"], ["difference"]),
        helper.make_node("Max", ["difference", "low"], ["cut"]),
        helper.make_node("Sigmoid", ["cut"], ["probability"]),
        helper.make_node("Squeeze", ["probability", "axis"], ["score"]),
    ]
    constants: Arrays = {
        "factor": np.array(2, np.float32),
        "low": np.array(-9.21, np.float32),
        "axis": np.array([1], np.int64),
    }
    index = GraphIndex.of(graph(nodes, constants))
    margin = margin_of(index)
    assert (margin.tensor, margin.link) == ("cut", "log odds")
    form = additive_form(index, margin.tensor)
    assert form is not None
    assert form.constant == 2 * 0.25 - 0.25
    values = [term.trees.value[1:].tolist() for term in form.terms if isinstance(term, TreeTerm)]
    assert values == [[4.0, -6.0], [-1.0, -5.0]]


def test_near_cuts_and_products_of_trees_are_no_sums() -> None:
    first, second = stump("BRANCH_LEQ", missing=0, output="first"), stump("BRANCH_LT", missing=0, output="second")
    product = graph([first, second, helper.make_node("Mul", ["first", "second"], ["score"])])
    assert additive_form(GraphIndex.of(product), "score") is None
    near = graph([first, helper.make_node("Max", ["first", "low"], ["score"])], {"low": np.array(0, np.float32)})
    assert additive_form(GraphIndex.of(near), "score") is None


def test_columns_keep_their_sources_through_what_moves_and_bends_them() -> None:
    nodes = [
        helper.make_node("Gather", ["features", "some"], ["chosen"], axis=-1),
        helper.make_node("Unsqueeze", ["chosen", "behind"], ["deep"]),
        helper.make_node("Sub", ["deep", "knots"], ["reach"]),
        helper.make_node("ReduceSum", ["reach", "behind"], ["bent"], keepdims=0),
        helper.make_node("Concat", ["bent", "features"], ["both"], axis=1),
        helper.make_node("ReduceSum", ["features", "columns"], ["total"], keepdims=1),
        helper.make_node("Concat", ["both", "total"], ["all"], axis=1),
        helper.make_node("MatMul", ["features", "square"], ["turned"]),
        helper.make_node("Identity", ["all"], ["score"]),
    ]
    constants: Arrays = {
        "some": np.array([2, 0], np.int64),
        "behind": np.array([2], np.int64),
        "columns": np.array([1], np.int64),
        "knots": np.zeros((2, 4), np.float32),
        "square": np.eye(3, dtype=np.float32),
    }
    found = Provenances(GraphIndex.of(graph(nodes, constants)), dict(THREE))
    one, two, three = (frozenset({place}) for place in range(3))
    assert found.columns("both", 5) == (three, one, one, two, three)
    assert found.columns("total", 1) == (one | two | three,)
    assert found.columns("turned", 3) == (one | two | three,) * 3
    # A part that mixes columns leaves the width unknown, so all columns count as mixed.
    assert found.columns("all", 6) == (one | two | three,) * 6


def test_rows_of_a_table_come_from_what_names_the_row() -> None:
    nodes = [
        helper.make_node("Gather", ["features", "second"], ["code"], axis=1),
        helper.make_node("Cast", ["code"], ["slot"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "slot"], ["rows"], axis=0),
        helper.make_node("Identity", ["rows"], ["score"]),
    ]
    constants: Arrays = {"second": np.array(1, np.int64), "table": np.zeros((5, 4), np.float32)}
    found = Provenances(GraphIndex.of(graph(nodes, constants)), dict(THREE))
    assert found.columns("rows", 4) == (frozenset({1}),) * 4
