"""The one HTTP port for operators: metrics, probes and status of all workers, answered by their supervisor."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from scoreline_server.processes.worker_pool import WorkerPool

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"


def application(pool: Callable[[], WorkerPool], page: Callable[[WorkerPool], bytes]) -> Starlette:
    """The pages. ``page`` renders the metrics; it reads files, so it runs on a thread."""

    async def metrics(_: Request) -> Response:
        return Response(await run_in_threadpool(page, pool()), headers={"content-type": CONTENT_TYPE})

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        now = pool()
        return JSONResponse(now.readiness(), status_code=200 if now.ready else 503)

    async def status(_: Request) -> Response:
        return JSONResponse(pool().status())

    pages = {"/metrics": metrics, "/livez": livez, "/readyz": readyz, "/status": status}
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in pages.items()])


@contextlib.asynccontextmanager
async def serving(application: Starlette, listener: socket.socket) -> AsyncIterator[None]:
    """Serves the pages on a bound socket while the block runs."""
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _OpsServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await running


class _OpsServer(uvicorn.Server):
    """A server that leaves the process's signals alone: they are the supervisor's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
