"""A thread pool for streaming calls, each of which keeps a thread for as long as it is open."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc

from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.pipeline import failed

Serve: TypeAlias = Callable[[Any, grpc.ServicerContext], Iterator[bytes]]


class StreamPool:
    """A number of threads; when all are in use, the next stream is refused instead of queued."""

    def __init__(self, threads: int) -> None:
        self._places = threading.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="stream")

    def serving(self, serve: Serve) -> Serve:
        """A handler that serves a stream on a thread of the pool and ends it with the status of any exception."""

        def stream(incoming: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            if not self._places.acquire(blocking=False):
                abort(context, CallError(ErrorReason.TOO_MANY_STREAMS, "all places for streams are taken: close some"))
            try:
                yield from serve(incoming, context)
            except (CallError, Exception) as error:  # noqa: BLE001
                if context.is_active():
                    abort(context, error)
            finally:
                self._places.release()

        # grpcio runs a handler that has this attribute on that pool instead of the server's.
        stream.experimental_thread_pool = self._pool  # type: ignore[attr-defined]
        return stream

    def close(self) -> None:
        """Ends the threads once their streams have ended."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def abort(context: grpc.ServicerContext, error: Exception) -> None:
    """Ends a call with the status of an error. Raises, as grpcio's own ``abort`` does."""
    answer = failed(error)
    context.set_trailing_metadata(answer.trailers)
    context.abort(answer.code, answer.details)
