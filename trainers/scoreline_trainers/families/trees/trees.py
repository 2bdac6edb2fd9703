"""Decision trees of any library as one ONNX operator that takes every row the same way.

A library's trees are written down as ``Branch``es that all ask ``x <= threshold`` of a float32, because ONNX Runtime is
fastest where every node compares alike, and because each of the libraries' own tests can be said so exactly:

- ``x <= t`` with a double t: the largest float32 that is not above t (``floored``). Rounded to the nearest, rows that
  lie exactly on a threshold go the wrong way.
- ``x < t`` with a float32 t: the float32 right below t (``below``).
- a category in a set: each distinct set becomes one 0/1 column, gathered from a table by the row's code; trees then
  stay as small as the library's own.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Float32
from scoreline_trainers.data.features import category_columns
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import ML_DOMAIN, GraphBuilder
from scoreline_trainers.graph.preprocessing import emit_category_slots
from scoreline_trainers.graph.tensor import Tensor, concat, graph_input

# A feature column, and the slots of its categories (see ``category_slots``) that are in the set.
CategorySet = tuple[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Branch:
    """An inner node.

    Attributes:
        test: a feature column, whose value is compared, or a set of categories.
        threshold: a float32; of a set, anything.
        yes: place in its tree of the node for ``x <= threshold``, or for a category in the set.
        no: place of the node for all other rows.
        missing: whether NaN goes to ``yes``; a set says for itself whether it holds the missing category.
    """

    test: int | CategorySet
    threshold: float
    yes: int
    no: int
    missing: bool = False


# Branches and leaf values, the root first.
Tree = Sequence[Branch | float]


def emit_trees(graph: GraphBuilder, trees: Sequence[Tree], inputs: InputContract, *, base: float = 0.0) -> Tensor:
    """The sum of one leaf of each tree, plus ``base``: float32 [N, 1].

    Args:
        graph: what takes the nodes; its input ``features`` is read.
        trees: at least one.
        inputs: the contract whose columns the branches name.
        base: what is added to every row's sum.
    """
    sets = _ordered_sets(trees)
    columns = {test: len(inputs.features) + index for index, test in enumerate(sets)}
    nodes = [_row(index, place, node, columns) for index, tree in enumerate(trees) for place, node in enumerate(tree)]
    leaves = [(row[0], row[1], row[-1]) for row in nodes if row[3] == "LEAF"]
    tree, node, column, mode, value, true, false, missing, _ = zip(*nodes, strict=True)
    leaf_tree, leaf, weight = zip(*leaves, strict=True)
    return _emit_membership(graph, sets, inputs).apply(
        "TreeEnsembleRegressor",
        domain=ML_DOMAIN,
        nodes_treeids=tree,
        nodes_nodeids=node,
        nodes_featureids=column,
        nodes_modes=mode,
        nodes_values=value,
        nodes_truenodeids=true,
        nodes_falsenodeids=false,
        nodes_missing_value_tracks_true=missing,
        target_treeids=leaf_tree,
        target_nodeids=leaf,
        target_ids=[0] * len(leaves),
        target_weights=weight,
        n_targets=1,
        base_values=[base],
    )


class FittedTrees(Fitted):
    """A model whose score may jump at the thresholds of its trees. Subclasses give them."""

    @abstractmethod
    def trees(self) -> Sequence[Tree]:
        """Its trees, whose leaves are summed for the score."""

    def edges(self) -> Mapping[int, Float32]:
        """Both sides of every threshold."""
        return tree_edges(self.trees())


def tree_edges(trees: Iterable[Tree]) -> Mapping[int, Float32]:
    """Feature column -> ascending finite float32 values on both sides of every threshold."""
    found: dict[int, set[float]] = {}
    for node in _branches(trees):
        if isinstance(node.test, int):
            sides = (node.threshold, float(_next(np.float32(node.threshold), np.inf)))
            found.setdefault(node.test, set()).update(side for side in sides if np.isfinite(side))
    return {column: np.array(sorted(values), np.float32) for column, values in found.items()}


def floored(threshold: float) -> float:
    """The f for which ``x <= f`` holds for exactly those float32 x with ``x <= threshold``, a double."""
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return float(_next(nearest, -np.inf) if float(nearest) > threshold else nearest)


def below(threshold: float) -> float:
    """The f for which ``x <= f`` holds for exactly those float32 x with ``x < threshold``, a float32."""
    return float(_next(np.float32(threshold), -np.inf))


def _next(value: np.float32, towards: float) -> np.float32:
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(np.nextafter(value, np.float32(towards)))


_Row = tuple[int, int, int, str, float, int, int, int, float]


def _row(tree: int, place: int, node: Branch | float, columns: Mapping[CategorySet, int]) -> _Row:
    """Tree, node, column, mode, threshold, ids of true and false, 1 where NaN is true, and a leaf's value."""
    if not isinstance(node, Branch):
        return tree, place, 0, "LEAF", 0.0, 0, 0, 0, float(node)
    if isinstance(node.test, int):
        return tree, place, node.test, "BRANCH_LEQ", node.threshold, node.yes, node.no, int(node.missing), 0.0
    return tree, place, columns[node.test], "BRANCH_LEQ", 0.5, node.no, node.yes, 0, 0.0


def _emit_membership(graph: GraphBuilder, sets: Sequence[CategorySet], inputs: InputContract) -> Tensor:
    """[N, F] -> [N, F + len(sets)]: behind the features, 1 where the row's category is in the set."""
    features = graph_input(graph, "features")
    if not sets:
        return features
    split_on = {column for column, _ in sets}
    used = [column for column in category_columns(inputs.features) if column in split_on]
    sizes = [len(inputs.features[column].vocabulary) for column in used]
    slots = emit_category_slots(features.columns(used), sizes)
    parts = [features]
    for index, (column, size) in enumerate(zip(used, sizes, strict=True)):
        table = _membership_table([slots for its, slots in sets if its == column], size)
        parts.append(features.like(table).gather(slots.gather(index, axis=1)))
    return concat(parts)


def _membership_table(sets: Sequence[frozenset[int]], size: int) -> Float32:
    """float32 [size + 2, len(sets)]: row = a category's slot."""
    table = np.zeros((size + 2, len(sets)), np.float32)
    for index, slots in enumerate(sets):
        table[list(slots), index] = 1
    return table


def _ordered_sets(trees: Iterable[Tree]) -> list[CategorySet]:
    """Every distinct set that some tree splits on, grouped by ascending feature column."""
    found = {node.test for node in _branches(trees) if not isinstance(node.test, int)}
    return sorted(found, key=lambda test: (test[0], sorted(test[1])))


def _branches(trees: Iterable[Tree]) -> Iterator[Branch]:
    return (node for node in chain.from_iterable(trees) if isinstance(node, Branch))
