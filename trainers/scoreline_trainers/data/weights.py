"""Weights of training rows by their class: the one place where the recipe's ``class_weight`` becomes row weights."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import ClassWeight, Columns, Positive
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all

_OTHERS, _POSITIVE = "0", "1"


def weighted(data: Dataset, columns: Columns) -> Dataset:
    """Training rows whose weights are multiplied by those of their classes, where the recipe gives any.

    Raises:
        DataError: a weight is given for a class that there is not.
    """
    if columns.class_weight is None:
        return data
    return replace(data, weight=class_weights(data, columns.class_weight, positive=columns.positive))


def class_weights(data: Dataset, given: ClassWeight, *, positive: Positive | None = None) -> Float64:
    """float64 [N]: the weight of each row times that of its class. Raises DataError for an unknown class."""
    if isinstance(given, str):
        return balanced(data)
    names = data.classes or (_OTHERS, _POSITIVE)
    by_name = _by_class(given, names, positive=None if data.classes else positive)
    weight: Float64 = row_weight(data) * np.array([by_name.get(name, 1.0) for name in names])[data.label]
    return weight


def balanced(data: Dataset) -> Float64:
    """float64 [N]: the weight of each row, scaled so that all classes have equal totals and the whole keeps its own."""
    weight = row_weight(data)
    totals = np.bincount(data.label, weights=weight)
    factors = totals.sum() / (np.count_nonzero(totals) * np.where(totals > 0, totals, 1))
    scaled: Float64 = weight * factors[data.label]
    return scaled


def row_weight(data: Dataset) -> Float64:
    """float64 [N]: the weight of each row, 1 where all count alike."""
    return np.ones(len(data)) if data.weight is None else data.weight


def _by_class(given: Mapping[str, float], names: tuple[str, ...], *, positive: Positive | None) -> Mapping[str, float]:
    """The weights by the name of the class.

    Of a label of two values, ``positive`` is 1, and beside it the one other value may be named too.
    """
    by_name = {(_POSITIVE if positive is not None and name == str(positive) else name): w for name, w in given.items()}
    unknown = [name for name in by_name if name not in names]
    if positive is not None and len(unknown) == 1 and by_name.keys() == {_POSITIVE, *unknown}:
        return {_POSITIVE: by_name[_POSITIVE], _OTHERS: by_name[unknown[0]]}
    if unknown:
        raise DataError("", f"class_weight names {unknown[0]!r}, no class; {nearest_or_all(unknown[0], names)}")
    return by_name
