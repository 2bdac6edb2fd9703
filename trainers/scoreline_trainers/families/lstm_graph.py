"""A stack of LSTM layers and a dense head as ONNX nodes.

The layers are authored as ONNX ``LSTM`` operators with ``sequence_lens`` rather than traced: traced graphs silently fix
T, and read the state after the padding instead of after the last real step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from scoreline_registry.contract import InputContract
from scoreline_trainers.batch import Float32
from scoreline_trainers.graph import GraphBuilder
from scoreline_trainers.preprocessing import Design, Scaling

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
class Weights:
    """Everything that a graph needs: LSTM layers in order, then dense layers with ReLU between them."""

    recurrent: tuple[LSTMLayer, ...]
    dense: tuple[DenseLayer, ...]


def lstm_graph(inputs: InputContract, steps: Scaling, design: Design | None, weights: Weights) -> onnx.ModelProto:
    """The model: standardised steps, with a flag for each missing value -> LSTM -> [state, features] -> dense.

    Args:
        inputs: the contract.
        steps: scaling of the S step features.
        design: the features' matrix, where the model takes features too.
        weights: of the trained network.
    """
    graph = GraphBuilder(inputs)
    lengths = graph.cast("lengths", TensorProto.INT32)
    state = _recurrent(graph, _steps(graph, steps), lengths, weights.recurrent)
    if design is not None:
        columns = graph.cast(design.emit(graph, "features"), TensorProto.FLOAT)
        state = graph.add("Concat", state, columns, axis=1)
    return graph.build(graph.flat(graph.add("Sigmoid", _dense(graph, state, weights.dense))))


def _steps(graph: GraphBuilder, steps: Scaling) -> str:
    """[N, T, S] -> [T, N, 2S], the layout of the LSTM operator."""
    scaled = graph.cast(steps.emit(graph, "sequence"), TensorProto.FLOAT)
    missing = graph.cast(graph.add("IsNaN", "sequence"), TensorProto.FLOAT)
    return graph.add("Transpose", graph.add("Concat", scaled, missing, axis=2), perm=[1, 0, 2])


def _recurrent(graph: GraphBuilder, sequence: str, lengths: str, layers: Sequence[LSTMLayer]) -> str:
    """[T, N, I] -> the last layer's state after each row's last step, [N, H]."""
    direction = graph.constant([0], np.int64)
    for layer in layers:
        given = (sequence, *_parameters(graph, layer), lengths)
        every_step, final, _ = graph.add_many("LSTM", given, outputs=3, hidden_size=layer.hidden)
        # Y is [T, directions, N, H]: without its direction axis it is the next layer's input.
        sequence = graph.add("Squeeze", every_step, graph.constant([1], np.int64))
    return graph.add("Squeeze", final, direction)


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


def _dense(graph: GraphBuilder, value: str, layers: Sequence[DenseLayer]) -> str:
    for index, layer in enumerate(layers):
        if index:
            value = graph.add("Relu", value)
        weights = graph.constant(layer.weights, np.float32)
        value = graph.add("Gemm", value, weights, graph.constant(layer.bias, np.float32), transB=1)
    return value
