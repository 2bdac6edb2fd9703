"""Reads from a graph how its margin is added up: from trees, and from columns times weights.

The margin of a score that a sigmoid makes are its log odds; any other score is explained itself. Graphs of trees,
linear models, stacks of them without isotonic calibration, and any of these behind engineered columns with one source
each are read as they are; of all other graphs ``additive_form`` says that it cannot tell.

Cuts of log odds (in stacks and calibrators, far beyond what rows reach) and of a forest's score to [0, 1] are passed
over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from scoreline_registry.attributions.trees import TreeArrays
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.explanation.document import Link
from scoreline_trainers.explanation.graph_index import GraphIndex, attribute

_MOVING = ("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten")
_CUTTING = ("Clip", "Max", "Min")
# Log odds of 1 to 8,000.
_FAR = 9.0


@dataclass(frozen=True, slots=True, eq=False)
class TreeTerm:
    """Trees over the tensor ``matrix`` float32 [N, C]."""

    matrix: str
    trees: TreeArrays


@dataclass(frozen=True, slots=True, eq=False)
class LinearTerm:
    """Columns of the tensor ``matrix`` [N, C] times ``weights`` float64 [C]."""

    matrix: str
    weights: Float64


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveForm:
    """A sum of terms and a constant."""

    constant: float = 0.0
    terms: tuple[TreeTerm | LinearTerm, ...] = ()

    def scaled(self, factor: float) -> "AdditiveForm":
        """The same, ``factor`` times."""
        return AdditiveForm(self.constant * factor, tuple(_scaled(term, factor) for term in self.terms))

    def plus(self, other: "AdditiveForm") -> "AdditiveForm":
        """The sum of both."""
        return AdditiveForm(self.constant + other.constant, (*self.terms, *other.terms))


@dataclass(frozen=True, slots=True)
class Margin:
    """The tensor that is explained: what the last sigmoid is given, or the score."""

    tensor: str
    link: Link


def margin_of(graph: GraphIndex) -> Margin:
    """The margin of a model's score."""
    tensor = SCORE
    while (node := graph.maker(tensor)) is not None:
        if node.op_type == "Sigmoid":
            return Margin(node.input[0], "log odds")
        if node.op_type not in _MOVING:
            break
        tensor = node.input[0]
    return Margin(SCORE, "identity")


def additive_form(graph: GraphIndex, tensor: str) -> AdditiveForm | None:
    """How a tensor [N] or [N, 1] is added up, or None where it is not, or not in a way known here."""
    number = graph.number(tensor)
    if number is not None:
        return AdditiveForm(number)
    node = graph.maker(tensor)
    if node is None:
        return None
    if node.op_type in _MOVING or (node.op_type in _CUTTING and _cut_far_out(graph, node)):
        return additive_form(graph, node.input[0])
    if node.op_type == "TreeEnsembleRegressor":
        return _trees(node)
    if node.op_type in ("Add", "Sub", "Mul", "Div", "Neg"):
        return _arithmetic(graph, node)
    return _product(graph, node) if node.op_type == "MatMul" else None


def _cut_far_out(graph: GraphIndex, node: onnx.NodeProto) -> bool:
    limits = [graph.number(name) for name in node.input[1:] if name]
    return limits == [0, 1] or all(limit is not None and abs(limit) >= _FAR for limit in limits)


def _arithmetic(graph: GraphIndex, node: onnx.NodeProto) -> AdditiveForm | None:
    parts = [additive_form(graph, name) for name in node.input]
    first, second = parts[0], parts[-1]
    if first is None or second is None:
        return None
    if node.op_type == "Neg":
        return first.scaled(-1)
    if node.op_type in ("Add", "Sub"):
        return first.plus(second if node.op_type == "Add" else second.scaled(-1))
    if not second.terms:
        return first.scaled(second.constant if node.op_type == "Mul" else 1 / second.constant)
    return second.scaled(first.constant) if node.op_type == "Mul" and not first.terms else None


