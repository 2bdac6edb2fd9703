"""Checks that a serialised model is valid ONNX and has the inputs and outputs that its contracts say."""

from collections.abc import Iterable

import onnx

from scoreline_registry.documents.contract import InputContract, ScoreContract
from scoreline_registry.documents.signature import SCORE
from scoreline_registry.errors import first_line
from scoreline_trainers.graph.builder import input_values


def structure_problems(model: bytes, inputs: InputContract, score: ScoreContract) -> list[str]:
    """The problems of a serialised model before it is run: damage, invalid ONNX, another signature."""
    try:
        proto = onnx.load_model_from_string(model)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # noqa: BLE001 - protobuf, checker and shape inference each raise their own
        return [f"it is not a valid ONNX model: {first_line(error)}"]
    return signature_problems(proto, inputs, score)


def signature_problems(model: onnx.ModelProto, inputs: InputContract, score: ScoreContract) -> list[str]:
    """The differences of a graph from the standard signature for these contracts."""
    initial = {tensor.name for tensor in model.graph.initializer}
    found = {value.name: value for value in model.graph.input if value.name not in initial}
    wanted = {value.name: value for value in input_values(inputs)}
    problems = [f"it lacks the input {name!r}" for name in wanted if name not in found]
    problems += [f"it has an input {name!r} that its contract does not" for name in found if name not in wanted]
    for name in wanted.keys() & found.keys():
        problems += _value_problems(f"input {name!r}", found[name], wanted[name])
    outputs = {value.name: value for value in model.graph.output}
    if set(outputs) != {SCORE, *score.extras}:
        problems.append(f"its outputs are {_names(outputs)}, not {_names([SCORE, *score.extras])}")
    if SCORE in outputs:
        expected = onnx.helper.make_tensor_value_info(SCORE, onnx.TensorProto.FLOAT, ["N"])
        problems += _value_problems(f"output {SCORE!r}", outputs[SCORE], expected)
    return problems


def _value_problems(what: str, found: onnx.ValueInfoProto, wanted: onnx.ValueInfoProto) -> list[str]:
    have, want = found.type.tensor_type, wanted.type.tensor_type
    if have.elem_type != want.elem_type:
        names = onnx.TensorProto.DataType.Name
        return [f"{what} is {names(have.elem_type)}, not {names(want.elem_type)}"]
    shapes = [[side.dim_value or side.dim_param or "?" for side in tensor.shape.dim] for tensor in (have, want)]
    fits = len(shapes[0]) == len(shapes[1]) and all(
        not isinstance(side, int) or side == expected for side, expected in zip(*shapes, strict=True)
    )
    return [] if fits else [f"{what} has the shape {shapes[0]}, not {shapes[1]}"]


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
