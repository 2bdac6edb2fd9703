"""Finds what a graph must not hold, without running any of it. Pure.

Everything here reads a parsed protobuf message: nothing is allocated for what the graph says it wants, no other file is
opened, and no loop or function is entered.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import onnx
from onnx import TensorProto

from scoreline_trainers.graph.builder import ML_DOMAIN
from scoreline_trainers.publishing.datatypes import DATATYPES
from scoreline_trainers.publishing.file_formats import HEAD_BYTES, other_format

DEFAULT_DOMAINS = frozenset({"", "ai.onnx"})
STANDARD_DOMAINS = DEFAULT_DOMAINS | {ML_DOMAIN}
RUNTIME_DOMAINS = STANDARD_DOMAINS | {"com.microsoft"}
"""The standard ones, and the one whose operators every ONNX Runtime brings along."""

MAX_DEPTH = 16
MAX_CALLS = 64
MAX_NODES = 1_000_000

_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_SHOWN = 5

FunctionKey = tuple[str, str]


def parsed(data: bytes) -> onnx.ModelProto:
    """Parses an ONNX file. Raises ValueError for bytes that are no ONNX model or only the beginning of one."""
    hint = other_format(data[:HEAD_BYTES])
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        reason = hint or "it cannot be read as one; was it cut off, or saved in another format?"
        raise ValueError(f"it is not a valid ONNX model: {reason}") from error
    if not model.ir_version or not model.graph.output:
        raise ValueError(f"it is not a valid ONNX model: {hint or 'it has no graph with outputs; was it cut off?'}")
    return model


def screening_problems(model: onnx.ModelProto, *, domains: frozenset[str] = RUNTIME_DOMAINS) -> list[str]:
    """Everything that forbids running a graph at all; its operators must be of ``domains``."""
    size = _size_problem(model)
    if size:
        return [size]
    nodes = [*_all_nodes(model)]
    return [
        *_operator_problems(model, nodes, domains),
        *_external_problems(model, nodes),
        *_name_problems(model.graph),
        *(problem for value in model.graph.input for problem in _type_problems("input", value)),
    ]


def output_problems(values: Iterable[onnx.ValueInfoProto]) -> list[str]:
    """A problem for each output that is no tensor of a served type."""
    return [problem for value in values for problem in _type_problems("output", value)]


def graphs_in(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside a node, such as the body of a loop."""
    return [
        graph
        for attribute in node.attribute
        for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs)
    ]


def required_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that have no value of their own."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def _size_problem(model: onnx.ModelProto) -> str:
    """Nested graphs and functions can be small in the file and huge when unfolded."""
    if _depth(model.graph.node) > MAX_DEPTH:
        return f"its graphs are nested more than {MAX_DEPTH} deep"
    functions = {(function.domain, function.name): function for function in model.functions}
    if any(_depth(function.node) > MAX_DEPTH for function in functions.values()):
        return f"the graphs in its functions are nested more than {MAX_DEPTH} deep"
    sizes: dict[FunctionKey, int] = {}
    for key in functions:
        if not _measure(key, functions, sizes, ()):
            return f"its function {key[1]!r} calls itself, or others more than {MAX_CALLS} deep"
    nodes = sum(sizes.get((node.domain, node.op_type), 1) for node in _nodes_of(model.graph.node))
    return f"it has more than {MAX_NODES:,} nodes once its functions are unfolded" if nodes > MAX_NODES else ""


def _measure(
    key: FunctionKey,
    functions: Mapping[FunctionKey, onnx.FunctionProto],
    sizes: dict[FunctionKey, int],
    callers: tuple[FunctionKey, ...],
) -> bool:
    """Counts the nodes of a function with all that it calls; False where it calls itself or too deep."""
    if key in sizes:
        return True
    if key in callers or len(callers) >= MAX_CALLS:
        return False
    total = 0
    for node in _nodes_of(functions[key].node):
        called = (node.domain, node.op_type)
        if called in functions and not _measure(called, functions, sizes, (*callers, key)):
            return False
        total += sizes.get(called, 1)
    sizes[key] = total
    return True


def _depth(nodes: Iterable[onnx.NodeProto]) -> int:
    """How deep graphs are nested, counted up to one more than the limit."""
    level, depth = [graph for node in nodes for graph in graphs_in(node)], 0
    while level and depth <= MAX_DEPTH:
        level, depth = [inner for graph in level for node in graph.node for inner in graphs_in(node)], depth + 1
    return depth


def _nodes_of(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for graph in graphs_in(node):
            yield from _nodes_of(graph.node)


def _all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from _nodes_of(model.graph.node)
    for function in model.functions:
        yield from _nodes_of(function.node)


def _operator_problems(
    model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], domains: frozenset[str]
) -> Iterator[str]:
    own = {(function.domain, function.name) for function in model.functions}
    custom: Counter[str] = Counter()
    random: Counter[str] = Counter()
    for node in nodes:
        if (node.domain, node.op_type) in own:
            continue
        if node.domain not in domains:
            custom[f"{node.domain}.{node.op_type}"] += 1
        elif node.domain in DEFAULT_DOMAINS and node.op_type in _RANDOM:
            random[node.op_type] += 1
    if custom:
        yield f"it uses custom operators, which no server has: {_some(custom)}"
    if random:
        yield f"it draws random numbers, so that no score could be checked or repeated: {_some(random)}"


def _external_problems(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    places = sorted({place for tensor in _tensors(model, nodes) for place in _external_places(tensor)})
    if places:
        yield (
            f"it keeps weights in other files, which are never opened ({_some(places)}): "
            "save it as one file, with onnx.save(..., save_as_external_data=False)"
        )
    if any(graph.sparse_initializer for graph in (model.graph, *(g for node in nodes for g in graphs_in(node)))):
        yield "it holds sparse weights; only dense ones are taken"


def _tensors(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
    yield from _graph_tensors(model.graph)
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for graph in graphs_in(node):
            yield from _graph_tensors(graph)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _external_places(tensor: TensorProto) -> Iterator[str]:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        yield next((entry.value[:200] for entry in tensor.external_data if entry.key == "location"), "nowhere")


def _name_problems(graph: onnx.GraphProto) -> Iterator[str]:
    for what, values in (("input", graph.input), ("output", graph.output)):
        counted = Counter(value.name for value in values)
        for name, times in counted.items():
            if not name or len(name) > 1000:
                yield f"it has an {what} whose name is empty or longer than 1,000 characters"
            elif times > 1:
                yield f"duplicate {what} name {name!r}"


def _type_problems(what: str, value: onnx.ValueInfoProto) -> Iterator[str]:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        yield f"its {what} {value.name!r} is {_kind(kind)}, not a tensor"
    elif value.type.tensor_type.elem_type not in DATATYPES:
        yield f"its {what} {value.name!r} holds {type_name(value.type.tensor_type.elem_type)}, which no client can read"


def type_name(elem_type: int) -> str:
    """ONNX's name of an element type."""
    known = elem_type in TensorProto.DataType.values()
    return TensorProto.DataType.Name(elem_type) if known else f"an unknown type {elem_type}"


def _kind(kind: str | None) -> str:
    kinds = {"sequence_type": "a sequence", "map_type": "a map", "optional_type": "an optional value"}
    return kinds.get(kind or "", "a sparse tensor" if kind == "sparse_tensor_type" else "of no stated type")


def _some(names: Iterable[str]) -> str:
    listed = [*names]
    shown = ", ".join(repr(name) for name in listed[:_SHOWN])
    return shown if len(listed) <= _SHOWN else f"{shown} and {len(listed) - _SHOWN} more"
