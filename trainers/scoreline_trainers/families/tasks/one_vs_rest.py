"""Several classes by one binary model for each class against all others; their probabilities are divided by their sum.

Rifkin and Klautau, In Defense of One-Vs-All Classification (Journal of Machine Learning Research 5, 2004).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from scoreline_registry.documents.signature import CLASS_PROBABILITIES, SCORE
from scoreline_trainers.calibration.odds import log_odds_nodes
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.tasks.parts import FitBinary, Parts
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.tensor import Tensor, concat

# No class is less probable than this to its own model, so that the sum is never zero.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class OneVsRest(Fitted):
    """A binary model for each class; the score is the probability of the last one."""

    parts: Parts

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], the probability of the last class."""
        return self._probabilities(batch)[:, -1]

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The probability of each class, float64 [N, K]."""
        return {CLASS_PROBABILITIES: self._probabilities(batch)}

    def to_onnx(self) -> onnx.ModelProto:
        """The models' graphs side by side and, in double, the quotients."""
        graph = GraphBuilder(self.parts.inputs)
        scores = concat([_probability(score).unsqueeze(1) for score in self.parts.nodes(graph)])
        found = (scores / scores.sum(1, keepdims=True)).cast(np.float32)
        extras = {CLASS_PROBABILITIES: Extra(found.name, (len(self.parts.names),))}
        return graph.build(found.gather(len(self.parts.names) - 1, axis=1).name, extras=extras)

    def tolerances(self) -> Mapping[str, float]:
        """The widest of the models'."""
        return self.parts.tolerances(SCORE, CLASS_PROBABILITIES)

    def edges(self) -> Mapping[int, Float32]:
        """The models'."""
        return self.parts.edges()

    def describe(self) -> Mapping[str, str | int | float]:
        """The classes, and the facts of their models."""
        return {"classes": ", ".join(self.parts.names), **self.parts.describe()}

    def _probabilities(self, batch: Batch) -> Float64:
        scores = np.clip(self.parts.scores(batch), _LEAST, 1 - _LEAST)
        found: Float64 = scores / scores.sum(axis=1, keepdims=True)
        return found


def one_vs_rest(data: Dataset, fit: FitBinary) -> OneVsRest:
    """Fits a binary model for each class of ``data``. Raises FitError."""
    models: Sequence[Fitted] = [
        fit(data.with_label((data.label == place).astype(np.int8)), name) for place, name in enumerate(data.classes)
    ]
    return OneVsRest(Parts(data.inputs, data.classes, tuple(models)))


def _probability(score: Tensor) -> Tensor:
    """A model's score cut like the native one: float32 [N] -> double [N], of its log odds where it has them.

    A float32 near 0 is some 1e-7 off, which is much where all models of a row say no.
    """
    return log_odds_nodes(score, _LEAST).apply("Sigmoid")
