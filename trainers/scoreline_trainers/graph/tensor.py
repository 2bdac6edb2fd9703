"""Tensors of a graph under construction that are written like arithmetic. All numbers are doubles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from scoreline_trainers.graph.builder import GraphBuilder


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor, double unless a method says otherwise; operands broadcast as in numpy."""

    graph: GraphBuilder
    name: str

    def like(self, value: npt.ArrayLike) -> "Tensor":
        """A constant double in the same graph."""
        return Tensor(self.graph, self.graph.constant(value, np.float64))

    def __add__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("Add", other)

    def __sub__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("Sub", other)

    def __mul__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("Mul", other)

    def __truediv__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("Div", other)

    def __gt__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("Greater", other)

    def __ge__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("GreaterOrEqual", other)

    def __lt__(self, other: "Tensor | float") -> "Tensor":
        return self.apply("Less", other)

    def __and__(self, other: "Tensor") -> "Tensor":
        return self.apply("And", other)

    def equals(self, other: "Tensor | float") -> "Tensor":
        """Where both are the same, as bool."""
        return self.apply("Equal", other)

    def apply(self, op: str, *others: "Tensor | float", **attributes: Any) -> "Tensor":
        """Any operator with this tensor as its first input."""
        names = [other.name if isinstance(other, Tensor) else self.like(other).name for other in others]
        return Tensor(self.graph, self.graph.add(op, self.name, *names, **attributes))

    def where(self, true: "Tensor | float", false: "Tensor | float") -> "Tensor":
        """This tensor of bools chooses."""
        return self.apply("Where", true, false)

    def missing(self) -> "Tensor":
        """Where it is NaN, as bool."""
        return self.apply("IsNaN")

    def number(self) -> "Tensor":
        """As double: bools become 0 and 1."""
        return self._cast(TensorProto.DOUBLE)

    def whole(self) -> "Tensor":
        """As int64, cut off towards zero."""
        return self._cast(TensorProto.INT64)

    def total(self, axis: int = -1) -> "Tensor":
        """The sum over one axis, which goes."""
        return self._reduced("ReduceSum", axis)

    def largest(self, axis: int = -1) -> "Tensor":
        """The maximum over one axis, which goes."""
        return self._reduced("ReduceMax", axis)

    def smallest(self, axis: int = -1) -> "Tensor":
        """The minimum over one axis, which goes."""
        return self._reduced("ReduceMin", axis)

    def wider(self, axis: int) -> "Tensor":
        """With a new axis of length one."""
        return self._with_axes("Unsqueeze", axis)

    def narrower(self, axis: int) -> "Tensor":
        """Without an axis of length one."""
        return self._with_axes("Squeeze", axis)

    def columns(self, indices: Sequence[int]) -> "Tensor":
        """[N, F] -> [N, len(indices)]."""
        return Tensor(self.graph, self.graph.columns(self.name, indices))

    def beside(self, *others: "Tensor") -> "Tensor":
        """The columns of this and of the others."""
        return self.apply("Concat", *others, axis=1)

    def _reduced(self, op: str, axis: int) -> "Tensor":
        axes = self.graph.constant([axis], np.int64)
        return Tensor(self.graph, self.graph.add(op, self.name, axes, keepdims=0))

    def _with_axes(self, op: str, axis: int) -> "Tensor":
        return Tensor(self.graph, self.graph.add(op, self.name, self.graph.constant([axis], np.int64)))

    def _cast(self, kind: int) -> "Tensor":
        return Tensor(self.graph, self.graph.cast(self.name, kind))
