"""The ordinary gRPC handlers of the pipeline's methods: one thread of the server's pool per call."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import grpc

from scoreline_server.rpc.authority import Caller
from scoreline_server.rpc.pipeline import Call, Pipeline

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


def add_to_server(
    pipeline: Pipeline,
    server: grpc.Server,
    *,
    streams: dict[str, Handler],
    without: Sequence[str] = (),
    by_admin_address: bool = False,
) -> None:
    """Registers the pipeline's methods, with messages as raw bytes because the pipeline decodes, and the streams.

    ``without`` are the methods of the hot lane: registered twice, their calls would be split at random.
    """
    services: dict[str, dict[str, Handler]] = defaultdict(dict)
    unary = {path: _unary(pipeline, path, by_admin_address=by_admin_address) for path in pipeline.unary_methods}
    unary = {path: handler for path, handler in unary.items() if path not in without}
    for path, handler in {**unary, **streams}.items():
        _, service, name = path.split("/")
        services[service][name] = handler
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, handlers) for service, handlers in services.items()]
    )


def caller_of(context: grpc.ServicerContext, *, by_admin_address: bool) -> Caller:
    """The caller's address and the name in its certificate."""
    return Caller.of(context.peer(), context.auth_context(), by_admin_address=by_admin_address)


def _unary(pipeline: Pipeline, path: str, *, by_admin_address: bool) -> Handler:
    def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
        remaining = context.time_remaining()
        call = Call(
            method=path,
            message=message,
            deadline=None if remaining is None else time.time() + remaining,
            caller=lambda: caller_of(context, by_admin_address=by_admin_address),
            metadata=tuple(context.invocation_metadata()),
        )
        answer = pipeline.handle(call)
        if answer.code is not grpc.StatusCode.OK:
            context.set_trailing_metadata(answer.trailers)
            context.abort(answer.code, answer.details)
        return answer.message

    return grpc.unary_unary_rpc_method_handler(handle)
