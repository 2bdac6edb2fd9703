"""A random forest by scikit-learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
from pydantic import Field
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.weights import balanced
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.trees.forests import forest_tree
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.families.trees.trees import FittedTrees, Tree, emit_trees
from scoreline_trainers.family import LibraryConfig, features_only
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Range, Space

MAX_LEAVES = 250_000


class RandomForestConfig(LibraryConfig):
    """Options of the family; names of scikit-learn.

    A missing number goes the way that each split learned for it, and in columns that were never missing in training
    with the larger part. A category becomes one 0/1 column for each of its names, one for "other" and one for missing.

    Attributes:
        max_leaf_nodes: largest number of leaves of a tree; null shares 250,000 leaves among all trees, some 20 MB of
            graph, which is no limit below some ten thousand rows.
        min_samples_leaf: fewest rows in a leaf.
        max_features: share of the columns that each split may choose from; null takes the square root of their number,
            for amounts a third of them.
        balanced: gives both labels the same total weight; the score is then no longer a probability of the population.
        threads: -1 uses every core. The model does not depend on it.
    """

    n_estimators: int = Field(default=200, ge=1)
    max_leaf_nodes: int | None = Field(default=None, ge=2)
    min_samples_leaf: int = Field(default=5, ge=1)
    max_features: float | None = Field(default=None, gt=0, le=1)
    balanced: bool = False
    threads: int = Field(default=1, ge=-1)

    space: ClassVar[Space] = {
        "min_samples_leaf": Range(low=1, high=50, log=True),
        "max_features": Range(low=0.1, high=1.0),
    }
    aliases: ClassVar[Mapping[str, str]] = {"n_jobs": "threads"}

    @property
    def leaves(self) -> int:
        """The largest number of leaves of a tree."""
        return self.max_leaf_nodes or max(2, MAX_LEAVES // self.n_estimators)


@dataclass(frozen=True, slots=True, eq=False)
class FittedRandomForest(FittedTrees):
    """A forest over the matrix that ``columns`` makes."""

    inputs: InputContract
    columns: TreeColumns
    forest: RandomForestClassifier | RandomForestRegressor

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], the mean of the trees' shares of label 1, or of their amounts."""
        matrix = self.columns.apply(batch.table)
        if isinstance(self.forest, RandomForestRegressor):
            return np.asarray(self.forest.predict(matrix), np.float64)
        return np.asarray(self.forest.predict_proba(matrix), np.float64)[:, 1]

    def to_onnx(self) -> onnx.ModelProto:
        """The sum of every tree's share or amount, each divided by their number."""
        graph = GraphBuilder(self.inputs)
        score = emit_trees(graph, self.trees(), self.inputs)
        if isinstance(self.forest, RandomForestClassifier):
            # A sum of rounded leaves may pass 1 by a bit.
            score = score.clip(0, 1)
        return graph.build(score.squeeze(1).name)

    def trees(self) -> Sequence[Tree]:
        """The trees, whose leaves add up to the score."""
        trees = [estimator.tree_ for estimator in self.forest.estimators_]
        return [forest_tree(tree, _leaf_values(tree.value[:, 0]) / len(trees), self.columns) for tree in trees]

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, leaves, and the five columns that reduce impurity most."""
        importance = self.forest.feature_importances_
        names = self.columns.names(self.inputs.features)
        top = ", ".join(names[column] for column in np.argsort(-importance, kind="stable")[:5])
        leaves = sum(int(estimator.tree_.n_leaves) for estimator in self.forest.estimators_)
        return {"trees": len(self.forest.estimators_), "leaves": leaves, "matter most": top}


class RandomForest(BuiltIn):
    """The model family ``random_forest``."""

    name = "random_forest"
    config_type = RandomForestConfig
    libraries = ("scikit-learn",)

    def fit(self, data: Dataset, config: RandomForestConfig, *, seed: int, progress: Progress) -> FittedRandomForest:
        """Grows every tree on its own bootstrap sample."""
        features = features_only(data, family=self.name)
        columns = TreeColumns.of(data.inputs.features, family=self.name)
        progress.begin("grow trees")
        kind, share = (RandomForestClassifier, "sqrt") if data.amount is None else (RandomForestRegressor, 1 / 3)
        forest = kind(
            n_estimators=config.n_estimators,
            max_leaf_nodes=config.leaves,
            min_samples_leaf=config.min_samples_leaf,
            max_features=config.max_features or share,
            n_jobs=config.threads,
            random_state=seed,
        )
        weight = balanced(data) if config.balanced and data.amount is None else data.weight
        forest.fit(columns.apply(features), data.label if data.amount is None else data.amount, sample_weight=weight)
        forest.n_jobs = 1
        return FittedRandomForest(data.inputs, columns, forest)


def _leaf_values(values: Float64) -> Float64:
    """[nodes, 2] -> [nodes]: the share of label 1; [nodes, 1] -> [nodes]: the amount."""
    found: Float64 = values[:, 0] if values.shape[1] == 1 else values[:, 1] / values.sum(axis=1)
    return found
