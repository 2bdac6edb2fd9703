"""Rows in descending order of score: counts of positives and negatives down to each distinct score."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scoreline_registry.statistics.scores.calibration import BINS
from scoreline_registry.statistics.scores.ranking import Label
from scoreline_trainers.data.batch import Float64, RowIndices


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """K distinct scores, descending, with the rows at or above each.

    Attributes:
        score: float64 [K].
        positives, negatives: float64 [K], rows of each label at or above the score.
    """

    score: Float64
    positives: Float64
    negatives: Float64

    @classmethod
    def of(cls, label: Label, score: Float64) -> "Ranked":
        """Of label [N] and score [N], N at least 1."""
        order, ends = _descending(score)
        caught = np.cumsum(label[order], dtype=np.float64)[ends]
        return cls(score[order][ends], caught, ends + 1.0 - caught)

    @property
    def totals(self) -> tuple[float, float]:
        """Positives and negatives of all rows."""
        return float(self.positives[-1]), float(self.negatives[-1])

    @property
    def f1(self) -> Float64:
        """float64 [K]: F1 where rows at or above each score are selected: 2 TP / (P + selected)."""
        total: Float64 = self.positives[-1] + self.positives + self.negatives
        return 2 * self.positives / total

    @property
    def best_f1(self) -> int:
        """The place of the highest F1, the highest score among equals."""
        return int(np.argmax(self.f1))


class RankedDraws:
    """Figures of draws of N rows: called with counts [B, N] in ``order``, it gives each figure [B].

    Attributes:
        order: the rows by descending score. Counts come in this order, which spares sorting every draw.
    """

    def __init__(self, label: Label, score: Float64, losses: Mapping[str, Float64]) -> None:
        self.order, self._ends = _descending(score)
        self._label = label[self.order].astype(np.float64)
        self._gap = (score - label)[self.order]
        self._losses = {name: values[self.order] for name, values in losses.items()}

    def __call__(self, counts: Float64) -> dict[str, Float64]:
        """The figures [B] of each draw."""
        rows = counts.sum(axis=1)
        found = {name: counts @ losses / rows for name, losses in self._losses.items()}
        for bins in (BINS, 2 * BINS):
            found[f"ece_{bins}_equal_mass"] = self._calibration_error(counts, bins) / rows
        with np.errstate(invalid="ignore", divide="ignore"):
            return found | self._ranking(counts)

    def _calibration_error(self, counts: Float64, bins: int) -> Float64:
        """Over the bins of all rows, which a draw fills nearly equally."""
        size = counts.shape[1]
        ends = np.linspace(0, size, min(bins, size) + 1).astype(np.intp)
        gaps = [np.abs(counts[:, start:end] @ self._gap[start:end]) for start, end in pairwise(ends)]
        total: Float64 = np.sum(gaps, axis=0, dtype=np.float64)
        return total

    def _ranking(self, counts: Float64) -> dict[str, Float64]:
        """AUC, KS, average precision and best F1 of each draw; NaN in draws of one label."""
        caught, selected = np.cumsum(counts * self._label, axis=1), np.cumsum(counts, axis=1)
        if len(self._ends) < len(self.order):
            caught, selected = caught[:, self._ends], selected[:, self._ends]
        positives, rows = caught[:, -1:], selected[:, -1:]
        negatives = rows - positives
        gains = np.diff(caught, axis=1, prepend=0)
        alarms = selected - caught
        # A gain counts the negatives below it, and half of those at its own score.
        beaten = negatives - alarms + np.diff(alarms, axis=1, prepend=0) / 2
        auc = np.einsum("bk,bk->b", gains, beaten) / (positives * negatives)[:, 0]
        gap = caught / positives
        gap -= alarms / negatives
        precision = np.divide(caught, selected, out=np.zeros_like(caught), where=selected > 0)
        return {
            "auc": auc,
            "gini": 2 * auc - 1,
            "ks": np.maximum(gap.max(axis=1), -gap.min(axis=1)),
            "average_precision": np.einsum("bk,bk->b", gains, precision) / positives[:, 0],
            "best_f1": (2 * caught / (positives + selected)).max(axis=1),
        }


def _descending(score: Float64) -> tuple[RowIndices, RowIndices]:
    """The order of rows by descending score, and the last place of each distinct score."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    return order, ends
