"""Linear regression of amounts with a ridge penalty, on scaled numbers and one-hot categories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
from pydantic import Field
from sklearn.linear_model import Ridge

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.family import Fitted, LibraryConfig, features_only
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.scaling import ScalingMethod
from scoreline_trainers.graph.tensor import graph_input
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Range, Space


class LinearConfig(LibraryConfig):
    """Options of the family.

    Attributes:
        alpha: strength of the ridge penalty, on columns brought to scale.
        scaling: how numbers are brought to scale; ``auto`` takes logarithms or quantiles of those with long tails.
    """

    alpha: float = Field(default=1.0, gt=0)
    scaling: ScalingMethod = "auto"

    space: ClassVar[Space] = {"alpha": Range(low=0.001, high=1000.0, log=True)}
    aliases: ClassVar[Mapping[str, str]] = {"l2": "alpha", "reg_lambda": "alpha"}


@dataclass(frozen=True, slots=True, eq=False)
class FittedLinear(Fitted):
    """``weights`` float64 [width] over the columns of ``design``, and ``bias``."""

    inputs: InputContract
    design: Design
    weights: Float64
    bias: float

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        amount: Float64 = self.design.apply(batch.table) @ self.weights + self.bias
        return amount

    def to_onnx(self) -> onnx.ModelProto:
        """Computes in double and rounds the score alone."""
        graph = GraphBuilder(self.inputs)
        amount = self.design.emit(graph_input(graph, "features")) @ self.weights[:, None] + self.bias
        return graph.build(amount.cast(np.float32).squeeze(1).name)

    def describe(self) -> Mapping[str, str | int | float]:
        """The size of the design matrix."""
        return {"weights": len(self.weights)}


class Linear(BuiltIn):
    """The model family ``linear``."""

    name = "linear"
    config_type = LinearConfig
    libraries = ("scikit-learn",)

    def fit(self, data: Dataset, config: LinearConfig, *, seed: int, progress: Progress) -> FittedLinear:
        """Solves the normal equations, which draws nothing at random."""
        del seed
        features = features_only(data, family=self.name)
        design = Design.fit(features, data.inputs.features, scaling=config.scaling)
        progress.begin("fit linear regression")
        model = Ridge(alpha=config.alpha, solver="cholesky")
        model.fit(design.apply(features), data.target, sample_weight=data.weight)
        return FittedLinear(data.inputs, design, np.asarray(model.coef_, np.float64), float(model.intercept_))
