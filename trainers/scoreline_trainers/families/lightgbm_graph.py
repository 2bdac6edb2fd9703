"""A LightGBM booster as a graph that takes every row the same way.

- LightGBM compares a float32 input with a double threshold. For float32 x and double t, ``x <= t`` holds exactly when
  ``x <= f`` with f the largest float32 that is not above t: thresholds are rounded DOWN, never to the nearest.
- Inputs within 1e-35 of zero are zero to LightGBM, and its own thresholds beside zero are just that far from it.
- ``missing_type`` None turns NaN into 0 before it compares; NaN sends it the default way; Zero cannot be expressed.
- A categorical split asks whether a code is in a set. Each distinct set becomes one 0/1 column, gathered from a table
  by the code; trees then stay as small as LightGBM's own, and NaN, negative and unknown codes are in no set.

Source: ``NumericalDecision`` and ``CategoricalDecision`` in LightGBM's include/LightGBM/tree.h, ``kZeroThreshold`` in
its meta.h and the row readers in c_api.cpp.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from scoreline_registry.contract import InputContract
from scoreline_trainers.batch import Float32
from scoreline_trainers.errors import ExportError
from scoreline_trainers.features import category_columns
from scoreline_trainers.graph import ML_DOMAIN, GraphBuilder
from scoreline_trainers.preprocessing import emit_category_slots

FAMILY = "lightgbm"

# LightGBM's kZeroThreshold, which is a float32; as a float, lest numpy round what is compared with it.
_ZERO = float(np.float32(1e-35))

Dump = Mapping[str, Any]
CategorySet = tuple[int, frozenset[int]]


def booster_graph(dump: Dump, inputs: InputContract) -> onnx.ModelProto:
    """The model whose score is the booster's probability.

    Args:
        dump: ``Booster.dump_model()`` of a binary booster.
        inputs: the contract whose columns it was trained on.

    Raises:
        ExportError: the booster averages its trees, has linear leaves, treats zero as missing, or is not binary.
    """
    _check_exact(dump)
    graph = GraphBuilder(inputs)
    sets = _ordered_sets(dump)
    trees = _Trees(columns={key: len(inputs.features) + index for index, key in enumerate(sets)})
    for index, tree in enumerate(dump["tree_info"]):
        trees.add(index, tree["tree_structure"])
    margin = graph.add(
        "TreeEnsembleRegressor", _emit_membership(graph, sets, inputs), domain=ML_DOMAIN, **trees.attributes()
    )
    return graph.build(graph.flat(graph.add("Sigmoid", _scaled(graph, margin, dump))))


def threshold_edges(dump: Dump) -> Mapping[int, Float32]:
    """Feature column -> ascending float32 values on both sides of every numeric threshold."""
    found: dict[int, set[float]] = {}
    for tree in dump["tree_info"]:
        for node in _splits(tree["tree_structure"]):
            if node["decision_type"] == "<=":
                below = float32_threshold(node["threshold"])
                above = _next(below, np.inf)
                found.setdefault(node["split_feature"], set()).update((float(below), float(above)))
    return {column: np.array(sorted(values), np.float32) for column, values in found.items()}


def float32_threshold(threshold: float) -> np.float32:
    """The f for which ``x <= f`` holds for exactly those float32 x that LightGBM sends left of ``threshold``."""
    if -_ZERO <= threshold < 0:
        return _next(np.float32(-_ZERO), -np.inf)
    if 0 <= threshold <= _ZERO:
        return np.float32(_ZERO)
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return _next(nearest, -np.inf) if float(nearest) > threshold else nearest


def _next(value: np.float32, towards: float) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(np.nextafter(value, np.float32(towards)))


@dataclass(slots=True)
class _Trees:
    """Collects the attributes of one TreeEnsembleRegressor."""

    columns: Mapping[CategorySet, int]
    nodes: list[tuple[int, int, int, str, float, int, int, int]] = field(default_factory=list)
    leaves: list[tuple[int, int, float]] = field(default_factory=list)

    def add(self, tree: int, root: Dump) -> None:
        """Walks one tree; a child's id is given when its parent is met."""
        pending: list[tuple[int, Dump]] = [(0, root)]
        ids = 1
        while pending:
            this, node = pending.pop()
            if "leaf_value" in node:
                self.nodes.append((tree, this, 0, "LEAF", 0.0, 0, 0, 0))
                self.leaves.append((tree, this, float(node["leaf_value"])))
                continue
            column, mode, value, missing_left = self._test(node)
            self.nodes.append((tree, this, column, mode, value, ids, ids + 1, missing_left))
            pending += [(ids, node["left_child"]), (ids + 1, node["right_child"])]
            ids += 2

    def _test(self, node: Dump) -> tuple[int, str, float, int]:
        """Column, mode, threshold, and 1 where NaN goes left."""
        if node["decision_type"] == "==":
            return self.columns[_category_set(node)], "BRANCH_GT", 0.5, 0
        threshold = node["threshold"]
        left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
        return node["split_feature"], "BRANCH_LEQ", float(float32_threshold(threshold)), int(left)

    def attributes(self) -> dict[str, Any]:
        """As the operator wants them: parallel lists."""
        tree, node, column, mode, value, true, false, missing = zip(*self.nodes, strict=True)
        leaf_tree, leaf, weight = zip(*self.leaves, strict=True)
        return {
            "nodes_treeids": tree,
            "nodes_nodeids": node,
            "nodes_featureids": column,
            "nodes_modes": mode,
            "nodes_values": value,
            "nodes_truenodeids": true,
            "nodes_falsenodeids": false,
            "nodes_missing_value_tracks_true": missing,
            "target_treeids": leaf_tree,
            "target_nodeids": leaf,
            "target_ids": [0] * len(leaf),
            "target_weights": weight,
            "n_targets": 1,
        }


