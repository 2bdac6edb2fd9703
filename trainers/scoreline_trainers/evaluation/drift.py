"""How far new rows and scores are from a version's baseline: the population stability index of each input.

The index of equal distributions is not 0 but grows as rows get fewer, so each has the threshold that chance alone
passes with probability ALPHA for the whole table, see ``scoreline_registry.statistics.scores.distances.psi``.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.contract import Feature
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.scores.distances import Counts, bin_counts, psi
from scoreline_trainers.data.batch import Float32
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.baseline import Baseline, CategoryBaseline, NumberBaseline

ALPHA = 0.05
"""The chance that any input of a table that has not changed is above its threshold."""

MAX_NAMES = 20
"""Names of a category that are counted one by one; rarer ones are one bin."""

ROUNDING = 1e-6
"""Scores of the graph and of the native model differ by less, relative to 1 or to the score."""

ShiftKind = Literal["score", "feature", "step", "neighbor"]


class Shift(FrozenModel):
    """The stability of one input, or of the score.

    Attributes:
        psi: population stability index of the new rows against the baseline; None where there are too few rows.
        threshold: the index that chance alone passes with probability ALPHA in a whole table.
        rows: new values that were counted.
        missing_before, missing: share of missing values in the baseline and now.
    """

    name: str
    kind: ShiftKind
    psi: float | None
    threshold: float | None
    rows: int
    missing_before: float = 0.0
    missing: float = 0.0

    def exceeds(self, limit: float) -> bool:
        """Whether the index is above both ``limit`` and what chance explains."""
        return self.psi is not None and self.threshold is not None and self.psi > max(limit, self.threshold)


def shifts(baseline: Baseline, rows: Dataset, score: Float32) -> tuple[Shift, ...]:
    """The shift of the score and of each input of new rows, the largest first.

    Args:
        baseline: of the version.
        rows: encoded by the version's contract.
        score: float32 [N], of the version's graph.
    """
    counted = [*_features(baseline, rows), *_ragged(baseline, rows), _score(baseline, score)]
    alpha = ALPHA / len(counted)
    found = [_shift(name, kind, before, now, alpha) for name, kind, before, now in counted]
    return tuple(sorted(found, key=lambda shift: -(shift.psi or 0)))


Counted = tuple[str, ShiftKind, Counts, Counts]


def _shift(name: str, kind: ShiftKind, before: Counts, now: Counts, alpha: float) -> Shift:
    """Both counts hold the missing values last."""
    found = psi(before, now, alpha=alpha)
    missing = [float(counts[-1] / max(counts.sum(), 1)) for counts in (before, now)]
    return Shift(
        name=name,
        kind=kind,
        psi=None if isinstance(found, TooFew) else found.value,
        threshold=None if isinstance(found, TooFew) else found.threshold,
        rows=int(now.sum()),
        missing_before=missing[0],
        missing=missing[1],
    )


def _features(baseline: Baseline, rows: Dataset) -> Iterator[Counted]:
    for place, feature in enumerate(rows.inputs.features):
        values = rows.batch.table[:, place]
        if feature.name in baseline.numbers:
            yield feature.name, "feature", *_numbers(baseline.numbers[feature.name], values)
        elif feature.name in baseline.categories:
            yield feature.name, "feature", *_categories(baseline.categories[feature.name], values, feature)


def _ragged(baseline: Baseline, rows: Dataset) -> Iterator[Counted]:
    """The values of steps and neighbors."""
    known: dict[str, tuple[ShiftKind, dict[str, NumberBaseline]]] = {
        SEQUENCE.name: ("step", baseline.steps),
        NEIGHBORS.name: ("neighbor", baseline.neighbors),
    }
    for ragged in rows.inputs.ragged:
        kind, counts = known[ragged.kind.name]
        items, present = rows.batch.items(ragged.kind)
        for place, name in enumerate(ragged.features):
            if name in counts:
                yield name, kind, *_numbers(counts[name], items[present][:, place])


def _score(baseline: Baseline, score: Float32) -> Counted:
    """Edges are moved up by what a graph's float32 may differ from the native score that they were taken from."""
    edges = np.array(baseline.score.edges, np.float64)
    raised = baseline.score.model_copy(update={"edges": tuple(edges + ROUNDING * np.maximum(1, np.abs(edges)))})
    return "score", "score", *_numbers(raised, score)


def _numbers(before: NumberBaseline, values: npt.NDArray[np.floating]) -> tuple[Counts, Counts]:
    counts = np.array([*before.counts, before.missing], np.int64)
    return counts, bin_counts(values.astype(np.float64), np.array(before.edges, np.float64))


def _categories(before: CategoryBaseline, codes: Float32, feature: Feature) -> tuple[Counts, Counts]:
    """Bins of the names that were most frequent, of all others, and of missing values."""
    names = feature.vocabulary
    now = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(names) + 1)
    then = np.array([*(before.counts.get(name, 0) for name in names), before.other], np.int64)
    own = np.argsort(-then[:-1], kind="stable")[:MAX_NAMES]
    counted = [
        np.array([*counts[own], counts.sum() - counts[own].sum(), missing], np.int64)
        for counts, missing in ((then, before.missing), (now, int(np.isnan(codes).sum())))
    ]
    return counted[0], counted[1]
