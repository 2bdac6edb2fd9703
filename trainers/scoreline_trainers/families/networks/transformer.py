"""A transformer encoder over histories, whose attention over the steps is an output. Needs the extra ``deep``."""

import math
from collections.abc import Mapping
from typing import Self, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Float32
from scoreline_trainers.families.networks.modules.layers import (
    Head,
    SelfAttention,
    dense,
    emit_layer_norm,
)
from scoreline_trainers.families.networks.modules.net import Emitted, Fed, Feed, Net, Symbols
from scoreline_trainers.families.networks.modules.widths import Width
from scoreline_trainers.families.networks.network import NetworkFamily
from scoreline_trainers.families.networks.options import NetworkConfig
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.layers import emit_linear, emit_softmax
from scoreline_trainers.graph.tensor import Tensor, arange, constant, graph_input

ATTENTION = "attention"


class TransformerConfig(NetworkConfig):
    """Options of the family; those of all networks are in ``NetworkConfig``.

    Attributes:
        width: width of a step's embedding; even, and a multiple of ``heads``.
        heads: attention heads of a layer.
        layers: number of attention layers.
        feed_forward: width of the dense layer in each attention layer.
        head: width of the dense layer after them.
    """

    width: Width = 32
    heads: int = Field(default=4, ge=1)
    layers: int = Field(default=2, ge=1)
    feed_forward: Width = 64
    head: int = Field(default=32, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % 2 or self.width % self.heads:
            raise ValueError("'width' must be even and a multiple of 'heads'")
        return self


class EncoderLayer(nn.Module):
    """Attention, then a dense layer, each with layer norm before and its input added after.

    Source: Xiong and others, On Layer Normalization in the Transformer Architecture (2020), figure 1b.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads)
        self.before_attention, self.before_dense = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.wide, self.narrow = (
            nn.Linear(config.width, config.feed_forward),
            nn.Linear(config.feed_forward, config.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """[N, T, C], [N, T] -> [N, T, C]."""
        steps = steps + self.dropout(self.attention(self.before_attention(steps), real))
        found: torch.Tensor = self.narrow(torch.relu(self.wide(self.before_dense(steps))))
        return steps + torch.as_tensor(self.dropout(found))

    def emit(self, steps: Tensor, real: Tensor) -> Tensor:
        """``forward`` as graph nodes."""
        steps = steps + self.attention.emit(emit_layer_norm(steps, self.before_attention), real)
        wide = emit_linear(emit_layer_norm(steps, self.before_dense), dense(self.wide))
        return steps + emit_linear(wide.apply("Relu"), dense(self.narrow))


class TransformerNet(Net):
    """Steps with their place, encoder layers, and a mean over steps whose weights are the extra ``attention`` [N, T].

    Places count back from the newest step, so that it has the same one in every history; steps older than the
    contract's ``max_length`` share the oldest.
    """

    def __init__(self, feed: Feed, config: TransformerConfig, *, max_length: int) -> None:
        super().__init__()
        self.step = nn.Linear(feed.step_width, config.width)
        self.places = positions(max_length, config.width)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.matters = nn.Linear(config.width, 1)
        self.head = Head(config.width, feed.feature_width, hidden=config.head, dropout=config.dropout)

    def margin(self, fed: Fed) -> torch.Tensor:
        """Log odds, float32 [N]."""
        steps = self._encoded(fed)
        state = (self._attention(steps, fed.real)[:, None] @ steps)[:, 0]
        margin: torch.Tensor = self.head(state, fed.features)
        return margin

    def extras(self, fed: Fed) -> Mapping[str, torch.Tensor]:
        """``attention`` [N, T]: each step's share in what the head sees; 0 in the padding, 1 in total."""
        return {ATTENTION: self._attention(self._encoded(fed), fed.real)}

    def emit(self, symbols: Symbols) -> Emitted:
        """``margin`` and ``extras`` as graph nodes."""
        steps, real = symbols.history
        steps = emit_linear(steps, dense(self.step)) + self._emit_places(steps.graph)
        for layer in self.layers:
            steps = cast("EncoderLayer", layer).emit(steps, real)
        steps = emit_layer_norm(steps, self.norm)
        attention = emit_softmax(emit_linear(steps, dense(self.matters)).squeeze(2), real, axis=1)
        state = (attention.unsqueeze(1) @ steps).squeeze(1)
        return Emitted(self.head.emit(state, symbols.features), {ATTENTION: Extra(attention.name, ("T",))})

    def _encoded(self, fed: Fed) -> torch.Tensor:
        back = fed.lengths[:, None] - 1 - torch.arange(fed.steps.shape[1])
        steps: torch.Tensor = self.step(fed.steps) + torch.from_numpy(self.places)[back.clamp(0, len(self.places) - 1)]
        for layer in self.layers:
            steps = layer(steps, fed.real)
        return torch.as_tensor(self.norm(steps))

    def _attention(self, steps: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.matters(steps)[:, :, 0].masked_fill(~real, -math.inf), dim=1)

    def _emit_places(self, graph: GraphBuilder) -> Tensor:
        """[N, T, C]."""
        newest = graph_input(graph, "lengths").unsqueeze(1) - 1
        back = (newest - arange(graph_input(graph, "sequence").shape(1))).clip(0, len(self.places) - 1)
        return constant(graph, self.places, np.float32).gather(back)


class Transformer(NetworkFamily[TransformerConfig]):
    """The model family ``transformer``."""

    name = "transformer"
    config_type = TransformerConfig

    def build(self, feed: Feed, inputs: InputContract, config: TransformerConfig) -> Net:
        """An untrained net."""
        max_length = 1 if inputs.sequence is None else inputs.sequence.max_length
        return TransformerNet(feed, config, max_length=max_length)


def positions(count: int, width: int) -> Float32:
    """float32 [count, width]: sines and cosines of place p times 10000^(-2i / width).

    Source: Vaswani and others, Attention Is All You Need (2017), section 3.5.
    """
    angle = np.arange(count)[:, None] * 10_000.0 ** (-np.arange(0, width, 2) / width)
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(count, width).astype(np.float32)
