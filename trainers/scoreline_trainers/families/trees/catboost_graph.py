"""A CatBoost model of symmetric trees as a graph.

- All nodes of one level ask the same ``x > border``, both float32, so a tree of depth d is written as 2^d - 1
  branches. Bit i of a leaf's index is the answer of split i.
- NaN counts as below or above every border, by the column's ``nan_value_treatment``; "AsIs" compares, which says no.

Source: catboost/libs/model/model_export/resources/apply_catboost_model.py and the documentation of the JSON format.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.columns import Task
from scoreline_trainers.errors import ExportError
from scoreline_trainers.families.trees.tree_columns import TreeColumns, branch
from scoreline_trainers.families.trees.trees import Branch, Tree, emit_trees, floored
from scoreline_trainers.graph.builder import GraphBuilder

FAMILY = "catboost"

Dump = Mapping[str, Any]


def booster_graph(dump: Dump, columns: TreeColumns, inputs: InputContract, *, task: Task = "binary") -> onnx.ModelProto:
    """The model whose score is CatBoost's probability, or its amount.

    Args:
        dump: the model's JSON, of one with Logloss, or with RMSE.
        columns: the matrix it was trained on.
        inputs: the contract behind the matrix.
        task: "regression" for a model with RMSE.

    Raises:
        ExportError: the trees are not symmetric, or split on CatBoost's own categories, texts or embeddings.
    """
    trees = booster_trees(dump, columns)
    _, (bias,) = dump["scale_and_bias"]
    graph = GraphBuilder(inputs)
    margin = emit_trees(graph, trees, inputs, base=float(bias))
    if task == "regression":
        return graph.build(margin.squeeze(1).name)
    return graph.build(margin.apply("Sigmoid").squeeze(1).name)


def booster_trees(dump: Dump, columns: TreeColumns) -> Sequence[Tree]:
    """The trees of a model, its scale in their leaves. Raises ExportError, see ``booster_graph``."""
    _check_exact(dump)
    features = dump["features_info"]["float_features"]
    missing_above = {item["feature_index"] for item in features if item["nan_value_treatment"] == "AsTrue"}
    scale, _ = dump["scale_and_bias"]
    return [_tree(tree, columns, missing_above, float(scale)) for tree in dump["oblivious_trees"]]


def _tree(tree: Dump, columns: TreeColumns, missing_above: set[int], scale: float) -> Tree:
    """A heap: node p has its children at 2p + 1 and 2p + 2; the last split is the root."""
    origins, nodes = columns.origins, list[Branch | float]()
    for level, split in enumerate(reversed(tree["splits"] or [])):
        column, border = split["float_feature_index"], floored(split["border"])
        low = column not in missing_above
        nodes += [
            branch(origins[column], border, low=2 * place + 1, high=2 * place + 2, missing_low=low)
            for place in range(2**level - 1, 2 ** (level + 1) - 1)
        ]
    return [*nodes, *(scale * value for value in tree["leaf_values"])]


def _check_exact(dump: Dump) -> None:
    if "oblivious_trees" not in dump:
        raise ExportError(FAMILY, "exports symmetric trees only: leave grow_policy at 'SymmetricTree'")
    splits = (split for tree in dump["oblivious_trees"] for split in tree["splits"] or [])
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise ExportError(FAMILY, "cannot export its own categories, texts and embeddings: give it numbers")
