"""``scoreline serve``, assembled in order: ports, runtime folder, supervisor, ops port, workers."""

import asyncio
import os
import socket
from contextlib import ExitStack, nullcontext
from pathlib import Path

import structlog

from scoreline_server.cpu_count import usable_cores
from scoreline_server.errors import StartError
from scoreline_server.processes import ops
from scoreline_server.processes.exposition import Exposition
from scoreline_server.processes.ports import bound, has_port, reserved
from scoreline_server.processes.runtime import runtime_folder, runtime_parent
from scoreline_server.processes.supervisor import Supervisor, answer_signals
from scoreline_server.settings import OFF, Settings, misspelled

_log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains. Prints the address once the first worker serves.

    Raises StartError when it cannot start, and StopError when a worker had to be killed at the end.
    """
    workers = worker_count(settings)
    for variable, name in misspelled(os.environ).items():
        _log.warning("unknown environment variable", name=variable, did_you_mean=name)
    with ExitStack() as stack:
        ports = {"listen": stack.enter_context(reserved(settings.listen))}
        if settings.admin_listen:
            ports["admin_listen"] = stack.enter_context(reserved(settings.admin_listen))
        listener = None if settings.ops_listen in OFF else stack.enter_context(bound(settings.ops_listen))
        runtime = stack.enter_context(runtime_folder(runtime_parent()))
        asyncio.run(_serve(settings.model_copy(update=ports), workers, runtime, listener))


async def _serve(settings: Settings, workers: int, runtime: Path, listener: socket.socket | None) -> None:
    exposition = Exposition(runtime)
    supervisor = Supervisor(settings, workers=workers, runtime=runtime, exposition=exposition)
    answer_signals(supervisor)

    def announce() -> None:
        print(settings.listen, flush=True)  # noqa: T201  the address is the command's output
        if listener is not None:
            host, port = listener.getsockname()[:2]
            _log.info("ops port open", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    pages = ops.application(supervisor.pool, exposition.page)
    async with ops.serving(pages, listener) if listener is not None else nullcontext():
        await supervisor.run(announce)
    _log.info("all workers ended")


def worker_count(settings: Settings) -> int:
    """How many workers to start. Raises StartError where several cannot share the address."""
    workers = usable_cores() if settings.workers == "auto" else settings.workers
    for address in filter(None, (settings.listen, settings.admin_listen)):
        if workers > 1 and not has_port(address):
            raise StartError(f"{workers} workers cannot share {address}: listen on a TCP port, or set workers to 1")
    return workers
