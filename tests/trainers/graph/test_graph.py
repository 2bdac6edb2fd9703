"""Graphs behind and beside each other."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.graph.builder import IR_VERSION, OPSET, Extra, GraphBuilder, joined, normalised
from scoreline_trainers.graph.scorer import OnnxScorer

TWO = InputContract(features=(Feature(name="x"), Feature(name="y")))
ROWS = Batch(features=np.array([[1, 2], [3, -4], [np.nan, 0]], np.float32))


def total(inputs: InputContract = TWO) -> onnx.ModelProto:
    """score = x + y, with the terms as an extra output."""
    graph = GraphBuilder(inputs)
    score = graph.add("ReduceSum", "features", graph.constant([1], np.int64), keepdims=0)
    return graph.build(score, extras={"terms": Extra("features", (len(inputs.features),))})


def doubled() -> onnx.ModelProto:
    graph = GraphBuilder(TWO)
    double = graph.add("Mul", "features", graph.constant(2, np.float32))
    return graph.build_outputs({"columns": Extra(double, (2,))})


def test_a_model_behind_another_scores_what_that_one_computes() -> None:
    model = joined(doubled(), total(), inputs=TWO, feeds={"features": "columns"})
    outputs = OnnxScorer(model.SerializeToString()).run(ROWS)
    np.testing.assert_array_equal(outputs["score"], [6, -2, np.nan])
    np.testing.assert_array_equal(outputs["terms"], 2 * ROWS.table)
    assert [value.name for value in model.graph.input] == ["features"]
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)
    assert not model.graph.value_info


def test_members_stand_side_by_side_on_shared_inputs_with_nodes_behind_them() -> None:
    graph = GraphBuilder(TWO)
    members = [graph.embed(total(), prefix=f"member_{index}") for index in range(3)]
    mean = graph.add("Mean", *(member["score"].tensor for member in members))
    model = graph.build(mean, extras={"first_terms": members[0]["terms"]})
    outputs = OnnxScorer(model.SerializeToString()).run(ROWS)
    np.testing.assert_array_equal(outputs["score"], [3, -1, np.nan])
    np.testing.assert_array_equal(outputs["first_terms"], ROWS.table)


def test_an_older_graph_is_converted_and_not_merely_relabelled() -> None:
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 2])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"])
    # At opset 11 the axes of ReduceSum are an attribute, at 13 an input.
    node = helper.make_node("ReduceSum", ["features"], ["score"], axes=[1], keepdims=0)
    graph = helper.make_graph([node], "old", [features], [score])
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=4)
    np.testing.assert_array_equal(OnnxScorer(normalised(old).SerializeToString()).score(ROWS), ROWS.table.sum(axis=1))


def test_what_is_asked_for_twice_is_made_once() -> None:
    graph = GraphBuilder(TWO)
    first, second = (graph.add("Mul", "features", graph.constant([2], np.float32)) for _ in range(2))
    assert first == second
    assert graph.constant([2], np.float64) != graph.constant([2], np.float32) != graph.constant(2, np.float32)
    assert graph.add("Mul", first, first) != graph.add("Add", first, first)


def test_graphs_inside_nodes_are_renamed_with_what_they_read() -> None:
    """score = x where the batch has more than one row, else -x."""
    graph = GraphBuilder(TWO)
    x = graph.column("features", 0)
    many = graph.add("Greater", graph.add("Size", x), graph.constant(1, np.int64))
    branches: dict[str, Any] = {}
    for name, op in (("then_branch", "Identity"), ("else_branch", "Neg")):
        out = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, ["N"])
        branches[name] = helper.make_graph([helper.make_node(op, [x], ["chosen"])], name, [], [out])
    model = graph.build(graph.add("If", many, **branches))
    both = GraphBuilder(TWO)
    first, second = (both.embed(model, prefix=prefix)["score"].tensor for prefix in ("a", "b"))
    scorer = OnnxScorer(both.build(both.add("Add", first, second)).SerializeToString())
    np.testing.assert_array_equal(scorer.score(ROWS), [2, 6, np.nan])
    np.testing.assert_array_equal(scorer.score(ROWS.take(slice(0, 1))), [-2])


def test_what_does_not_fit_together_is_refused() -> None:
    graph = GraphBuilder(TWO)
    graph.embed(total(), prefix="a")
    with pytest.raises(ValueError, match="its name is taken"):
        graph.embed(total(), prefix="a")
    with pytest.raises(ValueError, match="or it has no input"):
        graph.embed(total(), prefix="b", feeds={"sequence": "features"})
    with pytest.raises(ValueError, match=r"gives \['columns'\], not \['other'\]"):
        joined(doubled(), total(), inputs=TWO, feeds={"features": "other"})


def test_a_tensor_with_a_name_of_its_own_is_found_again_wherever_its_model_stands() -> None:
    graph = GraphBuilder(TWO)
    shared = graph.constant([2, 3], np.float32)
    weights = graph.parameter("weights", [2, 3], np.float32)
    product = graph.named(graph.add("Mul", "features", weights), "product")
    model = graph.build(graph.add("ReduceSum", product, graph.constant([1], np.int64), keepdims=0))
    assert shared != weights
    around = joined(doubled(), model, inputs=TWO, feeds={"features": "columns"})
    assert [each.name for each in around.graph.initializer if each.name.endswith("weights")] == ["second/weights"]
    assert "second/product" in {output for node in around.graph.node for output in node.output}
    with pytest.raises(ValueError, match="a tensor is called 'weights' already"):
        graph.named(product, "weights")