def _product(graph: GraphIndex, node: onnx.NodeProto) -> AdditiveForm | None:
    """A matrix times a constant column of weights."""
    matrix, right = node.input
    weights = graph.constants.get(right)
    if weights is None or weights.ndim != 2 or weights.shape[1] != 1:
        return None
    column = weights[:, 0].astype(np.float64)
    parts = _side_by_side(graph, matrix)
    if len(parts) != len(column):
        return AdditiveForm(0.0, (LinearTerm(matrix, column),))
    total = AdditiveForm()
    for part, weight in zip(parts, column.tolist(), strict=True):
        form = additive_form(graph, part)
        if form is None:
            return None
        total = total.plus(form.scaled(weight))
    return total


def _side_by_side(graph: GraphIndex, matrix: str) -> Sequence[str]:
    """The tensors [N] of which a matrix has one in each column; none where it is made otherwise."""
    node = graph.maker(matrix)
    if node is None:
        return ()
    if node.op_type in ("Identity", "Cast"):
        return _side_by_side(graph, node.input[0])
    if node.op_type == "Unsqueeze":
        return (node.input[0],)
    if node.op_type != "Concat":
        return ()
    parts = [graph.maker(name) for name in node.input]
    if any(part is None or part.op_type != "Unsqueeze" for part in parts):
        return ()
    return [part.input[0] for part in parts if part is not None]


def _scaled(term: TreeTerm | LinearTerm, factor: float) -> TreeTerm | LinearTerm:
    if isinstance(term, LinearTerm):
        return LinearTerm(term.matrix, term.weights * factor)
    return TreeTerm(term.matrix, replace(term.trees, value=term.trees.value * factor))


def _trees(node: onnx.NodeProto) -> AdditiveForm | None:
    """A tree operator with one target whose leaves are summed."""
    if attribute(node, "n_targets", 1) != 1 or attribute(node, "post_transform", b"NONE") != b"NONE":
        return None
    if attribute(node, "aggregate_function", b"SUM") != b"SUM" or attribute(node, "nodes_values") is None:
        return None
    base = attribute(node, "base_values") or [0.0]
    trees = tree_arrays(node)
    return None if trees is None else AdditiveForm(float(base[0]), (TreeTerm(node.input[0], trees),))


def tree_arrays(node: onnx.NodeProto) -> TreeArrays | None:
    """The trees of a TreeEnsembleRegressor, all compared by ``<=``; None where one compares for equality."""
    modes = np.array([mode.decode() for mode in attribute(node, "nodes_modes")])
    if not np.isin(modes, ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "LEAF"]).all():
        return None
    tree = np.array(attribute(node, "nodes_treeids"), np.int64)
    places = {key: place for place, key in enumerate(zip(tree.tolist(), attribute(node, "nodes_nodeids"), strict=True))}
    leaf = modes == "LEAF"
    threshold = np.array(attribute(node, "nodes_values"), np.float32)
    strict = np.isin(modes, ["BRANCH_LT", "BRANCH_GTE"])
    threshold[strict] = np.nextafter(threshold[strict], np.float32(-np.inf))
    missing = np.array(attribute(node, "nodes_missing_value_tracks_true") or [0] * len(modes), np.bool_)
    sides = [
        [0 if ends else places[key] for ends, key in zip(leaf, zip(tree.tolist(), ids, strict=True), strict=True)]
        for ids in (attribute(node, "nodes_truenodeids"), attribute(node, "nodes_falsenodeids"))
    ]
    turned = np.isin(modes, ["BRANCH_GTE", "BRANCH_GT"])
    true, false = np.array(sides, np.int32)
    value = np.zeros(len(modes))
    leaves = zip(attribute(node, "target_treeids"), attribute(node, "target_nodeids"), strict=True)
    np.add.at(value, [places[key] for key in leaves], attribute(node, "target_weights"))
    children = {*true[~leaf].tolist(), *false[~leaf].tolist()}
    return TreeArrays(
        column=np.where(leaf, -1, attribute(node, "nodes_featureids")).astype(np.int32),
        threshold=threshold,
        missing=missing ^ turned,
        yes=np.where(turned, false, true).astype(np.int32),
        no=np.where(turned, true, false).astype(np.int32),
        value=value,
        roots=np.array([place for place in range(len(modes)) if place not in children], np.int32),
    )
