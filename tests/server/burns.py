"""A toy that takes as long as it is told, in proportion to its rows, and scores like a linear one."""

import time
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, helper, numpy_helper

from tests.server.toys import linear_graph

_SIDE = 192


def burning_graph(weights: Sequence[float], layers: int) -> ModelProto:
    """The linear graph of ``weights`` that also multiplies, for each row, square matrices ``layers`` times."""
    model = linear_graph(weights)
    graph = model.graph
    matrix = np.eye(_SIDE, dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(matrix, "matrix"))
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "lone"))
    graph.initializer.append(numpy_helper.from_array(np.array([1, 2], np.int64), "squares"))
    nodes = [
        helper.make_node("Reshape", ["product", "lone"], ["seed"]),
        helper.make_node("Mul", ["seed", "matrix"], ["x0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"x{at}", "matrix"], [f"x{at + 1}"]) for at in range(layers)]
    nodes += [
        helper.make_node("ReduceMax", [f"x{layers}", "squares"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "zero"], ["nothings"]),
        helper.make_node("Reshape", ["nothings", "column_shape"], ["nothing"]),
        helper.make_node("Add", ["product", "nothing"], ["fed"]),
    ]
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "column_shape"))
    (add,) = [node for node in graph.node if node.op_type == "Add"]
    at = list(graph.node).index(add)
    add.input[0] = "fed"
    for node in reversed(nodes):
        graph.node.insert(at, node)
    return model


def burning_model(weights: Sequence[float], seconds: float) -> bytes:
    """A graph that takes about that long for one row on this machine, now."""
    probe = 5
    return burning_graph(weights, max(1, round(probe * seconds / _row_seconds(weights, probe)))).SerializeToString()


def _row_seconds(weights: Sequence[float], layers: int) -> float:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(burning_graph(weights, layers).SerializeToString(), options)
    row, times = {"features": np.ones((1, len(weights)), np.float32)}, []
    for _ in range(15):
        start = time.perf_counter()
        session.run(["score"], row)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]
