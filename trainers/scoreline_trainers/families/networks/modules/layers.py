"""Modules of torch that also emit themselves as ONNX nodes."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import nn

from scoreline_trainers.data.batch import Float32
from scoreline_trainers.graph.layers import (
    ConvLayer,
    DenseLayer,
    LSTMLayer,
    NormLayer,
    emit_conv,
    emit_dense,
    emit_linear,
    emit_lstm,
    emit_masked,
    emit_norm,
    emit_softmax,
)
from scoreline_trainers.graph.tensor import Tensor, graph_input

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

    def emit(self, state: Tensor, features: Tensor | None) -> Tensor:
        """Graph nodes of ``forward``, [N, 1]; ``features`` may be None."""
        joined = state if features is None else state.concat(features)
        return emit_dense(joined, [dense(self.first), dense(self.last)])


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

    def emit(self, steps: Tensor) -> Tensor:
        """[N, T, I] -> [N, H]."""
        parameters = [[array(getattr(layer, name)) for name in _LSTM_PARAMETERS] for layer in self.layers]
        return emit_lstm(steps.transpose(1, 0, 2), [LSTMLayer(*those) for those in parameters])


class Convolution(nn.Module):
    """A convolution over steps with ReLU that keeps T, and whose padding stays zero."""

    def __init__(self, width: int, channels: int, *, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.layer = nn.Conv1d(width, channels, kernel, dilation=dilation, padding=reach)

    def forward(self, values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """[N, I, T], [N, T] -> [N, O, T]."""
        return torch.relu(self.layer(values)) * real[:, None]

    def emit(self, values: Tensor, real: Tensor) -> Tensor:
        """``forward`` as graph nodes."""
        layer = ConvLayer(array(self.layer.weight), _bias(self.layer), self.layer.dilation[0])
        return emit_masked(emit_conv(values, layer).apply("Relu"), real)


class Convolutions(nn.Module):
    """A stack of convolutions, with a residual connection where a layer is as wide as the one before."""

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

    def emit(self, steps: Tensor, real: Tensor) -> list[Tensor]:
        """``forward`` as graph nodes."""
        values = emit_masked(steps.transpose(0, 2, 1), real)
        found: list[Tensor] = []
        for layer, adds in zip(self.layers, self.adds, strict=True):
            after = cast("Convolution", layer).emit(values, real)
            values = after + values if adds and found else after
            found.append(values)
        return found


class SelfAttention(nn.Module):
    """Multi-head self-attention over the real steps.

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

    def emit(self, steps: Tensor, real: Tensor) -> Tensor:
        """``forward`` as graph nodes."""
        parts = emit_linear(steps, dense(self.given)).reshape(0, 0, 3, self.heads, self.size)
        query, key, value = (parts.gather(part, axis=2) for part in range(3))
        alike = query.transpose(0, 2, 1, 3) @ key.transpose(0, 2, 3, 1) / math.sqrt(self.size)
        share = emit_softmax(alike, real.unsqueeze(1, 2), axis=3)
        mixed = (share @ value.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
        return emit_linear(mixed.reshape(0, 0, self.heads * self.size), dense(self.taken))


def pooled(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """[N, C, T] that is never negative and zero in the padding -> [N, 2C]: mean and maximum over real steps."""
    return torch.cat([values.sum(dim=2) / lengths[:, None], values.amax(dim=2)], dim=1)


def emit_pooled(values: Tensor) -> Tensor:
    """Graph nodes of ``pooled``."""
    lengths = graph_input(values.graph, "lengths").unsqueeze(1).cast(np.float32)
    return (values.sum(2) / lengths).concat(values.max(2))


def emit_layer_norm(values: Tensor, layer: nn.LayerNorm) -> Tensor:
    """[..., C] -> [..., C]."""
    return emit_norm(values, NormLayer(array(layer.weight), array(layer.bias), layer.eps))


def dense(layer: nn.Linear, norm: nn.BatchNorm1d | None = None) -> DenseLayer:
    """A dense layer's parameters, with the batch norm behind it folded in."""
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
