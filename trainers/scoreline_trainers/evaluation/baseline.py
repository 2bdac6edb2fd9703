"""Counts of a version's inputs and scores at training time: the reference for measuring drift.

Numbers are counted between their own deciles, so that a population stability index needs nothing but these counts and
the live ones. ``edges`` ascend; bin i holds ``edges[i - 1] < x <= edges[i]`` and there is one bin more than edges.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from scoreline_registry.documents.contract import Feature
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_trainers.data.batch import Float32, Float64
from scoreline_trainers.data.dataset import Dataset

BASELINE_SCHEMA = 1

_QUANTILES = np.arange(1, 10) / 10


class _Baseline(BaseModel):
    """The base of a baseline's values."""

    model_config = ConfigDict(frozen=True)


class NumberBaseline(_Baseline):
    """Counts of one number; ``missing`` rows are in no bin."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int


class CategoryBaseline(_Baseline):
    """Counts of one category; ``other`` are names that the vocabulary does not have."""

    counts: dict[str, int]
    other: int
    missing: int


class Baseline(_Baseline):
    """The training rows by feature, steps and neighbors by theirs, and the scores of the validation rows."""

    schema_number: int = BASELINE_SCHEMA
    rows: int
    numbers: dict[str, NumberBaseline]
    categories: dict[str, CategoryBaseline]
    steps: dict[str, NumberBaseline] = {}
    lengths: NumberBaseline | None = None
    neighbors: dict[str, NumberBaseline] = {}
    neighbor_counts: NumberBaseline | None = None
    score: NumberBaseline


def baseline(training: Dataset, validation_scores: Float64) -> Baseline:
    """Counts ``training`` as encoded and ``validation_scores`` float64 [M], of rows that it was not trained on."""
    columns = list(zip(training.inputs.features, _columns(training.features), strict=True))
    return Baseline(
        rows=len(training),
        numbers={feature.name: count_number(values) for feature, values in columns if feature.kind == "number"},
        categories={
            feature.name: count_category(values, feature) for feature, values in columns if feature.kind == "category"
        },
        score=count_number(validation_scores),
        **_items(training),
    )


def count_number(values: npt.NDArray[np.floating]) -> NumberBaseline:
    """Counts [N] values between their deciles; equal deciles become one edge."""
    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, _QUANTILES, method="inverted_cdf")) if len(known) else np.empty(0)
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    return NumberBaseline(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()), missing=len(values) - len(known))


def count_category(codes: Float32, feature: Feature) -> CategoryBaseline:
    """Counts [N] codes of one category."""
    known = codes[~np.isnan(codes)].astype(np.int64)
    counts = np.bincount(known, minlength=len(feature.vocabulary) + 1).tolist()
    by_name = dict(zip(feature.vocabulary, counts, strict=False))
    return CategoryBaseline(counts=by_name, other=counts[-1], missing=len(codes) - len(known))


def _columns(features: Float32 | None) -> list[Float32]:
    return [] if features is None else list(features.T)


_FIELDS = {SEQUENCE: ("steps", "lengths"), NEIGHBORS: ("neighbors", "neighbor_counts")}


def _items(training: Dataset) -> dict[str, Any]:
    """The fields of ragged inputs: the values of items that are there, and how many each row has."""
    fields: dict[str, Any] = {}
    for ragged in training.inputs.ragged:
        if ragged.kind in training.batch.kinds:
            items, present = training.batch.items(ragged.kind)
            values, counts = _FIELDS[ragged.kind]
            fields[values] = {name: count_number(items[present][:, at]) for at, name in enumerate(ragged.features)}
            fields[counts] = count_number(present.sum(axis=1).astype(np.float32))
    return fields
