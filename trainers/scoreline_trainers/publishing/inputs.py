"""Maps each input of an external graph to the features or ragged inputs that feed it.

Pure: takes the graph's declarations and a contract.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_registry.documents.signature import FEATURES, SIGNATURE
from scoreline_registry.documents.tensors import Datatype
from scoreline_registry.errors import InvalidNameError
from scoreline_registry.names import check_feature_name
from scoreline_trainers.publishing.refusal import refuse
from scoreline_trainers.publishing.screening import required_inputs, type_name

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
_WHOLE = (TensorProto.INT64, TensorProto.INT32)
_RANKS: Mapping[str, tuple[int, ...]] = {
    FEATURES: (1, 2), **{put.name: (len(put.shape),) for put in SIGNATURE.values() if put.name != FEATURES}
}  # fmt: skip
# What each part that is not taken apart may become.
_BECOMES: Mapping[Datatype, tuple[int, ...]] = {
    "FP32": _FLOATS, "INT64": _WHOLE, "BOOL": (TensorProto.BOOL, *_FLOATS, *_WHOLE)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class InputSource:
    """One input of an external graph.

    Attributes:
        name: the graph's own.
        elem_type: one of ``onnx.TensorProto``'s.
        rank: 1 for [N], 2 for [N, columns] and [N, K], 3 for [N, T, S] and [N, K, G].
        batch: the number of rows that the graph is written for; None for any.
        part: the standard input that it is made of.
        columns: of ``features``, in the order in which the graph takes them; empty for the other parts.
    """

    name: str
    elem_type: int
    rank: int
    batch: int | None
    part: str
    columns: tuple[int, ...] = ()


def named_inputs(graph: onnx.GraphProto, names: Mapping[str, str]) -> InputContract:
    """The contract of a graph whose inputs are single columns, named like their features; all are required.

    Args:
        graph: of the external model.
        names: what was said about single inputs: input -> feature.

    Raises:
        UnfitError: an input is no such column, or takes strings.
    """
    problems, features = [], []
    for value in required_inputs(graph):
        kind, sides = value.type.tensor_type.elem_type, value.type.tensor_type.shape.dim
        name = names.get(value.name, value.name)
        if len(sides) > 2 or (len(sides) == 2 and sides[1].dim_value != 1) or "," in name:
            problems.append(f"input {value.name!r} takes several columns: name the features that it takes (--features)")
        elif kind == TensorProto.STRING:
            problems.append(f"input {value.name!r} takes strings: list its vocabulary in a manifest (--manifest)")
        else:
            try:
                features.append(Feature(name=check_feature_name(name), required=True))
            except InvalidNameError as error:
                problems.append(f"input {value.name!r} cannot lend its name to a feature: {error}")
    refuse(problems)
    return InputContract(features=tuple(features))


def input_sources(graph: onnx.GraphProto, inputs: InputContract, stated: Mapping[str, str]) -> tuple[InputSource, ...]:
    """Maps each input of a graph to parts of a contract's rows.

    Args:
        graph: of the external model.
        inputs: the contract.
        stated: input -> what it takes; see ``Wrapping``.

    Raises:
        UnfitError: with everything that does not fit.
    """
    values = required_inputs(graph)
    unknown = stated.keys() - {value.name for value in values}
    problems = [f"it has no input {name!r}; it has {_listed(v.name for v in values)}" for name in sorted(unknown)]
    sources = []
    for value in values:
        target = stated.get(value.name) or _target(value.name, inputs, alone=len(values) == 1)
        found = _columns(target, inputs)
        if isinstance(found, str):
            problems.append(f"input {value.name!r}: {found}; say what it takes with --input {value.name}=...")
            continue
        source = _source(value, *found)
        problems += _source_problems(value, source, inputs)
        sources.append(source)
    problems += _unused(inputs, sources)
    refuse(problems)
    return tuple(sources)


def _target(name: str, inputs: InputContract, *, alone: bool) -> str:
    if alone and not inputs.ragged:
        return FEATURES
    return name


def _columns(target: str, inputs: InputContract) -> tuple[str, tuple[int, ...]] | str:
    """The standard input and its columns, or what is wrong."""
    positions = {feature.name: column for column, feature in enumerate(inputs.features)}
    if target in positions:
        return FEATURES, (positions[target],)
    if target == FEATURES and positions:
        return FEATURES, tuple(range(len(positions)))
    if any(target in (ragged.name, ragged.kind.presence) for ragged in inputs.ragged):
        return target, ()
    names = [name.strip() for name in target.split(",")]
    unknown = [name for name in names if name not in positions]
    if unknown:
        return f"the contract has no feature {_listed(unknown)}"
    return FEATURES, tuple(positions[name] for name in names)


def _source(value: onnx.ValueInfoProto, part: str, columns: tuple[int, ...]) -> InputSource:
    tensor = value.type.tensor_type
    sides = tensor.shape.dim
    batch = sides[0].dim_value or None if len(sides) else None
    rank = len(sides) if tensor.HasField("shape") else _RANKS[part][-1]
    return InputSource(value.name, tensor.elem_type, rank, batch, part, columns)


def _source_problems(value: onnx.ValueInfoProto, source: InputSource, inputs: InputContract) -> Iterator[str]:
    what = f"input {value.name!r}"
    shape = [side.dim_value or side.dim_param or "?" for side in value.type.tensor_type.shape.dim]
    if source.rank not in _RANKS[source.part]:
        yield f"{what} has the shape {shape}, which no {source.part} have; publish it --as-is"
    elif source.part == FEATURES:
        yield from _width_problems(what, shape, source)
        for column in source.columns:
            yield from _feature_problems(what, source.elem_type, inputs.features[column])
    elif source.elem_type not in _BECOMES[SIGNATURE[source.part].datatype]:
        yield f"{what} takes {type_name(source.elem_type)}, which {source.part} cannot become"


def _width_problems(what: str, shape: Sequence[int | str], source: InputSource) -> Iterator[str]:
    width = shape[1] if len(shape) == 2 else 1
    if isinstance(width, int) and width != len(source.columns):
        yield f"{what} has the shape {list(shape)}, and {len(source.columns)} features go into it"
    elif width == shape[0] and isinstance(width, str) and width != "?":
        yield f"{what} has the shape {list(shape)}: its columns vary with its rows"


def _feature_problems(what: str, elem_type: int, feature: Feature) -> Iterator[str]:
    if elem_type == TensorProto.STRING:
        if feature.kind != "category":
            yield f"{what} takes strings: make {feature.name!r} a category with its vocabulary"
    elif elem_type in _WHOLE:
        if not feature.required and feature.default is None:
            yield f"{what} takes whole numbers, never missing ones: make {feature.name!r} required or give a default"
    elif elem_type not in _FLOATS:
        yield f"{what} takes {type_name(elem_type)}; features become float32, double, int64, int32 or strings"


def _unused(inputs: InputContract, sources: Sequence[InputSource]) -> Iterator[str]:
    used = {column for source in sources for column in source.columns}
    idle = [feature.name for column, feature in enumerate(inputs.features) if column not in used]
    if idle:
        yield f"no input takes {_listed(idle)}"
    parts = {source.part for source in sources}
    for ragged in inputs.ragged:
        if ragged.name not in parts:
            yield f"no input takes the {ragged.name}"


def _listed(names: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
