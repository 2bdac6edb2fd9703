"""Contributions as values, and the margins and inner tensors of a version's graph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.explanation.additive import (
    Margin,
)
from scoreline_trainers.graph.scorer import OnnxScorer

_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """Contributions of N rows in units of the margin.

    Attributes:
        base: mean margin of the reference rows.
        margins: float64 [N].
        values: float64 [N, sources]; each row's total its margin minus ``base``.
        errors: float64 [N, sources], standard errors; None where exact.
    """

    base: float
    margins: Float64
    values: Float64
    errors: Float64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GraphMargin:
    """The graph with its margin, and further tensors, as outputs."""

    scorer: OnnxScorer
    margin: Margin

    @classmethod
    def of(cls, model: onnx.ModelProto, margin: Margin, tensors: Sequence[str] = ()) -> "GraphMargin":
        """Opens a copy of the model that gives these tensors too."""
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        there = {output.name for output in copy.graph.output} | {value.name for value in copy.graph.input}
        for name in dict.fromkeys((margin.tensor, *tensors)):
            if name not in there:
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
        return cls(OnnxScorer(copy.SerializeToString()), margin)

    def margins(self, batch: Batch) -> Float64:
        """float64 [N]."""
        parts = [
            np.asarray(self.scorer.fetch([self.margin.tensor], batch.take(part).feeds())[0], np.float64).reshape(-1)
            for part in _parts(len(batch))
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


def fetched(scorer: OnnxScorer, names: Sequence[str], batch: Batch) -> dict[str, Float64]:
    """Tensors of all rows by name."""
    distinct = list(dict.fromkeys(names))
    feeds = batch.feeds()
    made = [name for name in distinct if name not in feeds]
    parts = [scorer.fetch(made, batch.take(part).feeds()) for part in _parts(len(batch))] if made else []
    found = {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(made)}
    return {name: found[name] if name in found else feeds[name] for name in distinct}


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + _AT_ONCE) for start in range(0, rows, _AT_ONCE)]
