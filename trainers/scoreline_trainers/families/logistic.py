"""Logistic regression on scaled numbers and one-hot categories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
from pydantic import Field
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.weights import balanced
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.family import Fitted, LibraryConfig, features_only
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.scaling import ScalingMethod
from scoreline_trainers.graph.tensor import graph_input
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Range, Space


class LogisticConfig(LibraryConfig):
    """Options of the family.

    Attributes:
        C: inverse strength of the ridge penalty.
        balanced: gives both labels the same total weight; the score is then no longer a probability of the population.
        scaling: how numbers are brought to scale; ``auto`` takes logarithms or quantiles of those with long tails.
        max_iterations: largest number of iterations of the L-BFGS solver.
    """

    C: float = Field(default=1.0, gt=0)
    balanced: bool = False
    scaling: ScalingMethod = "auto"
    max_iterations: int = Field(default=1000, ge=1)

    space: ClassVar[Space] = {"C": Range(low=0.001, high=100.0, log=True)}
    aliases: ClassVar[Mapping[str, str]] = {"max_iter": "max_iterations"}


@dataclass(frozen=True, slots=True, eq=False)
class FittedLogistic(Fitted):
    """``weights`` float64 [width] over the columns of ``design``, and ``bias``."""

    inputs: InputContract
    design: Design
    weights: Float64
    bias: float

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        score: Float64 = expit(self.design.apply(batch.table) @ self.weights + self.bias)
        return score

    def to_onnx(self) -> onnx.ModelProto:
        """Computes in double and rounds the score alone."""
        graph = GraphBuilder(self.inputs)
        margin = self.design.emit(graph_input(graph, "features")) @ self.weights[:, None] + self.bias
        return graph.build(margin.apply("Sigmoid").cast(np.float32).squeeze(1).name)

    def describe(self) -> Mapping[str, str | int | float]:
        """The size of the design matrix."""
        return {"weights": len(self.weights)}


class Logistic(BuiltIn):
    """The model family ``logistic``."""

    name = "logistic"
    config_type = LogisticConfig
    libraries = ("scikit-learn",)

    def fit(self, data: Dataset, config: LogisticConfig, *, seed: int, progress: Progress) -> FittedLogistic:
        """Fits by scikit-learn's L-BFGS, which draws nothing at random."""
        features = features_only(data, family=self.name)
        design = Design.fit(features, data.inputs.features, scaling=config.scaling)
        progress.begin("fit logistic regression")
        model = LogisticRegression(C=config.C, max_iter=config.max_iterations, random_state=seed)
        weight = balanced(data) if config.balanced else data.weight
        model.fit(design.apply(features), data.label, sample_weight=weight)
        return FittedLogistic(data.inputs, design, model.coef_[0], float(model.intercept_[0]))
