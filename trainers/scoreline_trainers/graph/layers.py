"""Parts of networks as ONNX nodes. All take and give float32 unless said otherwise; N and T stay dynamic."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from scoreline_trainers.data.batch import Float32
from scoreline_trainers.graph.builder import GraphBuilder

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


def emit_real_steps(graph: GraphBuilder) -> str:
    """bool [N, T]: which steps of ``sequence`` count; the others are padding."""
    steps = graph.add("Gather", graph.add("Shape", "sequence"), graph.constant(1, np.int64))
    places = graph.add("Range", graph.constant(0, np.int64), steps, graph.constant(1, np.int64))
    return graph.add("Less", places, emit_column(graph, "lengths"))


def emit_column(graph: GraphBuilder, values: str) -> str:
    """[N] of any type -> [N, 1]."""
    return graph.add("Unsqueeze", values, graph.constant([1], np.int64))


def emit_masked(graph: GraphBuilder, values: str, real: str) -> str:
    """[N, C, T] with zeros where ``real`` [N, T] says padding."""
    steps = graph.add("Unsqueeze", real, graph.constant([1], np.int64))
    return graph.add("Where", steps, values, graph.constant(0, np.float32))


def emit_dense(graph: GraphBuilder, values: str, layers: Sequence[DenseLayer]) -> str:
    """[N, I] -> [N, O]: dense layers with ReLU between them."""
    for index, layer in enumerate(layers):
        if index:
            values = graph.add("Relu", values)
        weights = graph.constant(layer.weights, np.float32)
        values = graph.add("Gemm", values, weights, graph.constant(layer.bias, np.float32), transB=1)
    return values


def emit_linear(graph: GraphBuilder, values: str, layer: DenseLayer) -> str:
    """[..., I] -> [..., O]: one dense layer at every step."""
    product = graph.add("MatMul", values, graph.constant(layer.weights.T, np.float32))
    return graph.add("Add", product, graph.constant(layer.bias, np.float32))


def emit_lstm(graph: GraphBuilder, sequence: str, layers: Sequence[LSTMLayer]) -> str:
    """[T, N, I] -> the last layer's state after each row's last step, [N, H].

    Authored as ONNX ``LSTM`` operators with ``sequence_lens`` rather than traced: traced graphs silently fix T, and
    read the state after the padding instead of after the last real step.
    """
    lengths = graph.cast("lengths", TensorProto.INT32)
    final = ""
    for layer in layers:
        given = (sequence, *_parameters(graph, layer), lengths)
        every_step, final, _ = graph.add_many("LSTM", given, outputs=3, hidden_size=layer.hidden)
        # Y is [T, directions, N, H]: without its direction axis it is the next layer's input.
        sequence = graph.add("Squeeze", every_step, graph.constant([1], np.int64))
    return graph.add("Squeeze", final, graph.constant([0], np.int64))


def emit_conv(graph: GraphBuilder, values: str, layer: ConvLayer) -> str:
    """[N, I, T] -> [N, O, T]."""
    reach = layer.dilation * (layer.weights.shape[2] // 2)
    parameters = graph.constant(layer.weights, np.float32), graph.constant(layer.bias, np.float32)
    return graph.add("Conv", values, *parameters, dilations=[layer.dilation], pads=[reach, reach])


def emit_norm(graph: GraphBuilder, values: str, layer: NormLayer) -> str:
    """[..., C] -> [..., C], each step with mean 0 and variance 1 before scale and shift."""
    parameters = graph.constant(layer.scale, np.float32), graph.constant(layer.shift, np.float32)
    return graph.add("LayerNormalization", values, *parameters, axis=-1, epsilon=layer.epsilon)


def _parameters(graph: GraphBuilder, layer: LSTMLayer) -> tuple[str, str, str]:
    """W [1, 4H, I], R [1, 4H, H] and B [1, 8H] in ONNX's order of gates."""
    biases = np.concatenate([_reordered(layer.input_bias), _reordered(layer.state_bias)])
    return (
        graph.constant(_reordered(layer.input_weights)[None], np.float32),
        graph.constant(_reordered(layer.state_weights)[None], np.float32),
        graph.constant(biases[None], np.float32),
    )


def _reordered(stacked: Float32) -> Float32:
    gates = np.split(stacked, 4)
    return np.concatenate([gates[gate] for gate in _ONNX_GATES])
