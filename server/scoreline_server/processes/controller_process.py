"""The controllers' process, as a supervisor keeps it running; the server serves on while it is down."""

import asyncio
import random
import time

import structlog

from scoreline_server.failure_log import log_failure
from scoreline_server.processes.backoff import Backoff
from scoreline_server.processes.exposition import Exposition
from scoreline_server.processes.reports import WorkerConfig
from scoreline_server.processes.workers import CONTROLLER, WorkerProcess

_log = structlog.get_logger()


class ControllerProcess:
    """Restarts the controllers' process with growing waits, until the server drains."""

    def __init__(self, config: WorkerConfig, *, exposition: Exposition, backoff: Backoff) -> None:
        self._config, self._exposition, self._backoff = config, exposition, backoff
        self._process: WorkerProcess | None = None

    async def keep(self, serving: asyncio.Event, draining: asyncio.Event) -> None:
        """Runs the process from the moment that a worker serves until the drain."""
        if await _first(serving, draining) is draining:
            return
        failures = 0
        while not draining.is_set():
            started = time.monotonic()
            code = await self._lived(draining)
            if draining.is_set():
                return
            failures = self._backoff.failures(failures, time.monotonic() - started)
            wait = self._backoff.wait_seconds(failures, random.random())  # noqa: S311  jitter
            _log.warning("controllers ended, starting them anew", code=code, wait_seconds=wait)
            await _within(draining, wait)

    def drain(self) -> None:
        """Makes the process end."""
        if self._process is not None:
            self._process.drain()

    def kill(self) -> None:
        """Kills the process."""
        if self._process is not None:
            self._process.kill()

    async def _lived(self, draining: asyncio.Event) -> int:
        """The exit code of one process; 1 where that cannot be known. Nothing here may end the server."""
        try:
            return await self._live(draining)
        except Exception as error:  # noqa: BLE001  the workers serve without controllers
            log_failure("controllers are lost", error)
            self.kill()
            return 1

    async def _live(self, draining: asyncio.Event) -> int:
        """Runs one process until it exits; its exit code."""
        try:
            process = self._process = await WorkerProcess.spawn(self._config, module=CONTROLLER)
        except OSError as error:
            _log.warning("no process can be started for the controllers", error=str(error))
            return error.errno or 1
        self._exposition.spawned(process.pid)
        if draining.is_set():
            process.drain()
        async for _report in process.reports():
            _log.info("controllers run", pid=process.pid)
        code = await process.ended()
        self._process = None
        self._exposition.reap(process.pid)
        return code


async def _first(one: asyncio.Event, other: asyncio.Event) -> asyncio.Event:
    """The event that is set first; ``other`` where both are."""
    waits = [asyncio.create_task(event.wait()) for event in (one, other)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return other if other.is_set() else one


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event, at most so long."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
