"""Tensors of a graph under construction, written like NumPy arrays.

A number or array beside a tensor becomes a constant of its element type, so that float32 graphs stay float32 and
double ones double.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import helper

from scoreline_registry.documents.signature import SIGNATURE
from scoreline_trainers.data.batch import INPUT_DTYPES
from scoreline_trainers.graph.builder import GraphBuilder

DType = type[np.generic]
Operand: TypeAlias = "Tensor | npt.ArrayLike"

_END = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of a graph; operands broadcast as in NumPy.

    Attributes:
        graph: that the tensor is part of, and that every method adds nodes to.
        name: in the graph.
        dtype: element type, as NumPy names it.
    """

    graph: GraphBuilder
    name: str
    dtype: DType = np.float64

    def __add__(self, other: Operand) -> "Tensor":
        return self.apply("Add", other)

    def __sub__(self, other: Operand) -> "Tensor":
        return self.apply("Sub", other)

    def __rsub__(self, other: npt.ArrayLike) -> "Tensor":
        return self.like(other) - self

    def __mul__(self, other: Operand) -> "Tensor":
        return self.apply("Mul", other)

    def __truediv__(self, other: Operand) -> "Tensor":
        return self.apply("Div", other)

    def __matmul__(self, other: Operand) -> "Tensor":
        return self.apply("MatMul", other)

    def __neg__(self) -> "Tensor":
        return self.apply("Neg")

    def __abs__(self) -> "Tensor":
        return self.apply("Abs")

    def __gt__(self, other: Operand) -> "Tensor":
        return self._compared("Greater", other)

    def __ge__(self, other: Operand) -> "Tensor":
        return self._compared("GreaterOrEqual", other)

    def __lt__(self, other: Operand) -> "Tensor":
        return self._compared("Less", other)

    def __and__(self, other: "Tensor") -> "Tensor":
        return self.apply("And", other)

    def __invert__(self) -> "Tensor":
        return self.apply("Not")

    def equal(self, other: Operand) -> "Tensor":
        """bool: where both are the same."""
        return self._compared("Equal", other)

    def isnan(self) -> "Tensor":
        """bool: where it is NaN."""
        return self.apply("IsNaN", dtype=np.bool_)

    def where(self, true: Operand, false: Operand) -> "Tensor":
        """``true`` where this tensor of bools is true, else ``false``; two numbers make doubles."""
        kinds = [each.dtype for each in (true, false) if isinstance(each, Tensor)]
        return replace(self, dtype=kinds[0] if kinds else np.float64).apply("Where", true, false)

    def maximum(self, *others: Operand) -> "Tensor":
        """The greater of each pair; NaN where one is NaN."""
        return self.apply("Max", *others)

    def minimum(self, *others: Operand) -> "Tensor":
        """The smaller of each pair; NaN where one is NaN."""
        return self.apply("Min", *others)

    def clip(self, low: float, high: float) -> "Tensor":
        """Moved into [low, high]."""
        return self.apply("Clip", low, high)

    def sum(self, axis: int = -1, *, keepdims: bool = False) -> "Tensor":
        """The sum over one axis."""
        return self._reduced("ReduceSum", axis, keepdims=keepdims)

    def mean(self, axis: int = -1) -> "Tensor":
        """The mean over one axis."""
        return self._reduced("ReduceMean", axis)

    def max(self, axis: int = -1) -> "Tensor":
        """The maximum over one axis."""
        return self._reduced("ReduceMax", axis)

    def min(self, axis: int = -1) -> "Tensor":
        """The minimum over one axis."""
        return self._reduced("ReduceMin", axis)

    def softmax(self, axis: int) -> "Tensor":
        """exp(x), divided by its sum over one axis."""
        return self.apply("Softmax", axis=axis)

    def nonzero(self) -> "Tensor":
        """int64 [n]: the places where a tensor of one axis is not 0."""
        return self.apply("NonZero", dtype=np.int64).squeeze(0)

    def argmax(self, axis: int = -1, *, last: bool = False) -> "Tensor":
        """int64: the place of the maximum along one axis, the first or the last of equal ones."""
        return self.apply("ArgMax", dtype=np.int64, axis=axis, keepdims=0, select_last_index=int(last))

    def sort(self, axis: int = -1) -> "Tensor":
        """Ascending along one axis."""
        size = self.shape(axis).unsqueeze(0)
        values, _ = self.graph.add_many("TopK", (self.name, size.name), outputs=2, axis=axis, largest=0, sorted=1)
        return Tensor(self.graph, values, self.dtype)

    def cast(self, dtype: DType = np.float64) -> "Tensor":
        """As another element type; bools become 0 and 1."""
        if dtype == self.dtype:
            return self
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return Tensor(self.graph, self.graph.add("Cast", self.name, to=kind), dtype)

    def to_int64(self) -> "Tensor":
        """As int64, fractions cut off towards zero."""
        return self.cast(np.int64)

    def unsqueeze(self, *axes: int) -> "Tensor":
        """With new axes of length one."""
        return self._with_axes("Unsqueeze", axes)

    def squeeze(self, *axes: int) -> "Tensor":
        """Without axes of length one."""
        return self._with_axes("Squeeze", axes)

    def transpose(self, *order: int) -> "Tensor":
        """With its axes in another order."""
        return self.apply("Transpose", perm=list(order))

    def reshape(self, *shape: int) -> "Tensor":
        """In another shape; 0 keeps an axis, -1 takes what is left."""
        return self._with_axes("Reshape", shape)

    def shape(self, axis: int) -> "Tensor":
        """int64 scalar: the length of one axis."""
        shape = Tensor(self.graph, self.graph.add("Shape", self.name), np.int64)
        return shape.gather(axis)

    def gather(self, indices: "Tensor | int | Sequence[int]", axis: int = 0) -> "Tensor":
        """The elements at ``indices`` of one axis, as ``numpy.take``."""
        places = indices if isinstance(indices, Tensor) else constant(self.graph, indices, np.int64)
        return self.apply("Gather", places, axis=axis)

    def gather_elements(self, indices: "Tensor", axis: int = -1) -> "Tensor":
        """One element of an axis for each index, as ``numpy.take_along_axis``."""
        return self.apply("GatherElements", indices, axis=axis)

    def columns(self, indices: Sequence[int]) -> "Tensor":
        """[N, F] -> [N, len(indices)]."""
        return self.gather(list(indices), axis=1)

    def slice(self, start: int, stop: int = _END, axis: int = 0) -> "Tensor":
        """From ``start`` up to but without ``stop`` along one axis."""
        ends = [constant(self.graph, [end], np.int64) for end in (start, stop, axis)]
        return self.apply("Slice", *ends)

    def concat(self, *others: "Tensor", axis: int = 1) -> "Tensor":
        """This and the others along one axis."""
        return self.apply("Concat", *others, axis=axis) if others else self

    def like(self, value: npt.ArrayLike) -> "Tensor":
        """A constant of the same element type in the same graph."""
        return constant(self.graph, value, self.dtype)

    def apply(self, op: str, *others: Operand, dtype: DType | None = None, **attributes: Any) -> "Tensor":
        """Any operator with this tensor as its first input; ``dtype`` is its output's, by default this tensor's."""
        names = [other.name if isinstance(other, Tensor) else self.like(other).name for other in others]
        return Tensor(self.graph, self.graph.add(op, self.name, *names, **attributes), dtype or self.dtype)

    def _compared(self, op: str, other: Operand) -> "Tensor":
        return self.apply(op, other, dtype=np.bool_)

    def _reduced(self, op: str, axis: int, *, keepdims: bool = False) -> "Tensor":
        return self.apply(op, constant(self.graph, [axis], np.int64), keepdims=int(keepdims))

    def _with_axes(self, op: str, axes: Sequence[int]) -> "Tensor":
        return self.apply(op, constant(self.graph, list(axes), np.int64))


def constant(graph: GraphBuilder, value: npt.ArrayLike, dtype: DType = np.float64) -> Tensor:
    """A fixed tensor."""
    return Tensor(graph, graph.constant(value, dtype), dtype)


def graph_input(graph: GraphBuilder, name: str) -> Tensor:
    """An input of the standard signature."""
    return Tensor(graph, name, INPUT_DTYPES[SIGNATURE[name].datatype])


def arange(stop: Tensor) -> Tensor:
    """int64 [stop]: 0, 1, 2, ... up to but without an int64 scalar."""
    return stop.like(0).apply("Range", stop, 1)


def concat(tensors: Sequence[Tensor], axis: int = 1) -> Tensor:
    """All of them along one axis."""
    return tensors[0].concat(*tensors[1:], axis=axis)
