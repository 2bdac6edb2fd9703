"""The raw tensors of a graph that was published as it is, described as in the Open Inference Protocol."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scoreline_registry.documents.base import FrozenModel, refuse_duplicates

Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
]
Side = Annotated[int, Field(ge=-1)]


class Tensor(FrozenModel):
    """One input or output of a graph. ``shape`` has -1 where a side varies; BYTES are strings."""

    name: str = Field(min_length=1, max_length=1000)
    datatype: Datatype
    shape: tuple[Side, ...] = ()


class TensorContract(FrozenModel):
    """The inputs and outputs of a graph without a score, in its own order. No route can use it."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates("input", (tensor.name for tensor in self.inputs))
        refuse_duplicates("output", (tensor.name for tensor in self.outputs))
        return self
