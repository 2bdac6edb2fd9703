"""The ordinary way from gRPC into the pipeline: one thread of the server's pool per call."""

import time
from collections import defaultdict
from collections.abc import Callable

import grpc

from scoreline_server.pipeline import METHODS, Call, Pipeline


def add_to_server(pipeline: Pipeline, server: grpc.Server) -> None:
    """Registers every method of the pipeline on the server, as raw bytes: the pipeline decodes."""
    services: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = defaultdict(dict)
    for method in METHODS:
        _, service, name = method.split("/")
        services[service][name] = grpc.unary_unary_rpc_method_handler(_handler(pipeline, method))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, handlers) for service, handlers in services.items()]
    )


def _handler(pipeline: Pipeline, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
        remaining = context.time_remaining()
        call = Call(
            method=method,
            message=message,
            deadline=None if remaining is None else time.time() + remaining,
            peer=context.peer(),
            metadata=tuple(context.invocation_metadata()),
        )
        (answer,) = pipeline.handle([call])
        if answer.code is not grpc.StatusCode.OK:
            context.set_trailing_metadata(answer.trailers)
            context.abort(answer.code, answer.details)
        return answer.message

    return handle