def _emit_membership(graph: GraphBuilder, sets: list[CategorySet], inputs: InputContract) -> str:
    """[N, F] -> [N, F + len(sets)]: behind the features, 1 where the row's code is in the set."""
    if not sets:
        return "features"
    split_on = {column for column, _ in sets}
    used = [column for column in category_columns(inputs.features) if column in split_on]
    sizes = [len(inputs.features[column].vocabulary) for column in used]
    slots = emit_category_slots(graph, graph.columns("features", used), sizes)
    parts = ["features"]
    for index, (column, size) in enumerate(zip(used, sizes, strict=True)):
        table = _membership_table([codes for its, codes in sets if its == column], size)
        parts.append(graph.add("Gather", graph.constant(table, np.float32), graph.column(slots, index), axis=0))
    return graph.add("Concat", *parts, axis=1)


def _membership_table(sets: list[frozenset[int]], size: int) -> Float32:
    """float32 [size + 2, len(sets)]: row = a category's slot, see ``category_slots``."""
    table = np.zeros((size + 2, len(sets)), np.float32)
    for index, codes in enumerate(sets):
        table[list(codes), index] = 1
    return table


def _ordered_sets(dump: Dump) -> list[CategorySet]:
    """Every distinct set that some tree splits on, grouped by ascending feature column."""
    found = {
        _category_set(node)
        for tree in dump["tree_info"]
        for node in _splits(tree["tree_structure"])
        if node["decision_type"] == "=="
    }
    return sorted(found, key=lambda key: (key[0], sorted(key[1])))


def _category_set(node: Dump) -> CategorySet:
    return node["split_feature"], frozenset(int(code) for code in str(node["threshold"]).split("||"))


def _splits(root: Dump) -> Iterator[Dump]:
    pending = [root]
    while pending:
        node = pending.pop()
        if "leaf_value" not in node:
            yield node
            pending += [node["left_child"], node["right_child"]]


def _scaled(graph: GraphBuilder, margin: str, dump: Dump) -> str:
    """The margin times the objective's ``sigmoid`` option."""
    slope = float(dict(_objective(dump)).get("sigmoid", "1"))
    return margin if slope == 1 else graph.add("Mul", margin, graph.constant(slope, np.float32))


def _objective(dump: Dump) -> list[tuple[str, str]]:
    name, *options = str(dump.get("objective", "")).split()
    return [("name", name), *((key, value) for key, _, value in (option.partition(":") for option in options))]


def _check_exact(dump: Dump) -> None:
    if dict(_objective(dump))["name"] != "binary" or dump["num_tree_per_iteration"] != 1:
        raise ExportError(FAMILY, "exports boosters of objective 'binary' only")
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
