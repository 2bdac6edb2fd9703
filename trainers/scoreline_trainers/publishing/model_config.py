"""Reads ``config.pbtxt`` of Triton and OpenVINO, as far as it says what a model is (Triton's model_config.proto)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format

from scoreline_registry.documents.tensors import Datatype
from scoreline_trainers.publishing.model_config_schema import MODEL_CONFIG

ONNX_PLATFORM = "onnxruntime_onnx"
ONNX_BACKENDS = ("onnxruntime", "onnx", "openvino")
DEFAULT_FILE = "model.onnx"

# What protobuf writes in front of a reason: "3:14 : 'the whole line': ".
_PLACE_AND_LINE = re.compile(r"^\d+:\d+ : ('.*': )?")

# By their numbers in Triton's enumeration DataType, which count from 1.
_DATATYPES: Sequence[Datatype] = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which versions the other server serves: the ``latest`` ones, ``specific`` ones, or with neither all."""

    latest: int | None = 1
    specific: tuple[int, ...] = ()

    def served(self, versions: Sequence[int]) -> frozenset[int]:
        """The versions that are served, of those that exist."""
        if self.specific:
            return frozenset(self.specific) & frozenset(versions)
        return frozenset(sorted(versions)[-self.latest :]) if self.latest else frozenset(versions)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The parts of a configuration that are read.

    Attributes:
        name: of the model; empty where its folder names it.
        kind: the backend, or the platform where no backend is named; empty where neither is.
        file: the name of the model's file in each version's folder.
        inputs: name -> datatype, None for one that no tensor here has.
        outputs: the same of the outputs.
    """

    name: str = ""
    kind: str = ""
    file: str = DEFAULT_FILE
    policy: VersionPolicy = VersionPolicy()
    inputs: Mapping[str, Datatype | None] | None = None
    outputs: Mapping[str, Datatype | None] | None = None

    @property
    def is_onnx(self) -> bool:
        """True where ONNX Runtime, or OpenVINO with an ONNX file, runs it."""
        return self.kind in ("", ONNX_PLATFORM, *ONNX_BACKENDS) and self.file.endswith(".onnx")


def parse_config(text: str) -> ModelConfig:
    """Reads protobuf's text format. Raises ValueError that says in which line it is wrong."""
    message: Any = MODEL_CONFIG()
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ValueError(_reason(error)) from error
    except RecursionError as error:
        raise ValueError("its messages are nested too deep") from error
    return ModelConfig(
        name=message.name,
        kind=message.backend or message.platform,
        file=message.default_model_filename or DEFAULT_FILE,
        policy=_policy(message.version_policy),
        inputs=_tensors(message.input),
        outputs=_tensors(message.output),
    )


def _reason(error: text_format.ParseError) -> str:
    """The line and what is wrong there, without the text of the line, which may be long."""
    return f"line {error.GetLine() or 1}: {_PLACE_AND_LINE.sub('', str(error).splitlines()[0])}"


def _policy(policy: Any) -> VersionPolicy:
    if policy.HasField("specific"):
        return VersionPolicy(latest=None, specific=tuple(policy.specific.versions))
    if policy.HasField("all"):
        return VersionPolicy(latest=None)
    return VersionPolicy(latest=max(policy.latest.num_versions, 1))


def _tensors(tensors: Iterable[Any]) -> Mapping[str, Datatype | None]:
    known = range(1, len(_DATATYPES) + 1)
    return {each.name: _DATATYPES[each.data_type - 1] if each.data_type in known else None for each in tensors}
