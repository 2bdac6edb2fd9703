"""Small ONNX graphs as others make them, authored by hand, and the command that publishes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import onnx
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_trainers.publishing.inspection import inspect
from scoreline_trainers.publishing.spec import INSPECTION_FILE, Inspection, ManifestSpec, Verdict, Wrapping

Shape = Sequence[int | str | None] | None


def value(name: str, shape: Shape = ("N", 2), kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    """A node."""
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto] = (value("x"),),
    outputs: Sequence[onnx.ValueInfoProto] = (value("y", ("N",)),),
    constants: Mapping[str, npt.ArrayLike] | None = None,
    opset: int = 21,
    ir_version: int = 10,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model; it is not checked."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    opsets += [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, functions=list(functions))


def mean_model(**options: Any) -> onnx.ModelProto:
    """y = sigmoid of the mean of x over its columns."""
    nodes = [node("ReduceMean", ["x", "axes"], ["m"], keepdims=0), node("Sigmoid", ["m"], ["y"])]
    return model(nodes, constants={"axes": np.array([1])}, **options)


def inspected(graph: onnx.ModelProto, folder: Path, spec: ManifestSpec | None, wrapping: Wrapping) -> Verdict:
    """What the child process would say, said by this one, which takes a tenth of the time."""
    inspection = Inspection(subject="toy", spec=spec, wrapping=wrapping)
    (folder / INSPECTION_FILE).write_text(inspection.model_dump_json())
    (folder / MODEL_FILE).write_bytes(graph.SerializeToString())
    return inspect(folder)


def run(command: click.Command, *words: object) -> Result:
    """The command as a person runs it."""
    return CliRunner().invoke(command, [str(word) for word in words])
