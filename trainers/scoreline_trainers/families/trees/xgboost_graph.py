"""An XGBoost booster as a graph.

- XGBoost compares float32 with float32 by ``x < t``, which is ``x <= `` the float32 right below t, see ``trees``.
- NaN goes the node's default way.
- ``base_score`` is a probability, whose log odds are added to the sum of the leaves, or an amount, which is added.

Source: ``GetNextNode`` in XGBoost's src/predictor/predict_fn.h and ``ProbToMargin`` in src/objective/regression_loss.h.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.errors import ExportError
from scoreline_trainers.families.trees.tree_columns import TreeColumns, branch
from scoreline_trainers.families.trees.trees import Branch, Tree, below, emit_trees
from scoreline_trainers.graph.builder import GraphBuilder

FAMILY = "xgboost"

Dump = Mapping[str, Any]

_AMOUNTS = "reg:squarederror"
_OBJECTIVES = ("binary:logistic", _AMOUNTS)


def booster_graph(dump: Dump, columns: TreeColumns, inputs: InputContract) -> onnx.ModelProto:
    """The model whose score is the booster's probability, or its amount.

    Args:
        dump: what ``Booster.save_raw("json")`` holds, of a booster with objective binary:logistic or reg:squarederror.
        columns: the matrix it was trained on.
        inputs: the contract behind the matrix.

    Raises:
        ExportError: the booster is not of trees, has another objective, several targets or sets of categories.
    """
    trees = booster_trees(dump, columns)
    graph = GraphBuilder(inputs)
    margin = emit_trees(graph, trees, inputs, base=_base_margin(dump))
    if dump["learner"]["objective"]["name"] == _AMOUNTS:
        return graph.build(margin.squeeze(1).name)
    return graph.build(margin.apply("Sigmoid").squeeze(1).name)


def booster_trees(dump: Dump, columns: TreeColumns) -> Sequence[Tree]:
    """The trees of a booster. Raises ExportError, see ``booster_graph``."""
    _check_exact(dump["learner"])
    return [_tree(tree, columns) for tree in dump["learner"]["gradient_booster"]["model"]["trees"]]


def _tree(tree: Dump, columns: TreeColumns) -> Tree:
    """Nodes keep XGBoost's order; a leaf has its value in the place of a branch's threshold."""
    origins = columns.origins
    rows = zip(
        tree["left_children"],
        tree["right_children"],
        tree["split_indices"],
        tree["split_conditions"],
        tree["default_left"],
        strict=True,
    )
    nodes: list[Branch | float] = []
    for left, right, column, condition, default_left in rows:
        if left == -1:
            nodes.append(float(np.float32(condition)))
            continue
        threshold = below(condition)
        nodes.append(branch(origins[column], threshold, low=left, high=right, missing_low=bool(default_left)))
    return nodes


def _base_margin(dump: Dump) -> float:
    (base,) = json.loads(dump["learner"]["learner_model_param"]["base_score"])
    amounts = dump["learner"]["objective"]["name"] == _AMOUNTS
    return float(base) if amounts else math.log(base / (1 - base))


def _check_exact(learner: Dump) -> None:
    booster, objective = learner["gradient_booster"], learner["objective"]["name"]
    if booster["name"] != "gbtree":
        raise ExportError(FAMILY, f"exports the booster 'gbtree' only, not {booster['name']!r}")
    if objective not in _OBJECTIVES or learner["learner_model_param"]["num_target"] != "1":
        raise ExportError(FAMILY, f"exports {' or '.join(_OBJECTIVES)} with one target only, not {objective!r}")
    if any(any(tree["split_type"]) for tree in booster["model"]["trees"]):
        raise ExportError(FAMILY, "does not export splits on sets of categories: leave enable_categorical off")
