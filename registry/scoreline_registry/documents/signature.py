"""The standard signature: the inputs that the graph of every model with a score takes, in their order.

N is the batch; T and K, the items of a ragged input, vary from batch to batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.ragged import RAGGED_KINDS, RaggedKind
from scoreline_registry.documents.tensors import Datatype, Tensor

FEATURES = "features"
SCORE = "score"
CLASS_PROBABILITIES = "class_probabilities"
"""Extra output float32 [N, K]: the probability of each of K classes; rows total 1."""
HORIZON_SCORES = "horizon_scores"
"""Extra output float32 [N, H]: the score within each of H horizons, shortest first; rows never fall."""
SEGMENT = "segment"
"""In golden rows only: which head of a segmented model scored."""


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input of a graph; a side is a size, or the name of a dimension that varies."""

    name: str
    datatype: Datatype
    shape: tuple[int | str, ...]

    @property
    def tensor(self) -> Tensor:
        """The input as the Open Inference Protocol describes it, -1 for what varies."""
        sides = tuple(side if isinstance(side, int) else -1 for side in self.shape)
        return Tensor(name=self.name, datatype=self.datatype, shape=sides)


def _ragged(kind: RaggedKind, columns: int | str) -> tuple[GraphInput, GraphInput]:
    presence = ("BOOL", ("N", kind.axis)) if kind.masked else ("INT64", ("N",))
    return GraphInput(kind.name, "FP32", ("N", kind.axis, columns)), GraphInput(kind.presence, *presence)


SIGNATURE: Mapping[str, GraphInput] = {
    put.name: put
    for put in (
        GraphInput(FEATURES, "FP32", ("N", "F")),
        *(put for kind in RAGGED_KINDS for put in _ragged(kind, "columns")),
    )
}
"""Every input that a graph may take, by name."""


def graph_inputs(inputs: InputContract) -> tuple[GraphInput, ...]:
    """The inputs of a graph with this contract."""
    features = [GraphInput(FEATURES, "FP32", ("N", len(inputs.features)))] if inputs.features else []
    return (*features, *(put for each in inputs.ragged for put in _ragged(each.kind, len(each.features))))
