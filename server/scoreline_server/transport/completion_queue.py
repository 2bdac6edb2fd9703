"""The parts of grpcio's core that the hot lane uses, in one module because ``grpc._cython.cygrpc`` is not public API.

The server extra pins grpcio's minor, ``missing_names`` is checked at start, and without the lane the ordinary handlers
serve the same pipeline. The decision record "What may still be called in gRPC's core while a server stops" (docs/adr)
argues for each of these calls why it is safe beside a stop.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

Event: TypeAlias = Any
OnEvent: TypeAlias = Callable[[Event], None]
Trailers: TypeAlias = tuple[tuple[str, str | bytes], ...]

_NAMES = (
    "CompletionQueue", "CompletionType", "ReceiveCloseOnServerOperation", "ReceiveMessageOperation",
    "SendInitialMetadataOperation", "SendMessageOperation", "SendStatusFromServerOperation", "auth_context",
)  # fmt: skip
_NO_FLAGS = 0


def missing_names(server: grpc.Server) -> list[str]:
    """The names that the lane needs and this grpcio lacks; empty where the lane can run."""
    missing = [f"cygrpc.{name}" for name in _NAMES if not hasattr(cygrpc, name)]
    core = getattr(server, "_cy_server", None)
    wanted = ("register_completion_queue", "register_method", "request_registered_call")
    return missing + [f"_cy_server.{name}" for name in wanted if not hasattr(core, name)]


class CallQueue:
    """A completion queue of its own on a server's core: hands out calls of registered methods.

    ``close`` must come before ``server.stop()``. grpcio checks that the server lives, releases the GIL and only then
    reads the pointer to it, which the stop clears: a request on one thread beside a stop on another ends the process.
    """

    def __init__(self, server: grpc.Server, methods: Sequence[str]) -> None:
        """Registers the queue and the methods; must come before ``server.start()``."""
        # Held, because grpcio also stops a server that nothing refers to.
        self._server = server
        self._core = server._cy_server  # type: ignore[attr-defined]  # noqa: SLF001
        self._queue = cygrpc.CompletionQueue()
        self._timeout = cygrpc.CompletionType.queue_timeout
        self._end = cygrpc.CompletionType.queue_shutdown
        self._requesting = threading.Lock()
        self._is_closed = False
        self._core.register_completion_queue(self._queue)
        for method in methods:
            self._core.register_method(method)

    def request(self, method: str, on_event: OnEvent) -> bool:
        """Requests one more call of a method; False once the queue is closed."""
        with self._requesting:
            if self._is_closed:
                return False
            self._core.request_registered_call(self._queue, self._queue, method, on_event)
        return True

    def close(self) -> None:
        """Refuses requests from now on; none is being made when this returns. Requested calls still arrive."""
        with self._requesting:
            self._is_closed = True

    def poll(self, deadline: float) -> Event | None:
        """The next event, or None when there is none until ``deadline`` (in seconds of time.time())."""
        event = self._queue.poll(deadline)
        return None if event.completion_type == self._timeout else event

    def is_shutdown(self, event: Event) -> bool:
        """Whether an event is the last one of this queue."""
        return bool(event.completion_type == self._end)

    def shutdown(self) -> None:
        """Ends the queue; allowed once nothing is requested and no call is open."""
        self._queue.shutdown()


def receive(call: Any, on_message: OnEvent) -> None:
    """Requests the call's message."""
    _start(call, (cygrpc.ReceiveMessageOperation(_NO_FLAGS),), on_message)


def watch(call: Any, on_end: OnEvent) -> None:
    """Requests an event at the call's end, which also tells when the caller is gone."""
    _start(call, (cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), on_end)


def message_of(event: Event) -> bytes | None:
    """The received message; None where the call ended without one."""
    message: bytes | None = event.batch_operations[0].message()
    return message


def was_cancelled(event: Event) -> bool:
    """Whether a call that ended was cancelled, timed out or lost."""
    return bool(event.batch_operations[0].cancelled())


def send_answer(call: Any, message: bytes, on_sent: OnEvent) -> None:
    """Sends a message with status OK."""
    head, status = _constant_operations()
    _start(call, (head, cygrpc.SendMessageOperation(message, _NO_FLAGS), status), on_sent)


def send_status(call: Any, code: int, details: str, trailers: Trailers, on_sent: OnEvent) -> None:
    """Sends a status without a message."""
    head, _ = _constant_operations()
    status = cygrpc.SendStatusFromServerOperation(trailers, code, details.encode(), _NO_FLAGS)
    _start(call, (head, status), on_sent)


def _start(call: Any, operations: tuple[Any, ...], on_event: OnEvent) -> None:
    """Starts a batch of operations. Raises RuntimeError where the core refuses it, because its event would not come."""
    error = call.start_server_batch(operations, on_event)
    if error:
        raise RuntimeError(f"gRPC's core refused a batch of operations with error {error}")


@cache
def _constant_operations() -> tuple[Any, Any]:
    """Operations that are the same in every answer: no metadata, and status OK without details.

    With nothing to send they own no memory while they run, so calls share them.
    """
    return (
        cygrpc.SendInitialMetadataOperation((), _NO_FLAGS),
        cygrpc.SendStatusFromServerOperation((), 0, b"", _NO_FLAGS),
    )


def auth_context(call: Any) -> dict[str, list[bytes]]:
    """The caller's TLS properties, as in ``ServicerContext.auth_context()``."""
    context: dict[bytes, list[bytes]] = cygrpc.auth_context(call) or {}
    return {key.decode(): values for key, values in context.items()}


def peer(call: Any) -> str:
    """The caller's address, as in ``ServicerContext.peer()``."""
    address: bytes = call.peer()
    return address.decode()
