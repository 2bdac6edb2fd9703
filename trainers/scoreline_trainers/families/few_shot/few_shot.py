"""Networks with one head per segment over a body that all segments share. Needs the extra ``deep``.

The body does not see the segment. A row's segment selects its head by Gather; a row without a known segment gets the
last one, the fallback head. That is also where a new segment starts, so the graph alone holds all that is needed to add
a head later: see ``scoreline_trainers.adaptation``.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar, cast

import numpy as np
import onnx
import torch
from pydantic import Field
from scipy.special import expit
from torch import nn

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.networks.modules.layers import dense
from scoreline_trainers.families.networks.modules.widths import Widths
from scoreline_trainers.families.networks.network_training import seeded, stopping_split, weights_of
from scoreline_trainers.families.networks.options import DescentConfig
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.layers import DenseLayer, emit_dense
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.tensor import Tensor, graph_input
from scoreline_trainers.heads.heads import with_bias
from scoreline_trainers.heads.record import ADAPTATION_FILE, HEADS, STATES, Record
from scoreline_trainers.heads.rules import Rule
from scoreline_trainers.heads.segments import Segments
from scoreline_trainers.progress import Progress


class FewShotConfig(DescentConfig):
    """Options that the three families share; those of all descent are in ``DescentConfig``.

    Attributes:
        segment: the category feature whose names are the segments.
        hidden: width of each layer of the body, first to last; the last is the state that heads read.
        shots: labelled rows that a new segment is expected to have.
    """

    segment: str
    hidden: Widths = (64, 32)
    shots: int = Field(default=10, ge=1)
    epochs: int = Field(default=60, ge=1)
    patience: int = Field(default=8, ge=1)


class Body(nn.Module):
    """Dense layers with ReLU and dropout between them; the last gives the state, within -1 and 1."""

    def __init__(self, width: int, hidden: Sequence[int], *, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise((width, *hidden)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[N, D] -> [N, H]."""
        for layer in self.layers[:-1]:
            features = self.dropout(torch.relu(layer(features)))
        return torch.tanh(self.layers[-1](features))

    def dense_layers(self) -> list[DenseLayer]:
        """The parameters, for a graph."""
        return [dense(cast("nn.Linear", layer)) for layer in self.layers]


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """The training rows of the three families.

    Attributes:
        features: float32 [N, D], without the segment.
        label: int8 [N].
        places: int64 [N], whose head each row has; the last is the fallback's.
        segments: how many have a head of their own.
        split: the rows to learn from, and those that decide when to stop.
        weight: float32 [N] with mean 1, of the rows; None where all count alike.
    """

    features: torch.Tensor
    label: torch.Tensor
    places: torch.Tensor
    segments: int
    split: tuple[RowIndices, RowIndices]
    weight: torch.Tensor | None = None

    @property
    def target(self) -> torch.Tensor:
        """float32 [N]."""
        return self.label.to(torch.float32)

    def members(self) -> Mapping[int, RowIndices]:
        """Place of each segment that has rows -> those rows."""
        places = self.places.numpy()
        rows = {place: np.flatnonzero(places == place) for place in range(self.segments)}
        return {place: found for place, found in rows.items() if len(found)}

    def counts(self, rows: RowIndices) -> Float64 | None:
        """The weights of some rows, float64; None where all count alike."""
        return None if self.weight is None else self.weight.numpy()[rows].astype(np.float64)

    def states(self, body: Body) -> Float64:
        """float64 [N, H], by a trained body."""
        with torch.no_grad():
            states: Float64 = body.eval()(self.features).numpy().astype(np.float64)
            return states


@dataclass(frozen=True, slots=True, eq=False)
class FittedHeads:
    """The result of training: body, heads float64 [S + 1, H + 1] with the fallback last, rule and epochs."""

    body: Body
    heads: Float64
    rule: Rule
    epochs: int


