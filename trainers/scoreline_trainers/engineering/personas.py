"""Personas: clusters of customers with alike numbers, as a category of the graph."""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import Feature, FeatureName
from scoreline_trainers.data.batch import Float64, Int64, RowIndices
from scoreline_trainers.engineering.base import FitContext, FittedStep, GraphColumns, Transformer, numbers
from scoreline_trainers.errors import DataError
from scoreline_trainers.graph.scaling import Scaling, ScalingMethod
from scoreline_trainers.graph.tensor import Tensor, concat

_MOST_ROWS = 20_000
_STARTS = 10


class Personas(Transformer):
    """The cluster whose centre is nearest, as a category "1", "2", ..., the largest cluster first.

    Distances are Euclidean between scaled columns, a missing number counting as its median; so every row has a
    persona. ``kmeans`` finds ``count`` clusters (Lloyd's algorithm, 10 starts of k-means++). ``hdbscan`` finds how many
    there are, each of at least ``least_rows`` rows (Campello et al., 2013): a centre is then the mean of its rows, and
    rows that it calls noise go to the nearest centre. ``distances`` adds the distance to each centre. At most 20,000
    training rows, drawn evenly, are clustered.
    """

    kind: Literal["personas"]
    columns: tuple[FeatureName, ...] = Field(min_length=1)
    name: FeatureName = "persona"
    by: Literal["kmeans", "hdbscan"] = "kmeans"
    count: int = Field(default=5, ge=2, le=100)
    least_rows: int | None = Field(default=None, ge=2)
    scaling: ScalingMethod = "auto"
    distances: bool = False
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.least_rows is not None and self.by == "kmeans":
            raise ValueError("'least_rows' goes with 'by: hdbscan'")
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits the scales and the centres. Raises DataError where there are fewer distinct rows than clusters."""
        values = context.numbers(self.columns).astype(np.float32)
        scaling = Scaling.fit(values, self.scaling)
        centres = self._centres(scaling.apply(values[_evenly(len(values))]))
        labels = tuple(str(place + 1) for place in range(len(centres)))
        columns: tuple[Feature, ...] = (Feature(name=self.name, kind="category", vocabulary=labels),)
        if self.distances:
            columns += numbers([f"{self.name}_{label}_distance" for label in labels])

        def nodes(available: GraphColumns) -> Tensor:
            scaled = scaling.emit(available.numbers(self.columns).cast(np.float32))
            squares = [(scaled - centre) * (scaled - centre) for centre in centres]
            distances = concat([each.sum(keepdims=True) for each in squares])
            nearest = (-distances).argmax().cast().unsqueeze(1)
            return concat([nearest, distances.apply("Sqrt")]) if self.distances else nearest

        return FittedStep(columns, nodes)

    def _centres(self, scaled: Float64) -> Float64:
        """float64 [clusters, columns], that of the largest cluster first."""
        if len(np.unique(scaled, axis=0)) < self.count:
            raise DataError(self.columns[0], f"has too few distinct rows for {self.count} personas: lower 'count'")
        cluster = self._kmeans(scaled) if self.by == "kmeans" else self._hdbscan(scaled)
        centres = np.stack([scaled[cluster == place].mean(axis=0) for place in range(cluster.max() + 1)])
        return centres[np.argsort(-np.bincount(cluster[cluster >= 0]), kind="stable")]

    def _kmeans(self, scaled: Float64) -> Int64:
        """int64 [M], the cluster of each row."""
        from sklearn.cluster import KMeans

        found = KMeans(self.count, n_init=_STARTS, random_state=self.seed).fit(scaled).labels_
        return np.asarray(found, np.int64)

    def _hdbscan(self, scaled: Float64) -> Int64:
        """int64 [M], the cluster of each row, -1 where it is noise."""
        from sklearn.cluster import HDBSCAN

        least = self.least_rows or max(5, len(scaled) // 100)
        found = np.asarray(HDBSCAN(min_cluster_size=least, copy=True).fit(scaled).labels_, np.int64)
        if found.max() < 1:
            raise DataError(self.columns[0], "forms no clusters with the other columns: use 'by: kmeans'")
        return found


def _evenly(rows: int) -> RowIndices:
    """Ascending row numbers, at most 20,000 of them."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _MOST_ROWS)).astype(np.intp))
