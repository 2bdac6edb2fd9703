"""The supervisor: restarts the workers of one server and drains them at the end.

Its process answers scrapes and probes, so that they never disturb a process that serves. A worker that exits is started
again with growing waits; only one that fails before any worker has served ends the server.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from scoreline_server.errors import StartError, StopError
from scoreline_server.processes.backoff import Backoff
from scoreline_server.processes.controller_process import ControllerProcess
from scoreline_server.processes.exposition import Exposition
from scoreline_server.processes.reports import Report, WorkerConfig, WorkerState
from scoreline_server.processes.worker_pool import WorkerPool, WorkerSlot
from scoreline_server.processes.workers import WorkerProcess
from scoreline_server.settings import Settings
from scoreline_server.stopping import StopLimits

_log = structlog.get_logger()

# Added to the drain time of the settings, for closing the parts of a worker and for its exit.
_DRAIN_MARGIN_SECONDS = StopLimits().total_seconds + 2.0


@dataclass(slots=True)
class _RunningSlot:
    """A slot and its present process."""

    number: int
    worker: WorkerProcess | None = None
    restarts: int = 0
    problem: str = ""

    def state(self) -> WorkerSlot:
        worker = self.worker
        if worker is None:
            return WorkerSlot(self.number, Report(WorkerState.DOWN, problem=self.problem), restarts=self.restarts)
        return WorkerSlot(self.number, worker.report, worker.pid, worker.resident_bytes, self.restarts)


class Supervisor:
    """``workers`` worker processes that serve the same settings on the same port."""

    def __init__(
        self,
        settings: Settings,
        *,
        workers: int,
        runtime: Path,
        exposition: Exposition,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    ) -> None:
        """``settings`` name the ports that were really taken; ``runtime`` is the folder that the workers share."""
        self._settings = settings
        self._runtime = runtime
        self._exposition = exposition
        self._backoff = backoff
        self._slots = [_RunningSlot(number) for number in range(workers)]
        config = WorkerConfig(0, settings, runtime, reuse_port=False)
        self._controllers = ControllerProcess(config, exposition=exposition, backoff=backoff)
        self._serving = asyncio.Event()
        self._draining = asyncio.Event()
        self._drains = 0
        self._killed = 0
        self._failure: StartError | None = None

    def pool(self) -> WorkerPool:
        """The present state of the workers."""
        return WorkerPool(
            tuple(slot.state() for slot in self._slots), draining=self._draining.is_set(), drains=self._drains
        )

    async def run(self, announce: Callable[[], None]) -> None:
        """Serves until ``drain``; ``announce`` is called once, when the first worker serves.

        Raises StartError when no worker could ever serve, and StopError when workers had to be killed at the end.
        """
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(self._keep(slot))
            if self._settings.controllers:
                group.create_task(self._controllers.keep(self._serving, self._draining))
            announcing = group.create_task(self._announce(announce))
            await self._draining.wait()
            announcing.cancel()
            limit = asyncio.get_running_loop().call_later(self._drain_limit_seconds, self.kill)
        limit.cancel()
        if self._failure is not None:
            raise self._failure
        if self._killed:
            raise StopError(f"{self._killed} of {len(self._slots)} workers did not drain in time and were killed")

    def drain(self) -> None:
        """Drains every worker and starts none again."""
        if self._draining.is_set():
            return
        self._draining.set()
        for slot in self._slots:
            if slot.worker is not None:
                self._drains += slot.worker.report.state is WorkerState.SERVING
                slot.worker.drain()
        self._controllers.drain()

    def interrupt(self) -> None:
        """Ctrl-C: drains, and kills at the second time."""
        if self._draining.is_set():
            self.kill()
        self.drain()

    def kill(self) -> None:
        """Kills every worker."""
        for slot in self._slots:
            if slot.worker is not None:
                self._killed += 1
                slot.worker.kill()
        self._controllers.kill()

    @property
    def _drain_limit_seconds(self) -> float:
        return self._settings.drain_delay_seconds + self._settings.drain_seconds + _DRAIN_MARGIN_SECONDS

    async def _announce(self, announce: Callable[[], None]) -> None:
        await self._serving.wait()
        announce()

    async def _keep(self, slot: _RunningSlot) -> None:
        """Keeps a worker running in a slot until the drain."""
        failures = 0
        while not self._draining.is_set():
            started = time.monotonic()
            code = await self._live(slot)
            if self._draining.is_set():
                return
            if not self._serving.is_set():
                self._failure = StartError(slot.problem or f"a worker ended with code {code} before it could serve")
                self.drain()
                return
            failures = self._backoff.failures(failures, time.monotonic() - started)
            wait = self._backoff.wait_seconds(failures, random.random())  # noqa: S311  jitter
            _log.warning(
                "worker ended, starting another", worker=slot.number, code=code, problem=slot.problem, wait_seconds=wait
            )
            slot.restarts += 1
            await self._pause(wait)

    async def _live(self, slot: _RunningSlot) -> int:
        """Runs one worker in a slot until it exits; its exit code."""
        config = WorkerConfig(slot.number, self._settings, self._runtime, reuse_port=len(self._slots) > 1)
        try:
            worker = slot.worker = await WorkerProcess.spawn(config)
        except OSError as error:
            slot.problem = f"no process can be started: {error}"
            return error.errno or 1
        self._exposition.spawned(worker.pid)
        if self._draining.is_set():
            worker.drain()
        slot.problem = ""
        async for report in worker.reports():
            if report.state is WorkerState.SERVING:
                self._serving.set()
            if report.state is WorkerState.FAILED:
                slot.problem = report.problem
            if report.state is WorkerState.DRAINING and not self._draining.is_set():
                self._drains += 1
        code = await worker.ended()
        slot.worker = None
        self._exposition.reap(worker.pid)
        return code

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._draining.wait(), seconds)
        except TimeoutError:
            return


def answer_signals(supervisor: Supervisor) -> None:
    """Handles SIGTERM, which drains, and Ctrl-C, which drains and at the second time kills."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.drain)
    loop.add_signal_handler(signal.SIGINT, supervisor.interrupt)
