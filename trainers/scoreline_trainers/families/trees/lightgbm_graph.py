"""A LightGBM booster as a graph that takes every row the same way.

- LightGBM compares a float32 input with a double threshold, see ``trees``.
- Inputs within 1e-35 of zero are zero to LightGBM, and its own thresholds beside zero are just that far from it.
- ``missing_type`` None turns NaN into 0 before it compares; NaN sends it the default way; Zero cannot be expressed.
- A categorical split asks whether a code is in a set; NaN, negative and unknown codes are in none.

Source: ``NumericalDecision`` and ``CategoricalDecision`` in LightGBM's include/LightGBM/tree.h, ``kZeroThreshold`` in
its meta.h and the row readers in c_api.cpp.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.errors import ExportError
from scoreline_trainers.families.trees.trees import Branch, Tree, below, emit_trees, floored
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor

FAMILY = "lightgbm"

# LightGBM's kZeroThreshold, which is a float32; as a float, lest numpy round what is compared with it.
_ZERO = float(np.float32(1e-35))

Dump = Mapping[str, Any]


def booster_graph(dump: Dump, inputs: InputContract) -> onnx.ModelProto:
    """The model whose score is the booster's probability, or its amount.

    Args:
        dump: ``Booster.dump_model()`` of a booster with objective binary or regression.
        inputs: the contract whose columns it was trained on.

    Raises:
        ExportError: the booster averages its trees, has linear leaves, treats zero as missing, or another objective.
    """
    _check_exact(dump)
    graph = GraphBuilder(inputs)
    margin = emit_trees(graph, booster_trees(dump), inputs)
    if dict(_objective(dump))["name"] == "regression":
        return graph.build(margin.squeeze(1).name)
    return graph.build(_scaled(margin, dump).apply("Sigmoid").squeeze(1).name)


def booster_trees(dump: Dump) -> Sequence[Tree]:
    """The trees of ``Booster.dump_model()``."""
    return [_tree(tree["tree_structure"]) for tree in dump["tree_info"]]


def float32_threshold(threshold: float) -> float:
    """The f for which ``x <= f`` holds for exactly those float32 x that LightGBM sends left of ``threshold``."""
    if -_ZERO <= threshold < 0:
        return below(-_ZERO)
    return _ZERO if 0 <= threshold <= _ZERO else floored(threshold)


def _tree(root: Dump) -> Tree:
    """Places of children are assigned when their parent is visited."""
    nodes: list[Branch | float] = [0.0]
    pending: list[tuple[int, Dump]] = [(0, root)]
    while pending:
        place, node = pending.pop()
        if "leaf_value" in node:
            nodes[place] = float(node["leaf_value"])
            continue
        left, right = len(nodes), len(nodes) + 1
        nodes[place] = _branch(node, left, right)
        nodes += [0.0, 0.0]
        pending += [(left, node["left_child"]), (right, node["right_child"])]
    return nodes


def _branch(node: Dump, left: int, right: int) -> Branch:
    column, threshold = int(node["split_feature"]), node["threshold"]
    if node["decision_type"] == "==":
        return Branch((column, frozenset(int(code) for code in str(threshold).split("||"))), 0.0, left, right)
    missing_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
    return Branch(column, float32_threshold(threshold), left, right, missing=bool(missing_left))


def _splits(root: Dump) -> Iterator[Dump]:
    pending = [root]
    while pending:
        node = pending.pop()
        if "leaf_value" not in node:
            yield node
            pending += [node["left_child"], node["right_child"]]


def _scaled(margin: Tensor, dump: Dump) -> Tensor:
    """The margin times the objective's ``sigmoid`` option."""
    slope = float(dict(_objective(dump)).get("sigmoid", "1"))
    return margin if slope == 1 else margin * slope


def _objective(dump: Dump) -> list[tuple[str, str]]:
    name, *options = str(dump.get("objective", "")).split()
    return [("name", name), *((key, value) for key, _, value in (option.partition(":") for option in options))]


def _check_exact(dump: Dump) -> None:
    name, *options = str(dump.get("objective", "")).split()
    if name not in ("binary", "regression") or "sqrt" in options or dump["num_tree_per_iteration"] != 1:
        raise ExportError(FAMILY, "exports boosters of objective 'binary' or 'regression' only")
    if dump.get("average_output"):
        raise ExportError(FAMILY, "cannot export averaged trees (boosting 'rf') exactly: use 'gbdt' or 'dart'")
    for tree in dump["tree_info"]:
        for node in _splits(tree["tree_structure"]):
            if node["missing_type"] == "Zero":
                raise ExportError(FAMILY, "cannot export zero_as_missing exactly: leave it off")
    if any("leaf_const" in leaf for tree in dump["tree_info"] for leaf in _leaves(tree["tree_structure"])):
        raise ExportError(FAMILY, "cannot export linear_tree exactly: leave it off")


def _leaves(root: Dump) -> Iterator[Dump]:
    pending = [root]
    while pending:
        node = pending.pop()
        if "leaf_value" in node:
            yield node
        else:
            pending += [node["left_child"], node["right_child"]]
