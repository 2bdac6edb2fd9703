"""Builds ONNX graphs in the standard signature, joins graphs, and converts graphs to the same opsets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, version_converter

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import SCORE, graph_inputs
from scoreline_registry.documents.tensors import Datatype

# What every ONNX Runtime that a server may run reads, and what graphs must share to be merged.
OPSET = 21
ML_OPSET = 3
IR_VERSION = 10
ML_DOMAIN = "ai.onnx.ml"


@dataclass(frozen=True, slots=True)
class Extra:
    """An output: a float32 tensor [N, *shape]; a length that varies is given as its name, like "T"."""

    tensor: str
    shape: tuple[int | str, ...] = ()


class GraphBuilder:
    """Adds nodes one by one; every ``add`` and ``constant`` returns the name of the tensor it makes.

    The same operator on the same inputs, and the same constant, are added once: parts that are written independently
    share what they have in common. Models are written with ``tensor.Tensor``, on top of this.
    """

    def __init__(self, inputs: InputContract) -> None:
        self._inputs = inputs
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._prefixes: set[str] = set()
        self._made: dict[bytes, tuple[str, ...]] = {}
        self._kept: set[str] = set()

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """A fixed tensor."""
        tensor = numpy_helper.from_array(np.asarray(value, dtype))
        key = tensor.SerializeToString(deterministic=True)
        if key not in self._made:
            tensor.name = f"constant_{len(self._constants)}"
            self._constants.append(tensor)
            self._made[key] = (tensor.name,)
        return self._made[key][0]

    def parameter(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """A fixed tensor that is never shared and keeps its name, so that it can be read and exchanged later.

        Where the model is embedded, the name is the last part of the tensor's path. Raises ValueError for a name that
        is taken.
        """
        self._take(name)
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def named(self, tensor: str, name: str) -> str:
        """``tensor`` under a name that it keeps like a ``parameter``. Raises ValueError for a name that is taken."""
        self._take(name)
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"identity_{len(self._nodes)}"))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output; "" leaves an optional input out."""
        return self.add_many(op, inputs, outputs=1, domain=domain, **attributes)[0]

    def add_many(
        self, op: str, inputs: Sequence[str], *, outputs: int, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """A node with several outputs."""
        node = helper.make_node(op, list(inputs), [""] * outputs, domain=domain, **attributes)
        key = node.SerializeToString(deterministic=True)
        if key not in self._made:
            node.name = f"{op.lower()}_{len(self._nodes)}"
            node.output[:] = [f"{node.name}_{index}" for index in range(outputs)]
            self._nodes.append(node)
            self._made[key] = tuple(node.output)
        return self._made[key]

    def cast(self, tensor: str, to: int) -> str:
        """``tensor`` as another element type, one of ``onnx.TensorProto``'s."""
        return self.add("Cast", tensor, to=to)

    def columns(self, tensor: str, indices: Sequence[int]) -> str:
        """[N, F] -> [N, len(indices)]."""
        return self.add("Gather", tensor, self.constant(indices, np.int64), axis=1)

    def column(self, tensor: str, index: int) -> str:
        """[N, F] -> [N]."""
        return self.add("Gather", tensor, self.constant(index, np.int64), axis=1)

    def maker(self, tensor: str) -> onnx.NodeProto | None:
        """The node that makes ``tensor``; None for an input or a constant."""
        return next((node for node in self._nodes if tensor in node.output), None)

    def embed(
        self, model: onnx.ModelProto, *, prefix: str, feeds: Mapping[str, str] | None = None
    ) -> Mapping[str, Extra]:
        """Adds the nodes of a whole model, so that models can be chained or combined.

        Args:
            model: at any opset that converts to this package's.
            prefix: of its names in this graph, different for every model that is embedded.
            feeds: the model's input -> the tensor here that it reads; one not named reads the input of its name.

        Returns:
            The model's outputs by their own names.

        Raises:
            ValueError: the prefix is taken, or ``feeds`` names an input that the model does not have.
            onnx.checker.ValidationError: the model is not valid at these opsets.
        """
        graph, feeds = normalised(model).graph, feeds or {}
        constants = {tensor.name for tensor in graph.initializer}
        inputs = [value.name for value in graph.input if value.name not in constants]
        if prefix in self._prefixes or not feeds.keys() <= set(inputs):
            raise ValueError(f"cannot embed {prefix!r}: its name is taken, or it has no input {sorted(feeds)}")
        self._prefixes.add(prefix)
        names = _Names(prefix, {name: feeds.get(name, name) for name in inputs})
        self._nodes += [names.node(node) for node in graph.node]
        self._constants += [names.constant(tensor) for tensor in graph.initializer]
        return {value.name: Extra(names[value.name], _shape_behind_rows(value)) for value in graph.output}

    def build(self, score: str, *, extras: Mapping[str, Extra] | None = None) -> onnx.ModelProto:
        """The finished model.

        Args:
            score: the float32 [N] tensor that is the score.
            extras: further outputs by name.

        Raises:
            onnx.checker.ValidationError: the graph is not valid ONNX.
        """
        return self.build_outputs({SCORE: Extra(score), **(extras or {})})

    def build_outputs(self, outputs: Mapping[str, Extra]) -> onnx.ModelProto:
        """A model with these outputs and no score, to be put in front of a model that scores."""
        values = [self._output(name, extra.tensor, extra.shape) for name, extra in outputs.items()]
        graph = helper.make_graph(self._nodes, "model", input_values(self._inputs), values, self._constants)
        return normalised(helper.make_model(graph, opset_imports=_opsets()))

    def _take(self, name: str) -> None:
        if name in self._kept:
            raise ValueError(f"a tensor is called {name!r} already")
        self._kept.add(name)

    def _output(self, name: str, tensor: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])


