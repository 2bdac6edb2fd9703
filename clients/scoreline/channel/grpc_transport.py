"""Makes calls over gRPC, for threads and for asyncio."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from scoreline.calls.transport import Method, Send
from scoreline.channel.channels import Endpoint
from scoreline.channel.rpc_errors import read_error
from scoreline.errors import ClosedError
from scoreline.v1 import (
    analysis_pb2,
    analysis_pb2_grpc,
    decisions_pb2,
    decisions_pb2_grpc,
    profiles_pb2,
    profiles_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)

_SERVICES = (
    (scoring_pb2, scoring_pb2_grpc),
    (analysis_pb2, analysis_pb2_grpc),
    (profiles_pb2, profiles_pb2_grpc),
    (decisions_pb2, decisions_pb2_grpc),
)
_Calls: TypeAlias = Mapping[Method, Callable[..., Any]]


def _calls(channel: grpc.Channel | grpc.aio.Channel) -> _Calls:
    """The callables of a channel for every Method: those of the protos by their names, and the health service's."""
    # One string and one enum: the wrappers have the same bytes, and the client needs no package for them.
    health = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=Int32Value.FromString,
    )
    calls: dict[Method, Callable[..., Any]] = {Method.HEALTH: health}
    for messages, stubs in _SERVICES:
        for service in messages.DESCRIPTOR.services_by_name.values():
            stub = getattr(stubs, f"{service.name}Stub")(channel)
            calls |= {method: getattr(stub, method) for method in Method if method in service.methods_by_name}
    return calls


class GrpcTransport:
    """Channels for threads, opened by the first call (hence after a fork) and used in turn."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._channels: list[grpc.Channel] = []
        self._connections: list[_Calls] = []
        self._turn = itertools.count()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def send(self, call: Send) -> Message:
        """Makes the call on the connection whose turn it is."""
        connections = self._connections or self._open()
        make = connections[next(self._turn) % len(connections)][call.method]
        try:
            answer: Message = make(call.request, timeout=call.timeout_seconds, metadata=self._endpoint.metadata)
        except (grpc.RpcError, ValueError) as error:
            if self._closed.is_set():
                raise _closed() from error
            if isinstance(error, ValueError):
                raise
            raise read_error(error, self._endpoint) from error
        return answer

    def pause(self, seconds: float) -> None:
        """Waits, at most until it is closed."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Cancels open calls, which then raise ClosedError."""
        with self._lock:
            self._closed.set()
            for channel in self._channels:
                channel.close()

    def _open(self) -> list[_Calls]:
        with self._lock:
            if self._closed.is_set():
                raise _closed()
            if not self._connections:
                self._channels = [_channel(self._endpoint) for _ in range(self._endpoint.connections)]
                self._connections = [_calls(channel) for channel in self._channels]
            return self._connections


class AioTransport:
    """Channels for the event loop that makes the first call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._channels: list[grpc.aio.Channel] = []
        self._connections: list[_Calls] = []
        self._turn = itertools.count()
        self._closed = False

    async def send(self, call: Send) -> Message:
        """Makes the call on the connection whose turn it is."""
        connections = self._connections or self._open()
        make = connections[next(self._turn) % len(connections)][call.method]
        try:
            answer: Message = await make(call.request, timeout=call.timeout_seconds, metadata=self._endpoint.metadata)
        except grpc.aio.AioRpcError as error:
            raise (_closed() if self._closed else read_error(error, self._endpoint)) from error
        except (asyncio.CancelledError, grpc.aio.UsageError) as error:
            # Closing a channel cancels its calls; the task that waits for them is not cancelled.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _closed() from error
            raise
        return answer

    async def close(self) -> None:
        """Cancels open calls, which then raise ClosedError."""
        self._closed = True
        for channel in self._channels:
            await channel.close()

    def _open(self) -> list[_Calls]:
        if self._closed:
            raise _closed()
        self._channels = [_aio_channel(self._endpoint) for _ in range(self._endpoint.connections)]
        self._connections = [_calls(channel) for channel in self._channels]
        return self._connections


def _channel(endpoint: Endpoint) -> grpc.Channel:
    if endpoint.credentials is None:
        return grpc.insecure_channel(endpoint.target, endpoint.options)
    return grpc.secure_channel(endpoint.target, endpoint.credentials, endpoint.options)


def _aio_channel(endpoint: Endpoint) -> grpc.aio.Channel:
    if endpoint.credentials is None:
        return grpc.aio.insecure_channel(endpoint.target, endpoint.options)
    return grpc.aio.secure_channel(endpoint.target, endpoint.credentials, endpoint.options)


def _closed() -> ClosedError:
    return ClosedError("the client is closed: make a new one")
