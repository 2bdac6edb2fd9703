"""What a graph with one head more must say: for everyone else what the old graph says, bit by bit.

For the segment itself it must say what the old graph would, were the new head its fallback head. So all that stands in
front of the heads or behind them, such as a calibrator, is held against itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.adaptation.graph import HeadedGraph
from scoreline_trainers.adaptation.newcomer import Seat
from scoreline_trainers.data.batch import Batch, Float64, concatenate
from scoreline_trainers.graph.scorer import OnnxScorer

_MIXED_ROWS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """The old graph, and the same with the new head as its fallback."""

    seat: Seat
    old: OnnxScorer
    own: OnnxScorer

    @classmethod
    def of(cls, graph: HeadedGraph, seat: Seat, head: Float64) -> "Before":
        """Opens both."""
        own = graph.with_heads(np.vstack([graph.heads[:-1], head]))
        return cls(seat, OnnxScorer(graph.model.SerializeToString()), OnnxScorer(own))

    def outputs(self, batch: Batch) -> Mapping[str, Float64]:
        """Every output by name, of rows in the new contract."""
        others, own = self.old.run(self.seat.as_before(batch)), self.own.run(self.seat.as_strangers(batch))
        rows = self.seat.owns(batch)
        return {
            name: np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), own[name], values).astype(np.float64)
            for name, values in others.items()
        }


def mixed_samples(real: Batch, inputs: InputContract, seat: Seat, *, seed: int = 0) -> Batch:
    """``real`` rows, then rows whose every feature is that of some real row, of every segment and of unknown ones."""
    draw, rows = np.random.default_rng(seed), real.table
    table = np.stack([draw.choice(column, _MIXED_ROWS) for column in rows.T], axis=1)
    feature = inputs.features[seat.column]
    unknown = feature.unseen == "other"
    table[:, seat.column] = draw.integers(0, len(feature.vocabulary), _MIXED_ROWS, endpoint=unknown)
    return concatenate([real, real.take(draw.integers(0, len(rows), _MIXED_ROWS)).replace(features=table)])
