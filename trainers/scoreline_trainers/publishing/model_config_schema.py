"""The part of Triton's model configuration that is read here, as a protobuf message type made at run time.

protobuf's parser of the text format skips fields that a type does not have, but not lists of messages
(``instance_group [ {...} ]``), of which real configurations are full. Their fields are declared, with a type that
skips what is in it.
"""

from collections.abc import Iterable

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_PACKAGE = "scoreline.model_config"

_DATATYPES = (
    "INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
    "STRING", "BF16",
)  # fmt: skip
# Fields that hold lists of messages, and those that hold such fields, at any place in a configuration.
_SKIPPED = (
    "agents", "batch_input", "batch_output", "control", "control_input", "cpu_execution_accelerator",
    "dynamic_batching", "ensemble_scheduling", "execution_accelerators", "gpu_execution_accelerator", "graph_spec",
    "initial_state", "input_map", "inputs", "instance_group", "metric_control", "model_metrics", "model_operations",
    "model_repository_agents", "model_warmup", "optimization", "output_map", "parameters", "priority_queue_policy",
    "rate_limiter", "resources", "secondary_devices", "sequence_batching", "state", "step",
)  # fmt: skip

_TEXT, _NUMBER, _COUNT, _MESSAGE, _ENUM = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_UINT32,
    FieldDescriptorProto.TYPE_MESSAGE,
    FieldDescriptorProto.TYPE_ENUM,
)


def _field(
    name: str, kind: "FieldDescriptorProto.Type.ValueType", type_name: str = "", *, many: bool = False
) -> FieldDescriptorProto:
    label = FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL
    full = f".{_PACKAGE}.{type_name}" if type_name else None
    return FieldDescriptorProto(name=name, type=kind, label=label, type_name=full)


def _message(name: str, fields: Iterable[FieldDescriptorProto]) -> DescriptorProto:
    """Fields are numbered as they come: text names them, and no bytes are ever read."""
    message = DescriptorProto(name=name)
    for number, field in enumerate(fields, start=1):
        message.field.add().MergeFrom(field)
        message.field[-1].number = number
    return message


def _file() -> FileDescriptorProto:
    skipped = [_field(name, _MESSAGE, "Skipped", many=True) for name in _SKIPPED]
    texts = [_field(name, _TEXT) for name in ("name", "platform", "backend", "default_model_filename")]
    tensors = [_field(name, _MESSAGE, "Tensor", many=True) for name in ("input", "output")]
    choices = [_field(name, _MESSAGE, name.capitalize()) for name in ("latest", "all", "specific")]
    file = FileDescriptorProto(name="scoreline/model_config.proto", package=_PACKAGE, syntax="proto3")
    file.enum_type.append(EnumDescriptorProto(name="DataType"))
    for number, name in enumerate(_DATATYPES):
        file.enum_type[0].value.add(name=f"TYPE_{name}", number=number)
    file.message_type.extend(
        [
            _message("Skipped", skipped),
            _message("Tensor", [_field("name", _TEXT), _field("data_type", _ENUM, "DataType")]),
            _message("Latest", [_field("num_versions", _COUNT)]),
            _message("All", []),
            _message("Specific", [_field("versions", _NUMBER, many=True)]),
            _message("VersionPolicy", choices),
            _message("ModelConfig", [*texts, *tensors, _field("version_policy", _MESSAGE, "VersionPolicy"), *skipped]),
        ]
    )
    return file


def _model_config() -> type:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ModelConfig"))


MODEL_CONFIG = _model_config()
"""The message type; fields that it lacks are skipped with ``allow_unknown_field``."""
