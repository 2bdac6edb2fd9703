"""ASGI middleware between BentoML and the endpoints: limits of bodies, and how connections end."""

from collections import deque
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scoreline_server.bento.messages import Problem


class Bounded:
    """Refuses a longer body with 413 before it is decoded: decoding one would stall gRPC callers of the worker too."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body, as the endpoints would, and hands it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = await self._taken(Headers(scope=scope), receive)
        if taken is None:
            await self._refusal()(scope, receive, send)
            return

        async def again() -> Message:
            return taken.popleft() if taken else await receive()

        await self._app(scope, again, send)

    async def _taken(self, headers: Headers, receive: Receive) -> deque[Message] | None:
        """The request body up to its last message; None where it is too large."""
        too_much = int(headers.get("content-length", 0)) > self._most_bytes
        if too_much and "expect" in headers:
            # Nothing has been sent yet, and nothing is when nothing is asked for.
            return None
        taken, size, more = deque[Message](), 0, True
        # As much again is read and dropped: a caller who is still sending does not read the refusal.
        while more and size <= 2 * self._most_bytes:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            too_much = too_much or size > self._most_bytes
            if too_much:
                taken.clear()
            else:
                taken.append(message)
        return None if too_much else taken

    def _refusal(self) -> JSONResponse:
        problem = Problem(
            error=f"the body is larger than max_message_bytes, {self._most_bytes}: send fewer entities", reason=""
        )
        return JSONResponse(problem.model_dump(), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"connection": "close"})


class Closing:
    """While draining, answers ask callers to come again on another connection, so that none is cut."""

    def __init__(self, app: ASGIApp, is_draining: Callable[[], bool]) -> None:
        self._app, self._is_draining = app, is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds ``Connection: close`` to the responses."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_draining():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)
