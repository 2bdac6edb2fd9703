"""The base of networks in torch, and their inputs. Needs the extra ``deep``.

A net computes log odds twice: in ``margin`` with torch, and in ``emit`` as ONNX nodes from its weights. Nothing is
traced, so N and T stay dynamic, and the gate proves that both are the same.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from pydantic import Field
from torch import nn

from scoreline_trainers.data.batch import Batch, Float32, Int64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.family import FamilyConfig
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.layers import emit_real_steps
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.scaling import Scaling, ScalingMethod
from scoreline_trainers.graph.tensor import Tensor, graph_input


class NetworkConfig(FamilyConfig):
    """Options that all networks share.

    Attributes:
        scaling: how numbers are brought to scale; ``auto`` takes logarithms of those with long tails, and of features
            quantiles where logarithms do not do.
        dropout: share of the values that are dropped in training, in networks with dropout layers.
        epochs: largest number of passes over the training rows.
        patience: stops after this many epochs without a better log loss on the held-out rows.
        batch_size: rows of one optimiser step.
        learning_rate: step size of the Adam optimiser.
        weight_decay: L2 penalty of the Adam optimiser.
        stopping_fraction: share of the training rows that is held out to decide when to stop.
        threads: threads of torch. The model depends on it in the last digits.
    """

    scaling: ScalingMethod = "auto"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    epochs: int = Field(default=12, ge=1)
    patience: int = Field(default=3, ge=1)
    batch_size: int = Field(default=256, ge=2)
    learning_rate: float = Field(default=0.002, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    threads: int = Field(default=1, ge=1)


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """The inputs of a net for N rows; a part that the model does not take has width 0.

    Attributes:
        steps: float32 [N, T, 2S]: scaled values, gaps filled, then a flag for each value that was missing. Padding is
            finite.
        lengths: int64 [N].
        features: float32 [N, D]: scaled numbers, gaps filled, and one-hot categories.
        neighbors: float32 [N, K, 2G] like ``steps``, finite everywhere; None where the model takes none.
        neighbor_mask: bool [N, K], set exactly where ``neighbors`` is.
    """

    steps: torch.Tensor
    lengths: torch.Tensor
    features: torch.Tensor
    neighbors: torch.Tensor | None = None
    neighbor_mask: torch.Tensor | None = None

    @classmethod
    def of_features(cls, features: torch.Tensor) -> "Fed":
        """Rows without a history."""
        rows = len(features)
        return cls(features.new_zeros((rows, 1, 0)), torch.ones(rows, dtype=torch.int64), features)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def real(self) -> torch.Tensor:
        """bool [N, T]: which steps count."""
        return torch.arange(self.steps.shape[1]) < self.lengths[:, None]

    @property
    def neighborhood(self) -> tuple[torch.Tensor, torch.Tensor]:
        """``neighbors`` and ``neighbor_mask``, for nets that need them. Raises ValueError where there are none."""
        if self.neighbors is None or self.neighbor_mask is None:
            raise ValueError("this net takes neighbors, and was fed none")
        return self.neighbors, self.neighbor_mask

    def take(self, rows: RowIndices) -> "Fed":
        """The given rows, with no more steps than their longest needs."""
        index = torch.from_numpy(rows)
        lengths = self.lengths[index]
        return Fed(
            self.steps[index, : int(lengths.max())],
            lengths,
            self.features[index],
            None if self.neighbors is None else self.neighbors[index],
            None if self.neighbor_mask is None else self.neighbor_mask[index],
        )


@dataclass(frozen=True, slots=True)
class Symbols:
    """The parts of ``Fed`` as tensors of a graph, and ``real`` bool [N, T]; None where there is none."""

    steps: Tensor | None = None
    real: Tensor | None = None
    features: Tensor | None = None
    neighbors: Tensor | None = None
    neighbor_mask: Tensor | None = None

    @property
    def history(self) -> tuple[Tensor, Tensor]:
        """``steps`` and ``real``, for nets that need them. Raises ValueError where there are none."""
        if self.steps is None or self.real is None:
            raise ValueError("this net takes a sequence, and the graph has none")
        return self.steps, self.real

    @property
    def table(self) -> Tensor:
        """``features``, for nets that need them. Raises ValueError where there are none."""
        if self.features is None:
            raise ValueError("this net takes features, and the graph has none")
        return self.features

    @property
    def neighborhood(self) -> tuple[Tensor, Tensor]:
        """``neighbors`` and ``neighbor_mask``, for nets that need them. Raises ValueError where there are none."""
        if self.neighbors is None or self.neighbor_mask is None:
            raise ValueError("this net takes neighbors, and the graph has none")
        return self.neighbors, self.neighbor_mask


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Converts batches to the inputs of nets, natively and as graph nodes.

    Attributes:
        steps: scaling of the step features, where the model takes a sequence.
        design: the features' matrix, where it takes features.
        neighbors: scaling of the neighbor features, where it takes neighbors.
    """

    steps: Scaling | None = None
    design: Design | None = None
    neighbors: Scaling | None = None

    @classmethod
    def fit(cls, data: Dataset, *, scaling: ScalingMethod = "standard") -> "Feed":
        """Fits on real steps and all features of a dataset."""
        steps = design = neighbors = None
        if data.sequence is not None and data.lengths is not None:
            steps = Scaling.fit(real_steps(data.sequence, data.lengths), scaling, curved=False)
        if data.features is not None:
            design = Design.fit(data.features, data.inputs.features, scaling=scaling)
        if data.batch.neighbors is not None:
            values, mask = data.batch.neighborhood
            neighbors = Scaling.fit(values[mask], scaling, curved=False)
        return cls(steps, design, neighbors)

    @property
    def step_width(self) -> int:
        """2S."""
        return 0 if self.steps is None else 2 * len(self.steps.fill)

    @property
    def neighbor_width(self) -> int:
        """2G."""
        return 0 if self.neighbors is None else 2 * len(self.neighbors.fill)

    @property
    def feature_width(self) -> int:
        """D."""
        return 0 if self.design is None else self.design.width

    def tensors(self, batch: Batch) -> Fed:
        """The parts of a batch that the model takes."""
        steps, lengths = np.zeros((len(batch), 1, 0), np.float32), np.ones(len(batch), np.int64)
        if self.steps is not None:
            sequence, lengths = batch.history
            steps = _flagged(self.steps, sequence)
        features = np.zeros((len(batch), 0), np.float32)
        if self.design is not None:
            features = self.design.apply(batch.table).astype(np.float32)
        fed = Fed(*(torch.from_numpy(part) for part in (steps, lengths, features)))
        if self.neighbors is None:
            return fed
        neighbors, mask = batch.neighborhood
        scaled = _flagged(self.neighbors, neighbors)
        return replace(fed, neighbors=torch.from_numpy(scaled), neighbor_mask=torch.from_numpy(mask))

    def emit(self, graph: GraphBuilder) -> Symbols:
        """Graph nodes of ``tensors``."""
        steps = real = features = neighbors = mask = None
        if self.steps is not None:
            steps, real = _emit_flagged(self.steps, graph_input(graph, "sequence")), emit_real_steps(graph)
        if self.design is not None:
            features = self.design.emit(graph_input(graph, "features")).cast(np.float32)
        if self.neighbors is not None:
            neighbors = _emit_flagged(self.neighbors, graph_input(graph, "neighbors"))
            mask = graph_input(graph, "neighbor_mask")
        return Symbols(steps, real, features, neighbors, mask)


