"""Which sources each column of a tensor is computed from, read from the graph.

Where a column depends on one source alone, what a model adds up over columns can be added up over sources. Operators
that are not known here are taken to mix all that they read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from scoreline_trainers.explanation.graph_index import GraphIndex, attribute

Sources = frozenset[int]

_NONE: Sources = frozenset()

# Operators that compute every element from the elements at the same place, operands broadcast.
_ELEMENTWISE = (
    *("Abs", "Add", "And", "Cast", "Ceil", "Clip", "Div", "Equal", "Erf", "Exp", "Floor", "Greater", "GreaterOrEqual"),
    *("Identity", "IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "Max", "Min", "Mul", "Neg", "Not", "Or", "Pow"),
    *("Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Softplus", "Sqrt", "Sub", "Tanh", "Where", "Xor"),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The sources of each place along axis 1 of a tensor of the given rank."""

    sources: tuple[Sources, ...]
    rank: int = 2

    @property
    def all(self) -> Sources:
        """Those of any column."""
        return frozenset().union(*self.sources)


@dataclass(frozen=True, slots=True)
class Mixed:
    """A tensor each of whose elements may depend on all of some sources; ``rank`` is None where it is not known."""

    all: Sources
    rank: int | None = None


Provenance = Columns | Mixed


class Provenances:
    """The provenance of a graph's tensors, each computed once."""

    def __init__(self, graph: GraphIndex, inputs: dict[str, Provenance]) -> None:
        """``inputs``: of the graph's inputs."""
        self._graph, self._known = graph, dict(inputs)

    def columns(self, tensor: str, width: int) -> tuple[Sources, ...]:
        """The sources of each of ``width`` columns of a tensor."""
        found = self.of(tensor)
        if isinstance(found, Columns) and len(found.sources) == width:
            return found.sources
        return (found.all,) * width

    def of(self, tensor: str) -> Provenance:
        """Where a tensor comes from."""
        pending = [tensor]
        while pending:
            name = pending[-1]
            needs = [each for each in self._reads(name) if each not in self._known]
            if name in self._known or not needs:
                pending.pop()
                self._known.setdefault(name, self._made(name))
            else:
                pending += needs
        return self._known[tensor]

    def _reads(self, tensor: str) -> Sequence[str]:
        node = self._graph.maker(tensor)
        if node is None:
            return ()
        inside = [each for part in node.attribute if part.HasField("g") for each in _outer_reads(part.g)]
        return [name for name in (*node.input, *inside) if name and name not in self._graph.constants]

    def _made(self, tensor: str) -> Provenance:
        node = self._graph.maker(tensor)
        if node is None:
            return Mixed(_NONE)
        read = [self._known[name] for name in self._reads(tensor)]
        if node.op_type in _ELEMENTWISE:
            return _elementwise(read)
        if node.op_type == "Gather":
            return self._gathered(node)
        if node.op_type == "Concat":
            return _concatenated(read, attribute(node, "axis"))
        if node.op_type in ("Unsqueeze", "Squeeze", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"):
            return self._behind_columns(node, read)
        return Mixed(frozenset().union(*(each.all for each in read)))

    def _gathered(self, node: onnx.NodeProto) -> Provenance:
        """Some columns by constant places, or rows of a constant table."""
        data, places = node.input
        axis, chosen = attribute(node, "axis", 0), self._graph.integers(places)
        if data in self._graph.constants:
            table = self._graph.constants[data]
            read = self._known[places].all
            return Columns((read,) * table.shape[1]) if axis == 0 and table.ndim == 2 else Mixed(read)
        found = self._known[data]
        if chosen is None or not isinstance(found, Columns) or axis % found.rank != 1:
            return Mixed(found.all | (_NONE if chosen is not None else self._known[places].all))
        sources, depth = tuple(found.sources[place] for place in chosen), self._graph.constants[places].ndim
        return Columns(sources, found.rank) if depth == 1 else Mixed(Columns(sources).all, found.rank - 1 + depth)

    def _behind_columns(self, node: onnx.NodeProto, read: Sequence[Provenance]) -> Provenance:
        """Axes behind the columns may come and go; an axis of one column comes behind rows without any."""
        found = read[0]
        axes = self._graph.integers(node.input[1]) if len(node.input) > 1 else None
        if node.op_type == "Unsqueeze" and isinstance(found, Mixed) and found.rank == 1 and axes in ([1], [-1]):
            return Columns((found.all,))
        if not isinstance(found, Columns) or axes is None:
            return Mixed(frozenset().union(*(each.all for each in read)))
        adds = node.op_type == "Unsqueeze"
        gone = not adds and (node.op_type == "Squeeze" or not attribute(node, "keepdims", 1))
        rank = found.rank + (len(axes) if adds else -len(axes) if gone else 0)
        counted = rank if adds else found.rank
        if any(axis % counted < 2 for axis in axes):
            return Mixed(found.all, None if any(axis % counted == 0 for axis in axes) else rank)
        return Columns(found.sources, rank)


def _elementwise(read: Sequence[Provenance]) -> Provenance:
    """Operands with as many columns share them; an operand that may be anything mixes all."""
    if len(read) == 1:
        return read[0]
    widths = {(len(each.sources), each.rank) if isinstance(each, Columns) else None for each in read}
    if len(widths) != 1 or None in widths:
        ranks = {each.rank for each in read}
        return Mixed(frozenset().union(*(each.all for each in read)), ranks.pop() if len(ranks) == 1 else None)
    parts = [each for each in read if isinstance(each, Columns)]
    return Columns(
        tuple(frozenset().union(*each) for each in zip(*(p.sources for p in parts), strict=True)), parts[0].rank
    )


def _concatenated(read: Sequence[Provenance], axis: int) -> Provenance:
    sources: list[Sources] = []
    for each in read:
        if not isinstance(each, Columns) or axis % each.rank != 1:
            return Mixed(frozenset().union(*(part.all for part in read)))
        sources += each.sources
    ranks = [each.rank for each in read if isinstance(each, Columns)]
    return Columns(tuple(sources), ranks[0])


def _outer_reads(graph: onnx.GraphProto) -> Sequence[str]:
    return [name for node in graph.node for name in node.input]
