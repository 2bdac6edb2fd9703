"""``config.pbtxt`` of Triton and OpenVINO, as far as it says what a model is (Triton's model_config.proto)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoreline_registry.documents.tensors import Datatype
from scoreline_trainers.publishing.text_format import Message, parse

ONNX_PLATFORM = "onnxruntime_onnx"
ONNX_BACKENDS = ("onnxruntime", "onnx", "openvino")
DEFAULT_FILE = "model.onnx"

# In the order of their numbers there, which count from 1.
_DATATYPES: Mapping[str, Datatype] = {
    "TYPE_BOOL": "BOOL",
    "TYPE_UINT8": "UINT8",
    "TYPE_UINT16": "UINT16",
    "TYPE_UINT32": "UINT32",
    "TYPE_UINT64": "UINT64",
    "TYPE_INT8": "INT8",
    "TYPE_INT16": "INT16",
    "TYPE_INT32": "INT32",
    "TYPE_INT64": "INT64",
    "TYPE_FP16": "FP16",
    "TYPE_FP32": "FP32",
    "TYPE_FP64": "FP64",
    "TYPE_STRING": "BYTES",
}


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which versions the other server serves: the ``latest`` ones, ``specific`` ones, or with neither all."""

    latest: int | None = 1
    specific: tuple[int, ...] = ()

    def served(self, versions: Sequence[int]) -> frozenset[int]:
        """Those among the versions that are there."""
        if self.specific:
            return frozenset(self.specific) & frozenset(versions)
        return frozenset(sorted(versions)[-self.latest :]) if self.latest else frozenset(versions)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a configuration says.

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
    message = parse(text)
    return ModelConfig(
        name=message.text("name"),
        kind=message.text("backend") or message.text("platform"),
        file=message.text("default_model_filename") or DEFAULT_FILE,
        policy=_policy(message),
        inputs=_tensors(message.messages("input")),
        outputs=_tensors(message.messages("output")),
    )


def _policy(message: Message) -> VersionPolicy:
    for policy in reversed(message.messages("version_policy")):
        if policy.messages("specific"):
            return VersionPolicy(latest=None, specific=_numbers(policy.messages("specific")[-1].texts("versions")))
        if policy.messages("all"):
            return VersionPolicy(latest=None)
        for latest in policy.messages("latest"):
            return VersionPolicy(latest=max(*_numbers(latest.texts("num_versions")), 1, 1))
    return VersionPolicy()


def _numbers(texts: Sequence[str]) -> tuple[int, ...]:
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ValueError(f"version_policy: {text[:40]!r} is no number of versions")
    return tuple(map(int, texts))


def _tensors(messages: Sequence[Message]) -> Mapping[str, Datatype | None]:
    return {message.text("name"): _datatype(message.text("data_type")) for message in messages}


def _datatype(text: str) -> Datatype | None:
    """By name, or by the number that Triton's enumeration has for it."""
    if text.isascii() and text.isdigit() and 0 < int(text[:4]) <= len(_DATATYPES):
        return list(_DATATYPES.values())[int(text) - 1]
    return _DATATYPES.get(text)