@dataclass(frozen=True, slots=True)
class Emitted:
    """The outputs of a net in a graph: log odds float32 [N, 1], and further ones by name."""

    margin: Tensor
    extras: Mapping[str, Extra] = field(default_factory=dict)


class Learner(nn.Module):
    """A trainable module that returns log odds."""

    @abstractmethod
    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds float32 [N], whatever the values of the padding."""


class Net(Learner):
    """A network that can be exported. Subclasses implement at least ``margin`` and ``emit``."""

    @abstractmethod
    def emit(self, symbols: Symbols) -> Emitted:
        """Graph nodes of ``margin`` and ``extras`` of a trained net."""

    def prepare(self, fed: Fed, *, seed: int) -> None:
        """Computes from all training rows the parts that training does not change."""

    def extras(self, fed: Fed) -> Mapping[str, torch.Tensor]:
        """Further outputs by name, float32, first axis N."""
        del fed
        return {}


def real_steps(sequence: Float32, lengths: Int64) -> Float32:
    """[N, T, S] -> [sum of lengths, S]: no padding."""
    real: Float32 = sequence[np.arange(sequence.shape[1]) < lengths[:, None]]
    return real


def _flagged(scaling: Scaling, values: Float32) -> Float32:
    """[..., W] -> float32 [..., 2W]: scaled, gaps filled, then a flag for each value that was missing."""
    return np.concatenate([scaling.apply(values), np.isnan(values)], axis=-1).astype(np.float32)


def _emit_flagged(scaling: Scaling, values: Tensor) -> Tensor:
    """Graph nodes of ``_flagged``."""
    return scaling.emit(values).cast(np.float32).concat(values.isnan().cast(np.float32), axis=-1)
