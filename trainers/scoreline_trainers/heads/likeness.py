"""Segments described by meta-features, and how alike they are.

A segment is a task of its own; meta-features say what a model of it has to deal with (Vilalta and Drissi, A Perspective
View and Survey of Meta-Learning, Artificial Intelligence Review 18, 2002).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Bools, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.features import category_columns
from scoreline_trainers.graph.scaling import Scaling
from scoreline_trainers.heads.segments import Segments

_LEAST_ROWS = 2


@dataclass(frozen=True, slots=True, eq=False)
class MetaFeatures:
    """K segments by P meta-features, all on a scale of about 1.

    Of the label: its mean, in deviations of all rows. Of each number (scaled over all rows): mean, logarithm of the
    deviation, share of gaps, and correlation with the label. Of each category but the segment: share of each name.

    Attributes:
        segments: K names.
        rows: of each segment.
        names: P.
        values: float64 [K, P].
    """

    segments: tuple[str, ...]
    rows: tuple[int, ...]
    names: tuple[str, ...]
    values: Float64

    def likeness(self) -> Float64:
        """float64 [K, K], 0 to 1: exp(-d), d the root mean square of the differences of two segments' meta-features."""
        apart = self.values[:, None] - self.values[None]
        return np.asarray(np.exp(-np.sqrt((apart**2).mean(axis=2))), np.float64)

    def nearest(self, segment: str) -> tuple[tuple[str, float], ...]:
        """The other segments and their likeness to one, most alike first."""
        place = self.segments.index(segment)
        found = self.likeness()[place]
        order = [index for index in np.argsort(-found, kind="stable") if index != place]
        return tuple((self.segments[index], float(found[index])) for index in order)


def meta_features(data: Dataset, segments: Segments) -> MetaFeatures:
    """Describes each segment that has two rows at least, by training rows."""
    place = segments.places(data.batch.table)
    taken = [index for index in range(segments.fallback) if np.count_nonzero(place == index) >= _LEAST_ROWS]
    columns = _columns(data, segments)
    described = [_described(columns, data.target, place == index) for index in taken]
    names = tuple(name for name, _ in described[0]) if described else ()
    return MetaFeatures(
        tuple(segments.names[index] for index in taken),
        tuple(int(np.count_nonzero(place == index)) for index in taken),
        names,
        np.array([[value for _, value in each] for each in described], np.float64).reshape(len(taken), len(names)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """One number, scaled, with its gaps; or the 0/1 column of one name of a category."""

    name: str
    values: Float64
    gaps: Float64 | None = None


def _columns(data: Dataset, segments: Segments) -> Sequence[_Column]:
    table, features = data.batch.table, data.inputs.features
    categories = category_columns(features)
    numbers = [index for index in range(len(features)) if index not in categories]
    scaled = Scaling.fit(table[:, numbers], "auto").apply(table[:, numbers]) if numbers else np.empty((len(table), 0))
    found = [
        _Column(features[index].name, scaled[:, place], np.isnan(table[:, index]).astype(np.float64))
        for place, index in enumerate(numbers)
    ]
    for index in categories:
        if index != segments.column:
            found += [
                _Column(f"{features[index].name} = {name}", (table[:, index] == code).astype(np.float64))
                for code, name in enumerate(features[index].vocabulary)
            ]
    return found


def _described(columns: Sequence[_Column], target: Float64, inside: Bools) -> list[tuple[str, float]]:
    spread = float(target.std()) or 1.0
    label = target[inside]
    found = [("label", float(label.mean() - target.mean()) / spread)]
    for column in columns:
        values = column.values[inside]
        if column.gaps is None:
            found.append((column.name, float(values.mean())))
            continue
        found.append((f"{column.name}: mean", float(values.mean())))
        found.append((f"{column.name}: log deviation", float(np.log(max(float(values.std()), 1e-3)))))
        found.append((f"{column.name}: gaps", float(column.gaps[inside].mean())))
        found.append((f"{column.name}: correlation with the label", _correlation(values, label)))
    return found


def _correlation(values: Float64, label: Float64) -> float:
    """Pearson's, 0 where one of them is constant."""
    if not np.ptp(values) or not np.ptp(label):
        return 0.0
    return float(np.corrcoef(values, label)[0, 1])
