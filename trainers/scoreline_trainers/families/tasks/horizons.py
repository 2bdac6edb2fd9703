"""Several horizons of one label by one binary model for each; a longer horizon never scores below a shorter one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from scoreline_registry.documents.signature import HORIZON_SCORES, SCORE
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.tasks.parts import FitBinary, Parts
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.tensor import concat


@dataclass(frozen=True, slots=True, eq=False)
class Horizons(Fitted):
    """A binary model for each horizon, shortest first.

    What happens within 7 days happens within 30: each horizon's score is the largest of those up to it.

    Attributes:
        parts: the models.
        scored: place of the horizon whose score is the model's.
    """

    parts: Parts
    scored: int

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return self._scores(batch)[:, self.scored]

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The score within each horizon, float64 [N, H]."""
        return {HORIZON_SCORES: self._scores(batch)}

    def to_onnx(self) -> onnx.ModelProto:
        """The models' graphs side by side, and their running maximum."""
        graph = GraphBuilder(self.parts.inputs)
        rising = list(self.parts.nodes(graph))
        for place in range(1, len(rising)):
            rising[place] = rising[place].maximum(rising[place - 1])
        together = concat([score.unsqueeze(1) for score in rising])
        extras = {HORIZON_SCORES: Extra(together.name, (len(rising),))}
        return graph.build(rising[self.scored].name, extras=extras)

    def tolerances(self) -> Mapping[str, float]:
        """The widest of the models'."""
        return self.parts.tolerances(SCORE, HORIZON_SCORES)

    def edges(self) -> Mapping[int, Float32]:
        """The models'."""
        return self.parts.edges()

    def describe(self) -> Mapping[str, str | int | float]:
        """The horizons, and the facts of their models."""
        return {"horizons": ", ".join(self.parts.names), **self.parts.describe()}

    def _scores(self, batch: Batch) -> Float64:
        rising: Float64 = np.maximum.accumulate(self.parts.scores(batch), axis=1)
        return rising


def horizons(data: Dataset, fit: FitBinary, *, scored: str) -> Horizons:
    """Fits a binary model for each horizon of ``data``; ``scored`` names that of the score. Raises FitError."""
    if data.horizon_labels is None:
        raise ValueError("these rows have one horizon")
    labels = zip(data.horizons, data.horizon_labels.T, strict=True)
    models = tuple(fit(data.with_label(np.ascontiguousarray(label)), name) for name, label in labels)
    return Horizons(Parts(data.inputs, data.horizons, models), data.horizons.index(scored))
