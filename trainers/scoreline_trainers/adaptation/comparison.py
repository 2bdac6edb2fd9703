"""The expected outputs of a graph with one more head: for other segments those of the old graph, bit by bit.

For the segment itself they are those of the old graph with the new head as its fallback head. So everything before and
behind the heads, such as a calibrator, is compared too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.adaptation.graph import HeadedGraph
from scoreline_trainers.adaptation.new_segment import HeadSlot
from scoreline_trainers.data.batch import Batch, Float64, concatenate
from scoreline_trainers.graph.scorer import OnnxScorer

_MIXED_ROWS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """The old graph, and the same with the new head as its fallback."""

    slot: HeadSlot
    old: OnnxScorer
    own: OnnxScorer

    @classmethod
    def of(cls, graph: HeadedGraph, slot: HeadSlot, head: Float64) -> "Before":
        """Opens both."""
        own = graph.with_heads(np.vstack([graph.heads[:-1], head]))
        return cls(slot, OnnxScorer(graph.model.SerializeToString()), OnnxScorer(own))

    def outputs(self, batch: Batch) -> Mapping[str, Float64]:
        """Every output by name, of rows in the new contract."""
        others, own = self.old.run(self.slot.as_before(batch)), self.own.run(self.slot.as_unseen(batch))
        rows = self.slot.owns(batch)
        return {
            name: np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), own[name], values).astype(np.float64)
            for name, values in others.items()
        }


def mixed_samples(real: Batch, inputs: InputContract, slot: HeadSlot, *, seed: int = 0) -> Batch:
    """``real`` rows, then rows whose every feature is that of some real row, of every segment and of unknown ones."""
    draw, rows = np.random.default_rng(seed), real.table
    table = np.stack([draw.choice(column, _MIXED_ROWS) for column in rows.T], axis=1)
    feature = inputs.features[slot.column]
    unknown = feature.unseen == "other"
    table[:, slot.column] = draw.integers(0, len(feature.vocabulary), _MIXED_ROWS, endpoint=unknown)
    return concatenate([real, real.take(draw.integers(0, len(rows), _MIXED_ROWS)).replace(features=table)])
