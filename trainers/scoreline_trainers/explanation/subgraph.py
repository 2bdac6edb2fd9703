"""The part of a graph that makes some of its tensors."""

from collections.abc import Sequence

import onnx

from scoreline_trainers.explanation.graph_index import GraphIndex


def subgraph(model: onnx.ModelProto, tensors: Sequence[str]) -> bytes:
    """A serialized model that takes the inputs that these tensors depend on, and gives the tensors."""
    index = GraphIndex.of(model)
    needed, pending = set[str](), list(tensors)
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        node = index.makers.get(name)
        if node is not None:
            pending += reads_of(node)
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph, whole = part.graph, model.graph
    for field in ("node", "initializer", "input", "output", "value_info"):
        graph.ClearField(field)
    graph.node.extend(node for node in whole.node if needed & set(node.output))
    graph.initializer.extend(each for each in whole.initializer if each.name in needed)
    graph.input.extend(each for each in whole.input if each.name in needed)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    return part.SerializeToString()


def reads_of(node: onnx.NodeProto) -> list[str]:
    """The tensors that a node reads, those of the graphs inside it with them."""
    inside = [name for each in node.attribute if each.HasField("g") for part in each.g.node for name in reads_of(part)]
    return [name for name in (*node.input, *inside) if name]
