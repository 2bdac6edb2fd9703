"""An external graph inside the standard signature: columns, names and numbers in front of it, one score behind it."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, version_converter

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import FEATURES, SCORE, SIGNATURE
from scoreline_registry.errors import first_line
from scoreline_trainers.graph.builder import INPUT_TYPES, ML_DOMAIN, OPSET, Extra, GraphBuilder
from scoreline_trainers.publishing.inputs import InputSource
from scoreline_trainers.publishing.outputs import OutputSource
from scoreline_trainers.publishing.refusal import UnfitError
from scoreline_trainers.publishing.screening import required_inputs
from scoreline_trainers.publishing.source_model import category_names

_PREFIX = "model"


def wrapped(
    model: onnx.ModelProto,
    *,
    inputs: InputContract,
    sources: Sequence[InputSource],
    outputs: Mapping[str, OutputSource],
    bounded: bool = False,
) -> onnx.ModelProto:
    """The model in the standard signature, at this package's opsets.

    Args:
        model: screened; left as it is.
        inputs: the contract of the whole.
        sources: of each of the model's inputs.
        outputs: what each published output is made of, by its name; ``score`` is among them.
        bounded: whether scores below 0 become 0 and those above 1 become 1; NaN stays.

    Raises:
        UnfitError: the graph cannot be brought to these opsets.
    """
    graph = GraphBuilder(inputs)
    feeds = {source.name: _fed(graph, source, inputs) for source in sources}
    try:
        inner = graph.embed(_bare(model, outputs), prefix=_PREFIX, feeds=feeds)
        made = {name: _output(graph, inner[each.tensor].tensor, each, name) for name, each in outputs.items()}
        score = made.pop(SCORE)
        return graph.build_outputs({SCORE: _bounded(graph, score) if bounded else score, **made})
    except Exception as error:
        reason = first_line(error)
        raise UnfitError([f"it cannot be brought to opset {OPSET}: {reason}"]) from error


def _fed(graph: GraphBuilder, source: InputSource, inputs: InputContract) -> str:
    """The tensor that an input of the model reads."""
    if source.part != FEATURES:
        return _cast(graph, source.part, source.elem_type, declared=INPUT_TYPES[SIGNATURE[source.part].datatype])
    if source.elem_type == TensorProto.STRING:
        names = [_names(graph, column, inputs) for column in source.columns]
        block = names[0] if len(names) == 1 else graph.add("Concat", *names, axis=1)
    elif source.columns == tuple(range(len(inputs.features))):
        block = _cast(graph, FEATURES, source.elem_type)
    else:
        block = _cast(graph, graph.columns(FEATURES, source.columns), source.elem_type)
    return block if source.rank == 2 else graph.add("Reshape", block, graph.constant([-1], np.int64))


def _names(graph: GraphBuilder, column: int, inputs: InputContract) -> str:
    """string [N, 1]: the names of a category's codes."""
    names = category_names(inputs.features[column])
    code = graph.columns(FEATURES, [column])
    known = graph.add("Where", graph.add("IsNaN", code), graph.constant(len(names) - 1, np.float32), code)
    return graph.add("Gather", graph.constant(names, np.object_), graph.cast(known, TensorProto.INT64), axis=0)


def _output(graph: GraphBuilder, tensor: str, output: OutputSource, name: str) -> Extra:
    """float32 [N] for the score; an extra output keeps its shape."""
    sides = () if output.column is not None or name == SCORE else range(1, output.rank)
    if output.column is not None:
        tensor = graph.column(tensor, output.column)
    elif name == SCORE:
        tensor = graph.add("Reshape", tensor, graph.constant([-1], np.int64))
    number = _cast(graph, tensor, TensorProto.FLOAT, declared=output.elem_type)
    return Extra(number, tuple(f"{name}_{side}" for side in sides))


def _bounded(graph: GraphBuilder, score: Extra) -> Extra:
    """Clips to 0 and 1 by comparisons, which keep NaN; the operator Clip may not."""
    zero, one = graph.constant(0, np.float32), graph.constant(1, np.float32)
    most = graph.add("Where", graph.add("Greater", score.tensor, one), one, score.tensor)
    return Extra(graph.add("Where", graph.add("Less", most, zero), zero, most))


def _cast(graph: GraphBuilder, tensor: str, to: int, *, declared: int = TensorProto.FLOAT) -> str:
    return tensor if to == declared else graph.cast(tensor, to)


def _bare(model: onnx.ModelProto, outputs: Mapping[str, OutputSource]) -> onnx.ModelProto:
    """A copy that gives the outputs' tensors alone and promises no shapes, which tools often declare wrong."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    kept = [node for node in model.graph.node if node.op_type != "ZipMap" or node.domain != ML_DOMAIN]
    del graph.node[:], graph.output[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.output.extend(
        helper.make_tensor_value_info(each.tensor, each.elem_type, [None] * each.rank)
        for each in {output.tensor: output for output in outputs.values()}.values()
    )
    needed = {value.name: value for value in required_inputs(model.graph)}
    del graph.input[:]
    graph.input.extend(_any_rows(value) for value in needed.values())
    return _lowered(copy)


def _any_rows(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """The same input for any number of rows."""
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    sides = copy.type.tensor_type.shape.dim
    if len(sides):
        sides[0].dim_param = "N"
    return copy


def _lowered(model: onnx.ModelProto) -> onnx.ModelProto:
    declared = max((opset.version for opset in model.opset_import if not opset.domain), default=OPSET)
    return version_converter.convert_version(model, OPSET) if declared > OPSET else model
