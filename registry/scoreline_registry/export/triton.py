"""A model as an entry of a Triton or OpenVINO model repository. Pure.

``config.pbtxt`` belongs to a model, so its versions must take and give the same tensors: those that differ from the
newest one are left out and listed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.documents.signature import SCORE, graph_inputs
from scoreline_registry.documents.tensors import Tensor


@dataclass(frozen=True, slots=True)
class TritonTensor:
    """One input or output; ``shape`` has -1 where it varies, the batch first."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TritonModel:
    """The exported versions of one model with its configuration, and the versions that are left out."""

    name: str
    versions: tuple[int, ...]
    config: str
    left_out: tuple[int, ...]


def triton_model(name: str, manifests: Mapping[int, Manifest]) -> TritonModel:
    """Describes the versions of one model that one Triton model can hold; ``manifests`` has at least one."""
    newest = _signature(manifests[max(manifests)])
    versions = tuple(number for number in sorted(manifests) if _names(_signature(manifests[number])) == _names(newest))
    signatures = [_signature(manifests[number]) for number in versions]
    inputs, outputs = ([_widest(same) for same in zip(*side, strict=True)] for side in zip(*signatures, strict=True))
    left_out = tuple(number for number in sorted(manifests) if number not in versions)
    return TritonModel(name, versions, _config(name, inputs, outputs, versions), left_out)


def _signature(manifest: Manifest) -> tuple[list[TritonTensor], list[TritonTensor]]:
    """The tensors of the standard graph signature that a version has, or its own where it was published as it is."""
    tensors = manifest.tensors
    if tensors is not None:
        return [*map(_tensor, tensors.inputs)], [*map(_tensor, tensors.outputs)]
    # The shape of an extra output behind the batch is known from the graph only, where a server reads it.
    outputs = [TritonTensor(name, "TYPE_FP32", (-1,)) for name in (SCORE, *manifest.score.extras)]
    return [_tensor(put.tensor) for put in graph_inputs(manifest.inputs)], outputs


def _tensor(tensor: Tensor) -> TritonTensor:
    return TritonTensor(
        tensor.name, f"TYPE_{'STRING' if tensor.datatype == 'BYTES' else tensor.datatype}", tensor.shape
    )


def _names(signature: tuple[list[TritonTensor], list[TritonTensor]]) -> list[list[tuple[str, str, int]]]:
    return [[(tensor.name, tensor.dtype, len(tensor.shape)) for tensor in side] for side in signature]


def _widest(tensors: tuple[TritonTensor, ...]) -> TritonTensor:
    """One tensor for several versions: a size that differs between them varies."""
    first = tensors[0]
    shape = tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*(t.shape for t in tensors), strict=True))
    return TritonTensor(first.name, first.dtype, shape)


def _config(name: str, inputs: list[TritonTensor], outputs: list[TritonTensor], versions: tuple[int, ...]) -> str:
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        "max_batch_size: 0",
        *_tensors("input", inputs),
        *_tensors("output", outputs),
        f"version_policy: {{ specific: {{ versions: [{', '.join(map(str, versions))}] }} }}",
    ]
    return "\n".join(lines) + "\n"


def _tensors(kind: str, tensors: list[TritonTensor]) -> list[str]:
    return [f"{kind} [", ",\n".join(map(_written, tensors)), "]"]


def _written(tensor: TritonTensor) -> str:
    # A raw tensor's name may hold anything; JSON's escapes are the text format's.
    name, dims = json.dumps(tensor.name, ensure_ascii=False), ", ".join(map(str, tensor.shape))
    return f"  {{ name: {name} data_type: {tensor.dtype} dims: [{dims}] }}"
