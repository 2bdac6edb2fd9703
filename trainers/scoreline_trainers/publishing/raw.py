"""Proves graphs that are kept as they are: records their tensors, and one golden call that servers repeat.

``golden.npz`` of such a version holds ``input_0``, ``input_1``, ... and ``output_0``, ... in the order of its contract:
names of raw tensors may be anything, names in an archive may not. Strings are stored as numpy's unicode.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from scoreline_registry.documents.manifest import GoldenFacts
from scoreline_registry.documents.tensors import Tensor, TensorContract
from scoreline_trainers.gate.checks import TOLERANCE
from scoreline_trainers.gate.golden import write_arrays
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.publishing.datatypes import DATATYPES, DTYPES
from scoreline_trainers.publishing.refusal import UnfitError, refuse
from scoreline_trainers.publishing.running import fetched, opened
from scoreline_trainers.publishing.screening import output_problems, required_inputs

MAX_GOLDEN_BYTES = 64 * 2**20

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

_SIZES = (2, 1, 3, 4)
_FILLS = ("small", "ones", "zeros")


@dataclass(frozen=True, slots=True)
class RawProof:
    """The tensors and the golden call of a graph that is kept as it is."""

    tensors: TensorContract
    golden: bytes
    golden_facts: GoldenFacts


def prove_raw(data: bytes, model: onnx.ModelProto, *, probes: Arrays | None = None) -> RawProof:
    """Runs a screened graph twice on made-up inputs, or on the given ones.

    Args:
        data: the bytes that are published.
        model: the same, parsed.
        probes: an array for each input by name; needed where made-up ones make no sense to the graph.

    Raises:
        UnfitError: an output is no tensor of a served type, no input runs, or two runs answer differently.
    """
    refuse(output_problems(model.graph.output))
    inputs = [_tensor(value) for value in required_inputs(model.graph)]
    names = [value.name for value in model.graph.output]
    first, again = opened(data), opened(data)
    feeds = _given(inputs, probes) if probes is not None else _found(first, names, inputs)
    outputs = _arrays(first, names, feeds)
    repeated = _arrays(again, names, feeds)
    changed = [name for name, one, two in zip(names, outputs, repeated, strict=True) if not _same(one, two)]
    refuse([f"output {name!r} differs when the same inputs are sent again" for name in changed])
    contract = TensorContract(
        inputs=tuple(inputs),
        outputs=tuple(_observed(value, found) for value, found in zip(model.graph.output, outputs, strict=True)),
    )
    return RawProof(contract, _golden(inputs, feeds, outputs), _facts(names, outputs))


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    tensor = value.type.tensor_type
    shape = tuple(side.dim_value if side.HasField("dim_value") else -1 for side in tensor.shape.dim)
    return Tensor(name=value.name, datatype=DATATYPES[tensor.elem_type], shape=shape)


def _observed(value: onnx.ValueInfoProto, found: Array) -> Tensor:
    """An output as it is declared; where the declaration is absent or wrong, any side may vary."""
    declared = _tensor(value)
    fits = len(declared.shape) == found.ndim and all(
        side in (-1, length) for side, length in zip(declared.shape, found.shape, strict=True)
    )
    shape = declared.shape if fits else (-1,) * found.ndim
    return declared if fits else declared.model_copy(update={"shape": shape})


def _given(inputs: Sequence[Tensor], probes: Arrays) -> Arrays:
    problems = [f"the probes lack the input {tensor.name!r}" for tensor in inputs if tensor.name not in probes]
    refuse(problems)
    return {tensor.name: probes[tensor.name].astype(DTYPES[tensor.datatype]) for tensor in inputs}


def _found(scorer: OnnxScorer, outputs: Sequence[str], inputs: Sequence[Tensor]) -> Arrays:
    """Made-up inputs that the graph takes: several sizes of what varies, several values."""
    reason = ""
    for size, fill in product(_SIZES, _FILLS):
        _refuse_large(inputs, size)
        feeds = {tensor.name: _made_up(tensor, size, fill) for tensor in inputs}
        try:
            fetched(scorer, outputs, feeds)
        except UnfitError as error:
            reason = reason or error.problems[0]
        else:
            return feeds
    raise UnfitError([f"no made-up inputs run ({reason}): give some that do with --probes FILE.npz"])


def _refuse_large(inputs: Sequence[Tensor], size: int) -> None:
    total = sum(8 * prod(size if side < 0 else side for side in tensor.shape) for tensor in inputs)
    if total > MAX_GOLDEN_BYTES:
        raise UnfitError(
            [f"its inputs take {total:,} bytes for one call, {MAX_GOLDEN_BYTES:,} are kept as golden ones"]
        )


def _made_up(tensor: Tensor, size: int, fill: str) -> Array:
    shape = [size if side < 0 else side for side in tensor.shape]
    if tensor.datatype == "BYTES":
        return np.full(shape, {"small": "a", "ones": "1", "zeros": ""}[fill], np.object_)
    if fill != "small":
        return np.full(shape, int(fill == "ones")).astype(DTYPES[tensor.datatype])
    whole = tensor.datatype.startswith(("INT", "UINT", "BOOL"))
    draw = np.random.default_rng(0)
    values = draw.integers(0, 2, shape) if whole else draw.normal(size=shape)
    return np.asarray(values).astype(DTYPES[tensor.datatype])


def _arrays(scorer: OnnxScorer, names: Sequence[str], feeds: Arrays) -> list[Array]:
    return [np.asarray(value) for value in fetched(scorer, names, feeds)]


def _same(one: Array, two: Array) -> bool:
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    return bool(np.array_equal(one, two, equal_nan=one.dtype.kind == "f"))


def _golden(inputs: Sequence[Tensor], feeds: Arrays, outputs: Sequence[Array]) -> bytes:
    arrays = {f"input_{index}": _storable(feeds[tensor.name]) for index, tensor in enumerate(inputs)}
    arrays |= {f"output_{index}": _storable(array) for index, array in enumerate(outputs)}
    total = sum(array.nbytes for array in arrays.values())
    if total > MAX_GOLDEN_BYTES:
        raise UnfitError([f"one call takes and gives {total:,} bytes, {MAX_GOLDEN_BYTES:,} are kept as golden ones"])
    return write_arrays(arrays)


def _storable(array: Array) -> Array:
    return array.astype(np.str_) if array.dtype == np.object_ else array


def _facts(names: Sequence[str], outputs: Sequence[Array]) -> GoldenFacts:
    """One call, with a tolerance for each output whose numbers are large."""
    wide = {name: TOLERANCE * scale for name, scale in _scales(names, outputs) if scale > 1}
    return GoldenFacts(rows=1, tolerance=TOLERANCE, tolerances=wide)


def _scales(names: Sequence[str], outputs: Sequence[Array]) -> Iterator[tuple[str, float]]:
    for name, array in zip(names, outputs, strict=True):
        if array.dtype.kind == "f":
            finite = array[np.isfinite(array)].astype(np.float64)
            yield name, float(np.abs(finite).max(initial=0.0))