@dataclass(frozen=True, slots=True, eq=False)
class FittedFewShot(Fitted):
    """A trained body and ``heads`` float32 [S + 1, H + 1]."""

    inputs: InputContract
    feature: str
    segments: Segments
    design: Design
    body: Body
    heads: Float32
    rule: Rule
    epochs: int

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]; torch computes the state in float32."""
        with torch.no_grad():
            features = torch.from_numpy(self.design.apply(batch.table).astype(np.float32))
            states = self.body.eval()(features).numpy().astype(np.float64)
        heads = self.heads.astype(np.float64)[self.segments.places(batch.table)]
        score: Float64 = expit((with_bias(states) * heads).sum(axis=1))
        return score

    def to_onnx(self) -> onnx.ModelProto:
        """The body, the heads, and a sigmoid."""
        graph = GraphBuilder(self.inputs)
        features = self.design.emit(graph_input(graph, "features")).cast(np.float32)
        state = emit_dense(features, self.body.dense_layers()).apply("Tanh")
        states = Tensor(graph, graph.named(state.name, STATES), np.float32)
        heads = Tensor(graph, graph.parameter(HEADS, self.heads, np.float32), np.float32)
        chosen = heads.gather(emit_places(heads, self.segments.column))
        width = len(self.heads[0]) - 1
        weights, bias = chosen.columns(range(width)), chosen.columns([width])
        margin = (states * weights).sum(1, keepdims=True) + bias
        return graph.build(margin.apply("Sigmoid").squeeze(1).name)

    def describe(self) -> Mapping[str, str | int | float]:
        """Epochs, sizes, and the rule for new segments."""
        parameters = sum(parameter.numel() for parameter in self.body.parameters()) + self.heads.size
        rule = ", ".join(f"{name} {value}" for name, value in self.rule.model_dump().items() if name != "kind")
        return {
            "epochs": self.epochs,
            "parameters": parameters,
            "segments": f"{len(self.heads) - 1} of {self.feature}, and a fallback",
            "new segments": f"{self.rule.kind} ({rule})",
        }

    def files(self) -> Mapping[str, bytes]:
        """``adaptation.json``, which adapting needs beside the graph."""
        record = Record(feature=self.feature, rule=self.rule)
        return {ADAPTATION_FILE: record.model_dump_json(indent=2).encode()}


ConfigT = TypeVar("ConfigT", bound=FewShotConfig)


class FewShotFamily(BuiltIn, Generic[ConfigT]):
    """A family of heads over one body. Subclasses name it and train both."""

    config_type: type[ConfigT]
    libraries: Sequence[str] = ("torch",)

    @abstractmethod
    def train(self, tasks: Tasks, config: ConfigT, *, seed: int, progress: Progress) -> FittedHeads:
        """Body and heads; torch's seed is set."""

    def fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> FittedFewShot:
        """Trains on every segment together. Raises FitError."""
        if data.features is None or data.sequence is not None or data.batch.neighbors is not None:
            raise FitError(self.name, "learns from features and takes no sequence and no neighbors")
        segments = Segments.of(data.inputs, config.segment, family=self.name)
        design = Design.fit(data.features, data.inputs.features, scaling=config.scaling, without=(segments.column,))
        if not design.width:
            raise FitError(self.name, f"learns from features beside the segment {config.segment!r}: add some")
        tasks = Tasks(
            torch.from_numpy(design.apply(data.features).astype(np.float32)),
            torch.from_numpy(data.label.copy()),
            torch.from_numpy(segments.places(data.features)),
            segments.fallback,
            stopping_split(data, config, seed=seed),
            weights_of(data),
        )
        with seeded(seed, threads=config.threads):
            found = self.train(tasks, config, seed=seed, progress=progress)
        heads = found.heads.astype(np.float32)
        facts = segments, design, found.body, heads, found.rule, found.epochs
        return FittedFewShot(data.inputs, config.segment, *facts)


def emit_places(heads: Tensor, column: int) -> Tensor:
    """Graph nodes of ``Segments.places`` where every name has a place, int64 [N].

    How many there are is read from the heads themselves: a head that is added changes nothing else.
    """
    fallback = (heads.shape(0) - 1).cast(np.float32)
    codes = graph_input(heads.graph, "features").gather(column, axis=1)
    # Not a number is not above -1 either.
    return (codes > -1).where(codes, fallback).minimum(fallback).to_int64()
