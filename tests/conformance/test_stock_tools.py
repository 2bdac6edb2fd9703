"""What stock gRPC tools expect of any server, and what the Buf style expects of protos."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid

pytestmark = pytest.mark.conformance

PROTOS = sorted((Path(__file__).parents[2] / "protos").rglob("*.proto"))
ELEMENT = re.compile(r"^\s*(?:(?:repeated|optional)\s+)?(?:message|enum|service|rpc|oneof|[\w.<>, ]+?)\s+\w+.*[{;]\s*$")


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[grpc.Channel]:
    """A channel to a server of a small route."""
    registry = Registry.create(tmp_path)
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    settings = Settings(registry=str(tmp_path), listen="127.0.0.1:0")
    with Server(settings) as server, grpc.insecure_channel(server.address) as opened:
        yield opened


def test_a_client_that_knows_nothing_scores_by_reflection_alone(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "scoreline.v1.ScoringService" in database.get_services()
    pool = DescriptorPool(database)
    method = pool.FindServiceByName("scoreline.v1.ScoringService").FindMethodByName("Score")
    request: Any = GetMessageClass(method.input_type)(route="credit")
    entity = request.entities.add(entity_id="ann")
    entity.features["income"].number = 1.0
    call: Any = channel.unary_unary(
        "/scoreline.v1.ScoringService/Score",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    (score,) = call(request).scores
    assert score.score == pytest.approx(float(sigmoid(1.0)), abs=1e-6)


def test_health_answers_as_the_standard_says(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watched = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.name)
def test_every_element_of_the_protos_has_a_comment(proto: Path) -> None:
    lines = proto.read_text().splitlines()
    bare = [
        f"{number + 1}: {line.strip()}"
        for number, line in enumerate(lines)
        if ELEMENT.match(line)
        and not line.strip().startswith(("syntax", "package", "import", "option", "//", "}"))
        and not lines[number - 1].strip().startswith("//")
    ]
    assert not bare


def test_enums_and_rpcs_follow_the_buf_style(channel: grpc.Channel) -> None:
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    for name in ("scoreline/v1/scoring.proto", "scoreline/v1/registry.proto"):
        file = pool.FindFileByName(name)
        for enum in file.enum_types_by_name.values():
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
            assert enum.values_by_number[0].name == f"{prefix}UNSPECIFIED"
            assert all(value.name.startswith(prefix) for value in enum.values)
        for service in file.services_by_name.values():
            assert service.name.endswith("Service")
            for method in service.methods:
                assert _own(method.input_type, f"{method.name}Request"), method.full_name
                assert _own(method.output_type, f"{method.name}Response"), method.full_name
        for message in file.message_types_by_name.values():
            assert all(_is_snake(field) for field in message.fields)


def _own(message: Descriptor, expected: str) -> bool:
    return bool(message.name == expected)


def _is_snake(field: FieldDescriptor) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9_]*", field.name) is not None
