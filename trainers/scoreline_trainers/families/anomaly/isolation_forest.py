"""An isolation forest by scikit-learn: anomalies are rows that few random cuts separate from the others.

The score is the anomaly score of Liu, Ting and Zhou, Isolation Forest (ICDM 2008), section 3: ``2^(-E[h(x)] / c(n))``
with h the depth of the row's leaf plus c(rows that ended there), n the rows that each tree was grown on and c the mean
depth of an unsuccessful search in a binary tree. It is near 1 for anomalies and well below 0.5 for the usual.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
from pydantic import Field
from sklearn.ensemble import IsolationForest as Forest

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64, Int64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.trees.forests import forest_tree
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.families.trees.trees import FittedTrees, Tree, emit_trees
from scoreline_trainers.family import LibraryConfig, features_only
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.progress import Progress

ANOMALY_SCORE = "anomaly_score"


class IsolationForestConfig(LibraryConfig):
    """Options of the family; names and defaults of scikit-learn unless said otherwise.

    The label is not learned from, and need not be there; it tells the metrics how well anomalies meet it. A missing
    number goes a way that each split drew at random, a category becomes one 0/1 column for each of its names, "other"
    and missing.

    Attributes:
        n_estimators: number of trees; more give a steadier score.
        max_samples: rows that each tree is grown on; all if there are fewer.
        max_features: share of the columns that each tree is given.
        threads: -1 uses every core. The model does not depend on it.
    """

    n_estimators: int = Field(default=200, ge=1)
    max_samples: int = Field(default=256, ge=2, le=4096)
    max_features: float = Field(default=1.0, gt=0, le=1)
    threads: int = Field(default=1, ge=-1)

    aliases: ClassVar[Mapping[str, str]] = {"n_jobs": "threads"}


@dataclass(frozen=True, slots=True, eq=False)
class FittedIsolationForest(FittedTrees):
    """A forest over the matrix that ``columns`` makes."""

    inputs: InputContract
    columns: TreeColumns
    forest: Forest

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], 0 to 1."""
        return -np.asarray(self.forest.score_samples(self.columns.apply(batch.table)), np.float64)

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The score again, by the name under which other families give theirs."""
        return {ANOMALY_SCORE: self.predict(batch)}

    def to_onnx(self) -> onnx.ModelProto:
        """One operator for the normalised depth, then the power."""
        graph = GraphBuilder(self.inputs)
        depth = emit_trees(graph, self.trees(), self.inputs)
        score = depth.like(2).apply("Pow", -depth).squeeze(1).name
        return graph.build(score, extras={ANOMALY_SCORE: Extra(score)})

    def trees(self) -> Sequence[Tree]:
        """The trees, whose leaves add up to the normalised depth."""
        members = list(zip(self.forest.estimators_, self.forest.estimators_features_, strict=True))
        whole = len(members) * _search_depth(np.array([self.forest.max_samples_], np.int64))[0]
        return [
            forest_tree(member.tree_, _leaf_depth(member.tree_) / whole, self.columns, used=used)
            for member, used in members
        ]

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, and the rows that each was grown on."""
        return {"trees": len(self.forest.estimators_), "rows a tree": int(self.forest.max_samples_)}


class IsolationForest(BuiltIn):
    """The model family ``isolation_forest``."""

    name = "isolation_forest"
    config_type = IsolationForestConfig
    libraries = ("scikit-learn",)

    def fit(
        self, data: Dataset, config: IsolationForestConfig, *, seed: int, progress: Progress
    ) -> FittedIsolationForest:
        """Grows every tree on rows drawn without their labels."""
        features = features_only(data, family=self.name)
        if len(data) < 2:
            raise FitError(self.name, "needs at least two rows to tell apart")
        if data.weight is not None:
            raise FitError(self.name, "counts all rows alike: remove 'weight' and 'class_weight'")
        columns = TreeColumns.of(data.inputs.features, family=self.name)
        progress.begin("grow trees")
        forest = Forest(
            n_estimators=config.n_estimators,
            max_samples=min(config.max_samples, len(data)),
            max_features=config.max_features,
            n_jobs=config.threads,
            random_state=seed,
        )
        forest.fit(columns.apply(features))
        forest.n_jobs = 1
        return FittedIsolationForest(data.inputs, columns, forest)


def _leaf_depth(tree: object) -> Float64:
    """float64 [nodes]: edges from the root, plus the search depth among the training rows that ended in the node."""
    left, right, rows = (getattr(tree, name) for name in ("children_left", "children_right", "n_node_samples"))
    depth = np.zeros(len(left))
    # A child always comes after its parent.
    for node in np.flatnonzero(left != -1):
        depth[[left[node], right[node]]] = depth[node] + 1
    return depth + _search_depth(rows)


def _search_depth(rows: Int64) -> Float64:
    """c(n) of the paper: 2 H(n - 1) - 2 (n - 1) / n, H by its asymptote, 0 for one row and 1 for two."""
    n = np.maximum(rows, 3).astype(np.float64)
    depth = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, depth))
