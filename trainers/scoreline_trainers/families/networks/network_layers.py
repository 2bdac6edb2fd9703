"""Parts of nets that know themselves as ONNX nodes."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from onnx import TensorProto
from torch import nn

from scoreline_trainers.data.batch import Float32
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.layers import (
    ConvLayer,
    DenseLayer,
    LSTMLayer,
    NormLayer,
    emit_column,
    emit_conv,
    emit_dense,
    emit_linear,
    emit_lstm,
    emit_masked,
    emit_norm,
)

_LSTM_PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class Head(nn.Module):
    """[state, features] -> dropout -> dense with ReLU -> log odds."""

    def __init__(self, state: int, features: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.first, self.last = nn.Linear(state + features, hidden), nn.Linear(hidden, 1)

    def forward(self, state: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """[N, state], [N, features] -> [N]."""
        hidden = self.first(self.dropout(torch.cat([state, features], dim=1)))
        return torch.squeeze(self.last(torch.relu(hidden)), 1)

    def emit(self, graph: GraphBuilder, state: str, features: str) -> str:
        """[N, 1]; ``features`` may be "" for none."""
        joined = graph.add("Concat", state, features, axis=1) if features else state
        return emit_dense(graph, joined, [dense(self.first), dense(self.last)])


class Recurrent(nn.Module):
    """A stack of LSTM layers, and its state after each row's last step."""

    def __init__(self, width: int, hidden: Sequence[int]) -> None:
        super().__init__()
        layers = [nn.LSTM(i, o, batch_first=True) for i, o in pairwise((width, *hidden))]
        self.layers = nn.ModuleList(layers)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[N, T, I], [N] -> [N, H].

        No step sees a later one, so the state at a row's last step is the same with any padding behind it. torch's
        packed sequences say the same eight times slower.
        """
        for layer in self.layers:
            steps, _ = layer(steps)
        return steps[torch.arange(len(steps)), lengths - 1]

    def emit(self, graph: GraphBuilder, steps: str) -> str:
        """[N, T, I] -> [N, H]."""
        by_step = graph.add("Transpose", steps, perm=[1, 0, 2])
        parameters = [[array(getattr(layer, name)) for name in _LSTM_PARAMETERS] for layer in self.layers]
        return emit_lstm(graph, by_step, [LSTMLayer(*those) for those in parameters])


class Convolution(nn.Module):
    """A convolution over steps with ReLU that keeps T, and whose padding stays zero."""

    def __init__(self, width: int, channels: int, *, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.layer = nn.Conv1d(width, channels, kernel, dilation=dilation, padding=reach)

    def forward(self, values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """[N, I, T], [N, T] -> [N, O, T]."""
        return torch.relu(self.layer(values)) * real[:, None]

    def emit(self, graph: GraphBuilder, values: str, real: str) -> str:
        """The nodes of ``forward``."""
        layer = ConvLayer(array(self.layer.weight), _bias(self.layer), self.layer.dilation[0])
        return emit_masked(graph, graph.add("Relu", emit_conv(graph, values, layer)), real)


class Convolutions(nn.Module):
    """Convolutions on one another; a layer as wide as the one before adds to it what it finds."""

    def __init__(
        self, width: int, channels: Sequence[int], *, kernel: int, dilations: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        sizes = zip(pairwise((width, *channels)), dilations or [1] * len(channels), strict=True)
        self.layers = nn.ModuleList(Convolution(i, o, kernel=kernel, dilation=d) for (i, o), d in sizes)
        self.adds = [i == o for i, o in pairwise((width, *channels))]

    def forward(self, steps: torch.Tensor, real: torch.Tensor) -> list[torch.Tensor]:
        """[N, T, I], [N, T] -> [N, O, T] of every layer, never negative and zero in the padding."""
        values = steps.transpose(1, 2) * real[:, None]
        found: list[torch.Tensor] = []
        for layer, adds in zip(self.layers, self.adds, strict=True):
            values = layer(values, real) + values if adds and found else layer(values, real)
            found.append(values)
        return found

    def emit(self, graph: GraphBuilder, steps: str, real: str) -> list[str]:
        """The nodes of ``forward``."""
        values = emit_masked(graph, graph.add("Transpose", steps, perm=[0, 2, 1]), real)
        found: list[str] = []
        for layer, adds in zip(self.layers, self.adds, strict=True):
            after = cast("Convolution", layer).emit(graph, values, real)
            values = graph.add("Add", after, values) if adds and found else after
            found.append(values)
        return found


class SelfAttention(nn.Module):
    """Every real step looks at all real steps, with several heads.

    Source: Vaswani and others, Attention Is All You Need (2017), section 3.2.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.given, self.taken = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, steps: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """[N, T, C], [N, T] -> [N, T, C]."""
        rows, length, width = steps.shape
        parts = self.given(steps).reshape(rows, length, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        alike = query @ key.transpose(2, 3) / math.sqrt(self.size)
        share = torch.softmax(alike.masked_fill(~real[:, None, None], -math.inf), dim=3)
        mixed: torch.Tensor = self.taken((share @ value).transpose(1, 2).reshape(rows, length, width))
        return mixed

    def emit(self, graph: GraphBuilder, steps: str, real: str) -> str:
        """The nodes of ``forward``."""
        # 0 keeps a dimension.
        split = graph.constant([0, 0, 3, self.heads, self.size], np.int64)
        parts = graph.add("Reshape", emit_linear(graph, steps, dense(self.given)), split)
        query, key, value = (graph.add("Gather", parts, graph.constant(part, np.int64), axis=2) for part in range(3))
        queries, values = (graph.add("Transpose", part, perm=[0, 2, 1, 3]) for part in (query, value))
        keys = graph.add("Transpose", key, perm=[0, 2, 3, 1])
        alike = graph.add("Div", graph.add("MatMul", queries, keys), graph.constant(math.sqrt(self.size), np.float32))
        seen = graph.add("Unsqueeze", real, graph.constant([1, 2], np.int64))
        share = emit_softmax(graph, alike, seen, axis=3)
        mixed = graph.add("Transpose", graph.add("MatMul", share, values), perm=[0, 2, 1, 3])
        joined = graph.add("Reshape", mixed, graph.constant([0, 0, self.heads * self.size], np.int64))
        return emit_linear(graph, joined, dense(self.taken))


def pooled(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """[N, C, T] that is never negative and zero in the padding -> [N, 2C]: mean and maximum over real steps."""
    return torch.cat([values.sum(dim=2) / lengths[:, None], values.amax(dim=2)], dim=1)


def emit_pooled(graph: GraphBuilder, values: str) -> str:
    """The nodes of ``pooled``."""
    steps = graph.constant([2], np.int64)
    lengths = graph.cast(emit_column(graph, "lengths"), TensorProto.FLOAT)
    mean = graph.add("Div", graph.add("ReduceSum", values, steps, keepdims=0), lengths)
    return graph.add("Concat", mean, graph.add("ReduceMax", values, steps, keepdims=0), axis=1)


def emit_softmax(graph: GraphBuilder, values: str, real: str, *, axis: int) -> str:
    """Softmax over what is ``real``, 0 elsewhere."""
    masked = graph.add("Where", real, values, graph.constant(-np.inf, np.float32))
    return graph.add("Softmax", masked, axis=axis)


def emit_layer_norm(graph: GraphBuilder, values: str, layer: nn.LayerNorm) -> str:
    """[..., C] -> [..., C]."""
    return emit_norm(graph, values, NormLayer(array(layer.weight), array(layer.bias), layer.eps))


def dense(layer: nn.Linear, norm: nn.BatchNorm1d | None = None) -> DenseLayer:
    """A dense layer's parameters, those of the batch norm behind it worked in."""
    weights, bias = array(layer.weight), array(layer.bias)
    if norm is None or norm.running_mean is None or norm.running_var is None:
        return DenseLayer(weights, bias)
    scale = array(norm.weight).astype(np.float64) / np.sqrt(array(norm.running_var).astype(np.float64) + norm.eps)
    shifted = (bias - array(norm.running_mean)) * scale + array(norm.bias)
    return DenseLayer((weights * scale[:, None]).astype(np.float32), shifted.astype(np.float32))


def array(tensor: torch.Tensor) -> Float32:
    """A parameter as float32."""
    values: Float32 = tensor.detach().numpy()
    return values


def _bias(layer: nn.Conv1d) -> Float32:
    return np.zeros(layer.out_channels, np.float32) if layer.bias is None else array(layer.bias)
