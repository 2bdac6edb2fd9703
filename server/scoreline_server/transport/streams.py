"""The methods that stream: ScoreStream and WatchRevisions.

A stream holds a thread for as long as it lives, so streams have threads of their own; when all are taken, the next
stream is refused instead of waiting behind the others.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from scoreline.v1 import registry_pb2, scoring_pb2
from scoreline_registry.registry import Registry
from scoreline_server.errors import CallError
from scoreline_server.loading.watcher import Watcher
from scoreline_server.reasons import Reason
from scoreline_server.rpc import resources
from scoreline_server.rpc.authority import Action
from scoreline_server.rpc.methods import SCORE, SCORE_STREAM, WATCH_REVISIONS
from scoreline_server.rpc.pipeline import Call, Pipeline, decoded, failed
from scoreline_server.scoring.responses import entity_error
from scoreline_server.transport.servicer import Handler, caller_of

_LOOK_SECONDS = 1.0


class Streams:
    """The handlers of the streaming methods."""

    def __init__(self, pipeline: Pipeline, registry: Registry, watcher: Watcher, *, threads: int) -> None:
        self._pipeline, self._registry, self._watcher = pipeline, registry, watcher
        self._places = threading.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="stream")

    def handlers(self, *, by_admin_address: bool = False) -> dict[str, Handler]:
        """The handlers by path."""
        score = self._guarded(Action.SCORE, self._score, by_admin_address=by_admin_address)
        watch = self._guarded(Action.REGISTRY_READ, self._watch, by_admin_address=by_admin_address)
        return {
            SCORE_STREAM: grpc.stream_stream_rpc_method_handler(score),
            WATCH_REVISIONS: grpc.unary_stream_rpc_method_handler(watch),
        }

    def close(self) -> None:
        """Lets the threads go; open streams end with their calls."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _guarded(
        self, action: Action, serve: Callable[[Any, grpc.ServicerContext], Iterator[bytes]], *, by_admin_address: bool
    ) -> Callable[[Any, grpc.ServicerContext], Iterator[bytes]]:
        """Permission, a place, and one status for whatever goes wrong."""

        def stream(incoming: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            if not self._places.acquire(blocking=False):
                _abort(context, CallError(Reason.TOO_MANY_STREAMS, "all places for streams are taken: close some"))
            try:
                self._pipeline.authorize(action, lambda: caller_of(context, by_admin_address=by_admin_address))
                yield from serve(incoming, context)
            except (CallError, Exception) as error:  # noqa: BLE001
                if context.is_active():
                    _abort(context, error)
            finally:
                self._places.release()

        # grpcio runs a handler that has this attribute on that pool instead of the server's.
        stream.experimental_thread_pool = self._pool  # type: ignore[attr-defined]
        return stream

    def _score(self, incoming: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        for message in incoming:
            yield self._scored(message).SerializeToString()

    def _scored(self, message: bytes) -> scoring_pb2.ScoreStreamResponse:
        """The answer to one request of a stream: a call of its own in all but the transport."""
        request = decoded(scoring_pb2.ScoreStreamRequest, message).request
        answer = self._pipeline.handle(Call(SCORE, request.SerializeToString()))
        response = scoring_pb2.ScoreStreamResponse(request_id=request.request_id)
        if answer.error is None:
            response.response.ParseFromString(answer.message)
        else:
            response.error.CopyFrom(entity_error(0, answer.error))
        return response

    def _watch(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        request = decoded(registry_pb2.WatchRevisionsRequest, message)
        after = request.after_revision
        sent = self._registry.latest().revision if after < 0 else after
        while context.is_active():
            newest = self._registry.latest().revision
            for number in range(sent + 1, newest + 1):
                entry = next(self._registry.history(before=number + 1))
                response = registry_pb2.WatchRevisionsResponse(revision=resources.revision(entry))
                yield response.SerializeToString()
            sent = max(sent, newest)
            self._watcher.wait_for_news(_LOOK_SECONDS)


def _abort(context: grpc.ServicerContext, error: Exception) -> None:
    answer = failed(error)
    context.set_trailing_metadata(answer.trailers)
    context.abort(answer.code, answer.details)
