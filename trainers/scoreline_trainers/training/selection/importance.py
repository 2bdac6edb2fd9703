"""Permutation importance of features (Breiman, Random Forests, Machine Learning 45, 2001), and sets of features."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError
from scoreline_trainers.family import Fitted
from scoreline_trainers.training.validation.inner import is_maximised, measured

SHUFFLES = 3
"""How often each feature is shuffled."""


def permutation_importance(fitted: Fitted, rows: Dataset, metric: str, *, family: str, seed: int) -> Float64:
    """float64 [F]: how much worse the metric is on rows in which a feature is shuffled, mean of SHUFFLES times.

    The rows are those that the model has not learned from; a feature that the model does not use has 0.
    """
    table, random = rows.batch.table, np.random.default_rng(seed)
    known = measured(fitted, rows, metric, family=family)
    orders = [random.permutation(len(rows)) for _ in range(SHUFFLES)]
    importance = np.empty(table.shape[1])
    for column in range(table.shape[1]):
        found = []
        for order in orders:
            shuffled = table.copy()
            shuffled[:, column] = table[order, column]
            moved = replace(rows, batch=replace(rows.batch, features=shuffled))
            found.append(measured(fitted, moved, metric, family=family))
        importance[column] = known - np.mean(found)
    return importance if is_maximised(metric) else -importance


def with_features(rows: Dataset, names: Iterable[str]) -> Dataset:
    """The same rows with the named features alone, in the order of the contract."""
    kept = set(names)
    places = [place for place, feature in enumerate(rows.inputs.features) if feature.name in kept]
    inputs = rows.inputs.model_copy(update={"features": tuple(rows.inputs.features[place] for place in places)})
    features = rows.batch.table[:, places] if places else None
    return replace(rows, inputs=inputs, batch=replace(rows.batch, features=features))


def check_selectable(rows: Dataset) -> None:
    """Raises DataError where there are no features to select from."""
    if not rows.inputs.features:
        raise DataError("", "there are no features to select from: 'select' chooses among 'features'")
