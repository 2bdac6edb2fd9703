"""A model with a calibrator behind it, whose score is the share of such rows with label 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor


class Calibrator(Protocol):
    """A fitted function of one score."""

    def apply(self, score: Float64) -> Float64:
        """The native function: float64 [N] -> [N]."""

    def nodes(self, score: Tensor) -> Tensor:
        """``apply`` as graph nodes: double [N] -> [N]."""

    def describe(self) -> str:
        """A short description."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated(Fitted):
    """A model with a calibrator behind it. Its other outputs do not change."""

    inputs: InputContract
    model: Fitted
    calibrator: Calibrator

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return self.calibrator.apply(self.model.predict(batch))

    def to_onnx(self) -> onnx.ModelProto:
        """The model's graph and, in double, the calibrator's nodes."""
        graph = GraphBuilder(self.inputs)
        outputs = dict(graph.embed(self.model.to_onnx(), prefix="model"))
        raw = Tensor(graph, outputs.pop(SCORE).tensor, np.float32).cast()
        return graph.build(self.calibrator.nodes(raw).cast(np.float32).name, extras=outputs)

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The model's."""
        return self.model.extras(batch)

    def tolerances(self) -> Mapping[str, float]:
        """The model's."""
        return self.model.tolerances()

    def edges(self) -> Mapping[int, Float32]:
        """The model's."""
        return self.model.edges()

    def describe(self) -> Mapping[str, str | int | float]:
        """The model's facts, and how it is calibrated."""
        return {**self.model.describe(), "calibration": self.calibrator.describe()}

    def files(self) -> Mapping[str, bytes]:
        """The model's."""
        return self.model.files()
