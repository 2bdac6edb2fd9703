"""A graph's tensors by name: the node that makes each, and the constants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper


@dataclass(frozen=True, slots=True, eq=False)
class GraphIndex:
    """Tensor -> the node that makes it, and constant -> its value."""

    makers: Mapping[str, onnx.NodeProto]
    constants: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> "GraphIndex":
        """Reads a model's outermost graph."""
        makers = {output: node for node in model.graph.node for output in node.output}
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for name, node in makers.items():
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                constants[name] = numpy_helper.to_array(node.attribute[0].t)
        return cls(makers, constants)

    def maker(self, tensor: str) -> onnx.NodeProto | None:
        """The node that makes a tensor; None for inputs and constants."""
        return None if tensor in self.constants else self.makers.get(tensor)

    def number(self, tensor: str) -> float | None:
        """The value of a constant with one element; None for any other tensor."""
        value = self.constants.get(tensor)
        return None if value is None or value.size != 1 else float(value.reshape(()))

    def integers(self, tensor: str) -> list[int] | None:
        """The values of a constant of integers, flat; None for any other tensor."""
        value = self.constants.get(tensor)
        if value is None or not np.issubdtype(value.dtype, np.integer):
            return None
        return [int(each) for each in value.reshape(-1)]


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """The value of a node's attribute."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)
