"""The base of networks in torch, and their inputs. Needs the extra ``deep``.

A net computes log odds twice: in ``margin`` with torch, and in ``emit`` as ONNX nodes from its weights. Nothing is
traced, so N and T stay dynamic, and the gate proves that both are the same.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from scoreline_trainers.data.batch import Batch, Float32, Int64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.networks.options import Embedding, embedding_width
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.layers import emit_real_steps
from scoreline_trainers.graph.preprocessing import Design, category_slots, emit_category_slots
from scoreline_trainers.graph.scaling import Scaling, ScalingMethod
from scoreline_trainers.graph.tensor import Tensor, graph_input


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """The inputs of a net for N rows; a part that the model does not take has width 0.

    Attributes:
        steps: float32 [N, T, W]: scaled numbers, gaps filled, then a flag for each number that was missing, then each
            category one-hot with "other" and "missing". Padding is finite.
        lengths: int64 [N].
        features: float32 [N, D]: scaled numbers, gaps filled, and one-hot categories.
        neighbors: float32 [N, K, 2G] like ``steps``, finite everywhere; None where the model takes none.
        neighbor_mask: bool [N, K], set exactly where ``neighbors`` is.
        codes: int64 [N, C], the slots of the categories that are embedded; None where none is.
    """

    steps: torch.Tensor
    lengths: torch.Tensor
    features: torch.Tensor
    neighbors: torch.Tensor | None = None
    neighbor_mask: torch.Tensor | None = None
    codes: torch.Tensor | None = None

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

    @property
    def slots(self) -> torch.Tensor:
        """``codes``, for nets that need them. Raises ValueError where there are none."""
        if self.codes is None:
            raise ValueError("this net embeds categories, and was fed none")
        return self.codes

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
            None if self.codes is None else self.codes[index],
        )


@dataclass(frozen=True, slots=True)
class Symbols:
    """The parts of ``Fed`` as tensors of a graph, and ``real`` bool [N, T]; None where there is none."""

    steps: Tensor | None = None
    real: Tensor | None = None
    features: Tensor | None = None
    neighbors: Tensor | None = None
    neighbor_mask: Tensor | None = None
    codes: Tensor | None = None

    @property
    def slots(self) -> Tensor:
        """``codes``, for nets that embed categories. Raises ValueError where there are none."""
        if self.codes is None:
            raise ValueError("this net embeds categories, and the graph has none")
        return self.codes

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
        design: the features' matrix, where it takes features, without the categories that are embedded.
        neighbors: scaling of the neighbor features, where it takes neighbors.
        embedded: the columns of ``features`` that are embedded.
        sizes: vocabulary length of each of them.
        widths: of their embeddings.
        step_categories: the step features that are categories, [C]; ``steps`` scales the others.
        step_sizes: vocabulary length of each of them.
    """

    steps: Scaling | None = None
    design: Design | None = None
    neighbors: Scaling | None = None
    embedded: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    step_categories: tuple[int, ...] = ()
    step_sizes: tuple[int, ...] = ()

    @classmethod
    def fit(cls, data: Dataset, *, scaling: ScalingMethod = "standard", embedding: Embedding = "none") -> "Feed":
        """Fits on real steps and all features of a dataset."""
        steps = design = neighbors = None
        contract = data.inputs.sequence
        vocabularies = (
            {} if contract is None else {contract.features.index(n): len(v) for n, v in contract.vocabularies.items()}
        )
        names = [len(feature.vocabulary) for feature in data.inputs.features]
        widths = {column: width for column, size in enumerate(names) if (width := embedding_width(size, embedding))}
        if data.sequence is not None and data.lengths is not None:
            real = np.delete(real_steps(data.sequence, data.lengths), list(vocabularies), axis=1)
            steps = Scaling.fit(real, scaling, curved=False)
        if data.features is not None:
            design = Design.fit(data.features, data.inputs.features, scaling=scaling, without=tuple(widths))
        if data.batch.neighbors is not None:
            values, mask = data.batch.neighborhood
            neighbors = Scaling.fit(values[mask], scaling, curved=False)
        sizes = tuple(names[column] for column in widths)
        codes = tuple(vocabularies), tuple(vocabularies.values())
        return cls(steps, design, neighbors, tuple(widths), sizes, tuple(widths.values()), *codes)

    @property
    def step_width(self) -> int:
        """W."""
        return len(self.step_sources)

    @property
    def step_numbers(self) -> list[int]:
        """The step features that are numbers."""
        count = 0 if self.steps is None else len(self.steps.fill) + len(self.step_categories)
        return [column for column in range(count) if column not in self.step_categories]

    @property
    def step_sources(self) -> tuple[int, ...]:
        """The step feature that each column of ``Fed.steps`` is made of, [W]."""
        one_hot = zip(self.step_categories, self.step_sizes, strict=True)
        numbers = self.step_numbers
        return (*numbers, *numbers, *(column for column, size in one_hot for _ in range(size + 2)))

    @property
    def neighbor_width(self) -> int:
        """2G."""
        return 0 if self.neighbors is None else 2 * len(self.neighbors.fill)

    @property
    def feature_width(self) -> int:
        """D, the embeddings included."""
        return sum(self.widths) + (0 if self.design is None else self.design.width)

    def tensors(self, batch: Batch) -> Fed:
        """The parts of a batch that the model takes."""
        steps, lengths = np.zeros((len(batch), 1, 0), np.float32), np.ones(len(batch), np.int64)
        if self.steps is not None:
            sequence, lengths = batch.history
            steps = self._steps(self.steps, sequence)
        features = np.zeros((len(batch), 0), np.float32)
        if self.design is not None:
            features = self.design.apply(batch.table).astype(np.float32)
        fed = Fed(*(torch.from_numpy(part) for part in (steps, lengths, features)))
        if self.embedded:
            fed = replace(fed, codes=torch.from_numpy(category_slots(batch.table[:, self.embedded], self.sizes)))
        if self.neighbors is None:
            return fed
        neighbors, mask = batch.neighborhood
        scaled = _flagged(self.neighbors, neighbors)
        return replace(fed, neighbors=torch.from_numpy(scaled), neighbor_mask=torch.from_numpy(mask))

    def emit(self, graph: GraphBuilder) -> Symbols:
        """Graph nodes of ``tensors``."""
        steps = real = features = neighbors = mask = codes = None
        if self.steps is not None:
            steps, real = self._emit_steps(self.steps, graph_input(graph, "sequence")), emit_real_steps(graph)
        if self.embedded:
            codes = emit_category_slots(graph_input(graph, "features").columns(self.embedded), self.sizes)
        if self.design is not None and self.design.width:
            features = self.design.emit(graph_input(graph, "features")).cast(np.float32)
        if self.neighbors is not None:
            neighbors = _emit_flagged(self.neighbors, graph_input(graph, "neighbors"))
            mask = graph_input(graph, "neighbor_mask")
        return Symbols(steps, real, features, neighbors, mask, codes)

    def _steps(self, scaling: Scaling, sequence: Float32) -> Float32:
        """[N, T, S] -> float32 [N, T, W]."""
        if not self.step_categories:
            return _flagged(scaling, sequence)
        codes = sequence[..., self.step_categories]
        slots = category_slots(codes.reshape(-1, len(self.step_sizes)), self.step_sizes).reshape(codes.shape)
        one_hot = [np.eye(size + 2, dtype=np.float32)[slots[..., at]] for at, size in enumerate(self.step_sizes)]
        return np.concatenate([_flagged(scaling, sequence[..., self.step_numbers]), *one_hot], axis=-1)

    def _emit_steps(self, scaling: Scaling, sequence: Tensor) -> Tensor:
        """Graph nodes of ``_steps``."""
        if not self.step_categories:
            return _emit_flagged(scaling, sequence)
        slots = emit_category_slots(sequence.gather(self.step_categories, axis=-1), self.step_sizes)
        widths = [size + 2 for size in self.step_sizes]
        owner = np.repeat(np.arange(len(widths)), widths).tolist()
        place = np.concatenate([np.arange(width) for width in widths])
        one_hot = slots.gather(owner, axis=-1).equal(place).cast(np.float32)
        if not self.step_numbers:
            return one_hot
        return _emit_flagged(scaling, sequence.gather(self.step_numbers, axis=-1)).concat(one_hot, axis=-1)


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
