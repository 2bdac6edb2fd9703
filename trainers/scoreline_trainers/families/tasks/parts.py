"""Binary models of the same rows by name, side by side in one graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor

# Fits the binary model of one name on rows with its labels.
FitBinary = Callable[[Dataset, str], Fitted]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Fitted binary models by name.

    Attributes:
        inputs: the contract that all of them take.
        names: of the classes or horizons.
        models: one for each.
    """

    inputs: InputContract
    names: tuple[str, ...]
    models: tuple[Fitted, ...]

    def scores(self, batch: Batch) -> Float64:
        """float64 [N, parts]."""
        return np.stack([model.predict(batch) for model in self.models], axis=1)

    def nodes(self, graph: GraphBuilder) -> Sequence[Tensor]:
        """The models' graphs side by side: a score float32 [N] of each."""
        found = [graph.embed(model.to_onnx(), prefix=f"part_{k}") for k, model in enumerate(self.models)]
        return [Tensor(graph, outputs[SCORE].tensor, np.float32) for outputs in found]

    def tolerances(self, *outputs: str) -> Mapping[str, float]:
        """For outputs that the scores go into: the widest of the models' own, where some model has one."""
        own = [tolerances[SCORE] for model in self.models if SCORE in (tolerances := model.tolerances())]
        return dict.fromkeys(outputs, max(own)) if own else {}

    def edges(self) -> Mapping[int, Float32]:
        """Feature column -> ascending values at which some score may jump."""
        found: dict[int, list[Float32]] = {}
        for model in self.models:
            for column, values in model.edges().items():
                found.setdefault(column, []).append(values)
        return {column: np.unique(np.concatenate(values)) for column, values in found.items()}

    def describe(self) -> Mapping[str, str | int | float]:
        """The models' facts, each under the name of its part."""
        parts = zip(self.names, self.models, strict=True)
        return {f"{name}: {fact}": value for name, model in parts for fact, value in model.describe().items()}
