"""The handlers of the streaming methods: ScoreStream, RecordEventStream and WatchRevisions."""

from collections.abc import Iterator
from typing import Any

import grpc

from scoreline.v1 import profiles_pb2, registry_pb2, scoring_pb2
from scoreline_registry.registry import Registry
from scoreline_server.loading.watcher import Watcher
from scoreline_server.rpc import resources
from scoreline_server.rpc.authority import Action
from scoreline_server.rpc.methods import RECORD_EVENT_STREAM, SCORE, SCORE_STREAM, WATCH_REVISIONS
from scoreline_server.rpc.pipeline import Call, Pipeline, decoded, refusal
from scoreline_server.rpc.profile_calls import ProfileCalls
from scoreline_server.scoring.responses import entity_error
from scoreline_server.transport.servicer import Handler, caller_of
from scoreline_server.transport.stream_pool import Serve, StreamPool

_LOOK_SECONDS = 1.0


class Streams:
    """The handlers of the streaming methods."""

    def __init__(
        self, pipeline: Pipeline, registry: Registry, watcher: Watcher, profiles: ProfileCalls, *, threads: int
    ) -> None:
        self._pipeline, self._registry, self._watcher = pipeline, registry, watcher
        self._profiles = profiles
        self._pool = StreamPool(threads)

    def handlers(self, *, by_admin_address: bool = False) -> dict[str, Handler]:
        """The handlers by path."""
        score = self._allowed(Action.SCORE, self._score, by_admin_address=by_admin_address)
        record = self._allowed(Action.EVENTS_RECORD, self._record, by_admin_address=by_admin_address)
        watch = self._allowed(Action.REGISTRY_READ, self._watch, by_admin_address=by_admin_address)
        return {
            SCORE_STREAM: grpc.stream_stream_rpc_method_handler(score),
            RECORD_EVENT_STREAM: grpc.stream_stream_rpc_method_handler(record),
            WATCH_REVISIONS: grpc.unary_stream_rpc_method_handler(watch),
        }

    def close(self) -> None:
        """Ends the threads once their streams have ended."""
        self._pool.close()

    def _allowed(self, action: Action, serve: Serve, *, by_admin_address: bool) -> Serve:
        def stream(incoming: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            self._pipeline.authorize(action, lambda: caller_of(context, by_admin_address=by_admin_address))
            yield from serve(incoming, context)

        return self._pool.serving(stream)

    def _score(self, incoming: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        for message in incoming:
            yield self._scored(message).SerializeToString()

    def _scored(self, message: bytes) -> scoring_pb2.ScoreStreamResponse:
        """The answer to one request of a stream, which passes through the pipeline as a call of its own."""
        request = decoded(scoring_pb2.ScoreStreamRequest, message).request
        answer = self._pipeline.handle(Call(SCORE, request.SerializeToString()))
        response = scoring_pb2.ScoreStreamResponse(request_id=request.request_id)
        if answer.error is None:
            response.response.ParseFromString(answer.message)
        else:
            response.error.CopyFrom(entity_error(0, answer.error))
        return response

    def _record(self, incoming: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        for message in incoming:
            yield self._recorded(message).SerializeToString()

    def _recorded(self, message: bytes) -> profiles_pb2.RecordEventStreamResponse:
        """The answer to one batch of a stream. It waits for the store on the stream's own thread."""
        request = decoded(profiles_pb2.RecordEventStreamRequest, message)
        response = profiles_pb2.RecordEventStreamResponse(batch_id=request.batch_id)
        try:
            response.response.CopyFrom(self._profiles.record_batch(request.request, self._watcher.catalog))
        except Exception as error:  # noqa: BLE001
            response.error.CopyFrom(entity_error(0, refusal(error)))
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
