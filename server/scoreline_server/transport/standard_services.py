"""The handlers of the health and reflection services, whose requests are decoded like all others.

grpcio's own handlers decode before they run, and answer bytes that are no request twice: the core refuses the second
status, the call never ends, and neither does a stop of the server.
"""

from collections.abc import Iterator, Mapping

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from scoreline_server.errors import CallError
from scoreline_server.rpc.pipeline import decoded
from scoreline_server.transport.servicer import Handler
from scoreline_server.transport.stream_pool import StreamPool, abort

# Callers with client-side health checking hold one stream per connection.
_HEALTH_WATCHES = 1024


class Health(health.HealthServicer):  # type: ignore[misc]
    """The health of each service, for any number of threads.

    A status is set without waiting for callers that watch: grpcio's non-blocking servicer sends it on the thread that
    sets it, and one caller that does not read would hold up a stop.
    """

    def __init__(self) -> None:
        super().__init__(experimental_non_blocking=False)
        self._watches = StreamPool(_HEALTH_WATCHES)

    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by path."""
        path = f"/{health.SERVICE_NAME}/"
        return {
            path + "Check": grpc.unary_unary_rpc_method_handler(self._check),
            path + "Watch": grpc.unary_stream_rpc_method_handler(self._watches.serving(self._watch)),
        }

    def close(self) -> None:
        """Ends the threads once their streams have ended."""
        self._watches.close()

    def _check(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            request = decoded(health_pb2.HealthCheckRequest, message)
        except CallError as error:
            abort(context, error)
            raise
        answer: bytes = self.Check(request, context).SerializeToString()
        return answer

    def _watch(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        for response in self.Watch(decoded(health_pb2.HealthCheckRequest, message), context):
            yield response.SerializeToString()


def reflection_handlers(services: tuple[str, ...], pool: StreamPool) -> Mapping[str, Handler]:
    """The handlers of reflection by path; ``services`` are announced beside the standard ones."""
    servicer = reflection.ReflectionServicer((*services, health.SERVICE_NAME, reflection.SERVICE_NAME))

    def reflect(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        requests = (decoded(reflection_pb2.ServerReflectionRequest, message) for message in messages)
        for response in servicer.ServerReflectionInfo(requests, context):
            yield response.SerializeToString()

    handler: Handler = grpc.stream_stream_rpc_method_handler(pool.serving(reflect))
    return {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": handler}
