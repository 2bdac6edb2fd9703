"""Reads gRPC's errors: the status, and the google.rpc details that Scoreline's servers put beside it."""

from typing import Any

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from scoreline.channel.channels import Endpoint
from scoreline.channel.connection_errors import explained
from scoreline.errors import Code, ScorelineError, error_from_status

DOMAIN = "scoreline"


def read_error(error: Any, endpoint: Endpoint) -> ScorelineError:
    """The typed error for a ``grpc.RpcError`` that is also a call, or a ``grpc.aio.AioRpcError``."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    hinted = False
    for detail in _details(error):
        detail.Unpack(info)
        hinted = detail.Unpack(retry) or hinted
    ours = info.domain == DOMAIN
    code, text = Code(error.code().value[0]), error.details() or error.code().name
    if code is Code.UNAVAILABLE and not ours:
        text = explained(text, target=endpoint.target, tls=endpoint.credentials is not None)
    return error_from_status(
        code,
        text,
        reason=info.reason if ours else "",
        metadata=info.metadata,
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if hinted else None,
    )


def _details(error: Any) -> list[Packed]:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        # A proxy rewrote the status and left the details, or they are not Scoreline's: code and text still count.
        return []
    return list(status.details) if status is not None else []
