"""Models that were published as they are: what their graphs must take and give, and their golden call."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from scoreline_registry.documents.tensors import Datatype, Tensor, TensorContract

Arrays = Mapping[str, npt.NDArray[Any]]

ONNX_RUNTIME_TYPES: Mapping[Datatype, str] = {
    "BOOL": "tensor(bool)",
    "UINT8": "tensor(uint8)",
    "UINT16": "tensor(uint16)",
    "UINT32": "tensor(uint32)",
    "UINT64": "tensor(uint64)",
    "INT8": "tensor(int8)",
    "INT16": "tensor(int16)",
    "INT32": "tensor(int32)",
    "INT64": "tensor(int64)",
    "FP16": "tensor(float16)",
    "FP32": "tensor(float)",
    "FP64": "tensor(double)",
    "BYTES": "tensor(string)",
}
"""How ONNX Runtime calls the datatypes of the Open Inference Protocol."""


def input_types(inputs: Iterable[Tensor]) -> dict[str, str]:
    """Each input's type, as a session states it."""
    return {tensor.name: ONNX_RUNTIME_TYPES[tensor.datatype] for tensor in inputs}


def golden_call(tensors: TensorContract, golden: Arrays) -> tuple[Arrays, Arrays]:
    """The inputs and outputs of the golden call by their names.

    Raises:
        KeyError: an array is not there.
    """
    inputs = {tensor.name: golden[f"input_{index}"] for index, tensor in enumerate(tensors.inputs)}
    outputs = {tensor.name: golden[f"output_{index}"] for index, tensor in enumerate(tensors.outputs)}
    return inputs, outputs