INPUT_TYPES: Mapping[Datatype, int] = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64, "BOOL": TensorProto.BOOL}
"""ONNX's types of the standard inputs."""


def input_values(inputs: InputContract) -> list[onnx.ValueInfoProto]:
    """The declared graph inputs for a contract, in the standard order; N, T and K are dynamic."""
    return [
        helper.make_tensor_value_info(put.name, INPUT_TYPES[put.datatype], list(put.shape))
        for put in graph_inputs(inputs)
    ]


def output_names(model: onnx.ModelProto) -> tuple[str, ...]:
    """The names of a graph's outputs in its order."""
    return tuple(output.name for output in model.graph.output)


def joined(
    first: onnx.ModelProto, second: onnx.ModelProto, *, inputs: InputContract, feeds: Mapping[str, str]
) -> onnx.ModelProto:
    """One model that runs ``first``, then ``second`` on what it gives; its outputs are the second's.

    Args:
        first: a model of the graph inputs, such as one that computes columns.
        second: may read graph inputs too.
        inputs: the contract of the whole.
        feeds: input of ``second`` -> output of ``first``.

    Raises:
        ValueError: ``feeds`` names an input or output that is not there.
    """
    graph = GraphBuilder(inputs)
    given = graph.embed(first, prefix="first")
    if not set(feeds.values()) <= given.keys():
        raise ValueError(f"the first model gives {sorted(given)}, not {sorted(feeds.values())}")
    read = {name: given[output].tensor for name, output in feeds.items()}
    return graph.build_outputs(graph.embed(second, prefix="second", feeds=read))


def normalised(model: onnx.ModelProto) -> onnx.ModelProto:
    """A checked copy at this package's opsets and IR version, without shapes that the tool which made it guessed.

    Raises:
        onnx.checker.ValidationError: the graph is not valid at these opsets.
    """
    copy = _converted(model)
    del copy.opset_import[:]
    copy.opset_import.extend(_opsets())
    copy.ir_version = IR_VERSION
    copy.producer_name, copy.producer_version = "scoreline", ""
    del copy.graph.value_info[:]
    onnx.checker.check_model(copy, full_check=True)
    return copy


def _opsets() -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]


def _converted(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without local functions whose own operators mean what they mean at OPSET."""
    flat = inliner.inline_local_functions(model) if model.functions else model
    copy = onnx.ModelProto()
    copy.CopyFrom(flat)
    declared = next((opset.version for opset in copy.opset_import if not opset.domain), OPSET)
    return version_converter.convert_version(copy, OPSET) if declared < OPSET else copy


def _shape_behind_rows(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim[1:])


class _Names:
    """New names for the tensors of an embedded graph: its inputs by ``given``, the others by the prefix."""

    def __init__(self, prefix: str, given: Mapping[str, str]) -> None:
        self._prefix, self._given = prefix, given

    def __getitem__(self, name: str) -> str:
        return self._given.get(name) or (f"{self._prefix}/{name}" if name else "")

    def constant(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        """A renamed copy."""
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = self[tensor.name]
        return copy

    def node(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """A renamed copy, the graphs inside it too."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = self[node.name]
        copy.input[:] = [self[name] for name in node.input]
        copy.output[:] = [self[name] for name in node.output]
        for attribute in copy.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                self._rename(graph)
        return copy

    def _rename(self, graph: onnx.GraphProto) -> None:
        """Renames a graph inside a node in place: it may read tensors of the graph outside."""
        values: Iterable[onnx.ValueInfoProto | onnx.TensorProto] = (*graph.input, *graph.output, *graph.initializer)
        for value in values:
            value.name = self[value.name]
        del graph.value_info[:]
        inside = [self.node(node) for node in graph.node]
        del graph.node[:]
        graph.node.extend(inside)
