"""Authors ONNX graphs in the standard signature, and brings graphs that others made to the same opsets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from scoreline_registry.contract import InputContract

# What every ONNX Runtime that a server may run reads, and what graphs must share to be merged.
OPSET = 21
ML_OPSET = 3
IR_VERSION = 10
ML_DOMAIN = "ai.onnx.ml"

SCORE = "score"


@dataclass(frozen=True, slots=True)
class Extra:
    """An output beside the score: a float32 tensor [N, *shape]; a length that varies is given as its name, like "T"."""

    tensor: str
    shape: tuple[int | str, ...] = ()


class GraphBuilder:
    """Adds nodes one by one; every ``add`` and ``constant`` returns the name of the tensor it makes."""

    def __init__(self, inputs: InputContract) -> None:
        self._inputs = inputs
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """A fixed tensor."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output; "" stands for an optional input that is left out."""
        return self.add_many(op, inputs, outputs=1, domain=domain, **attributes)[0]

    def add_many(
        self, op: str, inputs: Sequence[str], *, outputs: int, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """A node with several outputs."""
        stem = f"{op.lower()}_{len(self._nodes)}"
        names = tuple(f"{stem}_{index}" for index in range(outputs))
        self._nodes.append(helper.make_node(op, list(inputs), list(names), name=stem, domain=domain, **attributes))
        return names

    def cast(self, tensor: str, to: int) -> str:
        """``tensor`` as another element type, one of ``onnx.TensorProto``'s."""
        return self.add("Cast", tensor, to=to)

    def columns(self, tensor: str, indices: Sequence[int]) -> str:
        """[N, F] -> [N, len(indices)]."""
        return self.add("Gather", tensor, self.constant(indices, np.int64), axis=1)

    def column(self, tensor: str, index: int) -> str:
        """[N, F] -> [N]."""
        return self.add("Gather", tensor, self.constant(index, np.int64), axis=1)

    def flat(self, tensor: str) -> str:
        """[N, 1] -> [N]."""
        return self.add("Squeeze", tensor, self.constant([1], np.int64))

    def build(self, score: str, *, extras: Mapping[str, Extra] | None = None) -> onnx.ModelProto:
        """The finished model.

        Args:
            score: the float32 [N] tensor that is the score.
            extras: further outputs by name.

        Raises:
            onnx.checker.ValidationError: the graph is not valid ONNX.
        """
        outputs = [self._output(SCORE, score, ())]
        outputs += [self._output(name, extra.tensor, extra.shape) for name, extra in (extras or {}).items()]
        graph = helper.make_graph(self._nodes, "model", input_values(self._inputs), outputs, self._constants)
        return normalised(helper.make_model(graph))

    def _output(self, name: str, tensor: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])


def input_values(inputs: InputContract) -> list[onnx.ValueInfoProto]:
    """The declared graph inputs for a contract, in the standard order; N and T are dynamic."""
    values = []
    if inputs.features:
        shape: list[str | int | None] = ["N", len(inputs.features)]
        values.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, shape))
    if inputs.sequence is not None:
        steps: list[str | int | None] = ["N", "T", len(inputs.sequence.features)]
        values.append(helper.make_tensor_value_info("sequence", TensorProto.FLOAT, steps))
        values.append(helper.make_tensor_value_info("lengths", TensorProto.INT64, ["N"]))
    return values


def output_names(model: onnx.ModelProto) -> tuple[str, ...]:
    """The names of a graph's outputs in its order."""
    return tuple(output.name for output in model.graph.output)


def normalised(model: onnx.ModelProto) -> onnx.ModelProto:
    """A checked copy at this package's opsets and IR version, without shapes that the tool which made it guessed.

    Raises:
        onnx.checker.ValidationError: the graph is not valid at these opsets.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.opset_import[:]
    copy.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)])
    copy.ir_version = IR_VERSION
    copy.producer_name, copy.producer_version = "scoreline", ""
    del copy.graph.value_info[:]
    onnx.checker.check_model(copy, full_check=True)
    return copy
