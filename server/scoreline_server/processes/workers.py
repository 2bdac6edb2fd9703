"""A worker process, as its supervisor starts, observes and ends it."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from scoreline_server.processes.reports import Report, WorkerConfig, WorkerState

WORKER = "scoreline_server.processes.worker"
CONTROLLER = "scoreline_server.processes.controller"

_LONGEST_REPORT_BYTES = 64 * 1024 * 1024
# glibc raises this threshold by itself once a large block was freed; from then on models lie in the heap, whose holes
# stay resident when they go: after 50 swaps of a 6 MB model 200 MB instead of 125.
_ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(1024 * 1024)}
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class WorkerProcess:
    """A running worker. It is spawned, never forked: gRPC does not survive a fork."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.report = Report(WorkerState.STARTING)
        self.started = time.monotonic()

    @classmethod
    async def spawn(cls, config: WorkerConfig, *, module: str = WORKER) -> Self:
        """Starts a worker, or another module that takes the same configuration."""
        process = await asyncio.create_subprocess_exec(
            # -P: a file in the working folder must not shadow a module.
            *(sys.executable, "-P", "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**_ALLOCATION, **os.environ},
            limit=_LONGEST_REPORT_BYTES,
            # Ctrl-C in a terminal reaches the whole group: the supervisor alone is to answer it.
            process_group=0,
        )
        if process.stdin is not None:
            process.stdin.write(config.line())
        return cls(process)

    async def reports(self) -> AsyncIterator[Report]:
        """Its reports, until it has exited."""
        if self._process.stdout is None:
            return
        async for line in self._process.stdout:
            # Something that a library printed while it was imported is no report.
            if line.startswith(b"{"):
                self.report = Report.read(line)
                yield self.report

    async def ended(self) -> int:
        """Waits for its exit; the exit code, negative for a signal."""
        return await self._process.wait()

    def drain(self) -> None:
        """Makes it drain and exit. One that does not serve yet is killed."""
        if self.report.state is WorkerState.STARTING:
            self.kill()
        elif self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """Kills it."""
        if self._process.returncode is None:
            self._process.kill()

    @property
    def resident_bytes(self) -> int:
        """Its resident memory; 0 where it is unknown."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0
