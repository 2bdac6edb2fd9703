"""Parts of networks as ONNX nodes. All take and give float32 unless said otherwise; N and T stay dynamic."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float32
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor, arange, graph_input

# torch stacks its gates as i, f, g, o; ONNX wants i, o, f, c (c is torch's g).
_ONNX_GATES = (0, 3, 1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class LSTMLayer:
    """torch's parameters of one layer: [4H, I], [4H, H], [4H] and [4H]."""

    input_weights: Float32
    state_weights: Float32
    input_bias: Float32
    state_bias: Float32

    @property
    def hidden(self) -> int:
        """H, the width of the state."""
        return int(self.state_weights.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class DenseLayer:
    """torch's parameters of one dense layer: [out, in] and [out]."""

    weights: Float32
    bias: Float32


@dataclass(frozen=True, slots=True, eq=False)
class ConvLayer:
    """torch's parameters of one convolution over steps, [out, in, kernel] and [out]; T stays as it is.

    The kernel is odd, and as many zeros are put on either side as it reaches beyond the ends.
    """

    weights: Float32
    bias: Float32
    dilation: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class NormLayer:
    """torch's parameters of a layer norm: [width], [width] and epsilon."""

    scale: Float32
    shift: Float32
    epsilon: float


def emit_real_steps(graph: GraphBuilder) -> Tensor:
    """bool [N, T]: which steps of ``sequence`` are real; the others are padding."""
    return arange(graph_input(graph, "sequence").shape(1)) < graph_input(graph, "lengths").unsqueeze(1)


def emit_masked(values: Tensor, real: Tensor) -> Tensor:
    """[N, C, T] with zeros where ``real`` [N, T] is False."""
    return real.unsqueeze(1).where(values, 0)


def emit_dense(values: Tensor, layers: Sequence[DenseLayer]) -> Tensor:
    """[N, I] -> [N, O]: dense layers with ReLU between them."""
    for index, layer in enumerate(layers):
        if index:
            values = values.apply("Relu")
        values = values.apply("Gemm", layer.weights, layer.bias, transB=1)
    return values


def emit_linear(values: Tensor, layer: DenseLayer) -> Tensor:
    """[..., I] -> [..., O]: one dense layer at every step."""
    return values @ layer.weights.T + layer.bias


def emit_lstm(sequence: Tensor, layers: Sequence[LSTMLayer]) -> Tensor:
    """[T, N, I] -> the last layer's state after each row's last step, [N, H].

    Authored as ONNX ``LSTM`` operators with ``sequence_lens`` rather than traced: traced graphs silently fix T, and
    read the state after the padding instead of after the last real step.
    """
    graph = sequence.graph
    lengths = graph_input(graph, "lengths").cast(np.int32)
    final = sequence
    for layer in layers:
        given = [sequence.name, *(sequence.like(each).name for each in _parameters(layer)), lengths.name]
        steps, state, _ = graph.add_many("LSTM", given, outputs=3, hidden_size=layer.hidden)
        # Y is [T, directions, N, H]: without its direction axis it is the next layer's input.
        sequence, final = (Tensor(graph, name, np.float32) for name in (steps, state))
        sequence = sequence.squeeze(1)
    return final.squeeze(0)


def emit_conv(values: Tensor, layer: ConvLayer) -> Tensor:
    """[N, I, T] -> [N, O, T]."""
    reach = layer.dilation * (layer.weights.shape[2] // 2)
    return values.apply("Conv", layer.weights, layer.bias, dilations=[layer.dilation], pads=[reach, reach])


def emit_norm(values: Tensor, layer: NormLayer) -> Tensor:
    """[..., C] -> [..., C], each step with mean 0 and variance 1 before scale and shift."""
    return values.apply("LayerNormalization", layer.scale, layer.shift, axis=-1, epsilon=layer.epsilon)


def emit_softmax(values: Tensor, real: Tensor, *, axis: int) -> Tensor:
    """Softmax over what is ``real``, 0 elsewhere."""
    return real.where(values, -np.inf).softmax(axis)


def _parameters(layer: LSTMLayer) -> tuple[Float32, Float32, Float32]:
    """W [1, 4H, I], R [1, 4H, H] and B [1, 8H] in ONNX's order of gates."""
    biases = np.concatenate([_reordered(layer.input_bias), _reordered(layer.state_bias)])
    return _reordered(layer.input_weights)[None], _reordered(layer.state_weights)[None], biases[None]


def _reordered(stacked: Float32) -> Float32:
    gates = np.split(stacked, 4)
    return np.concatenate([gates[gate] for gate in _ONNX_GATES])
