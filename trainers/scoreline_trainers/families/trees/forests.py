"""Trees of scikit-learn's forests as branches.

scikit-learn compares a float32 with a double threshold by ``x <= t``, which is ``x <= `` t rounded down to a float32,
see ``trees``; an infinite threshold parts the missing from all others. NaN goes where the node's ``missing_go_to_left``
says, also in columns that were never missing in training.

Source: ``_apply_dense`` in scikit-learn's sklearn/tree/_tree.pyx.
"""

from collections.abc import Sequence
from typing import Any

from scoreline_trainers.data.batch import Float64, RowIndices
from scoreline_trainers.families.trees.tree_columns import TreeColumns, branch
from scoreline_trainers.families.trees.trees import Branch, Tree, floored


def forest_tree(tree: Any, leaves: Float64, columns: TreeColumns, *, used: RowIndices | None = None) -> Tree:
    """One tree, its nodes in scikit-learn's order.

    Args:
        tree: an estimator's ``tree_``.
        leaves: float64 [nodes], each node's value, of which only the leaves' count.
        columns: the matrix of the forest.
        used: the columns of the matrix that this tree was given, in its order; by default all.
    """
    origins = columns.origins
    places: Sequence[int] = range(columns.width) if used is None else used.tolist()
    lists = (tree.children_left, tree.children_right, tree.feature, tree.threshold, tree.missing_go_to_left, leaves)
    nodes: list[Branch | float] = []
    for left, right, column, threshold, missing_left, leaf in zip(*(each.tolist() for each in lists), strict=True):
        if left == -1:
            nodes.append(leaf)
            continue
        origin = origins[places[column]]
        nodes.append(branch(origin, floored(threshold), low=left, high=right, missing_low=bool(missing_left)))
    return nodes
