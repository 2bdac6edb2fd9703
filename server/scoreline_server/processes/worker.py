"""The worker process, ``python -m scoreline_server.processes.worker``, which a supervisor starts.

It serves until its supervisor closes the pipe to its standard input or dies, or until SIGTERM; then it drains.
"""

import gc
import os
import select
import signal
import sys
from dataclasses import replace
from typing import NoReturn

from scoreline_server import logging_config
from scoreline_server.app import Server
from scoreline_server.errors import ServingError
from scoreline_server.failure_log import log_failure
from scoreline_server.processes.reports import Report, RouteReport, WorkerConfig, WorkerState
from scoreline_server.scoring.catalog import Catalog

_LOOK_SECONDS = 0.25
_LAST_WORDS_SECONDS = 1.0


def main() -> int:
    """Serves as configured on standard input; returns the exit code."""
    ended = _signals()
    reports = _Reports()
    config = WorkerConfig.read(_first_line())
    logging_config.configure(config.settings, worker=config.number)
    try:
        with Server(
            config.settings, runtime=config.runtime, worker=config.number, reuse_port=config.reuse_port
        ) as server:
            # The objects of the start stay for good; collecting over all of them while serving stalls every call by
            # milliseconds.
            gc.collect()
            gc.freeze()
            reports.serving(server)
            while not _is_told_to_end(ended):
                reports.serving(server)
            reports.draining()
    except ServingError as error:
        reports.send(Report(WorkerState.FAILED, problem=str(error)))
        return 1
    return 0


class _Reports:
    """The pipe to the supervisor. Standard output is that pipe; other output goes to standard error."""

    def __init__(self) -> None:
        self._pipe = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._catalog: Catalog | None = None
        self._problem = ""
        self._last = Report(WorkerState.STARTING)

    def serving(self, server: Server) -> None:
        """Sends a report where it has changed."""
        catalog, problem = server.watcher.catalog, server.problem
        if catalog is not self._catalog or problem != self._problem:
            self._catalog, self._problem = catalog, problem
            self.send(report_of(catalog, server.address, problem))

    def draining(self) -> None:
        """Reports the drain."""
        self.send(replace(self._last, state=WorkerState.DRAINING))

    def send(self, report: Report) -> None:
        """Writes a report; one that a dead supervisor cannot read is dropped."""
        self._last = report
        left = memoryview(report.line())
        try:
            while left:
                left = left[os.write(self._pipe, left) :]
        except BrokenPipeError:
            return


def report_of(catalog: Catalog, address: str, problem: str) -> Report:
    """The report of a serving worker: its catalog and what else is wrong."""
    adopted = {name: route.revision for name, route in catalog.routes.items()}
    policies = [f"policy {name} is not adopted: {why}" for name, why in catalog.policy_problems.items()]
    return Report(
        state=WorkerState.SERVING,
        address=address,
        problem="; ".join(filter(None, (catalog.problem, *policies, problem))),
        revision=catalog.revision,
        routes={
            name: RouteReport(adopted.get(name, 0), catalog.problems.get(name, ""))
            for name in {*adopted, *catalog.problems}
        },
        models=len(catalog.models),
        refused={f"{name}@{version}": error.detail for (name, version), error in catalog.failures.items()},
    )


def _signals() -> int:
    """A file that becomes readable at SIGTERM. Ctrl-C is the supervisor's to answer."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    # A handler in Python would run inside whatever the main thread does, and could deadlock on its lock.
    signal.set_wakeup_fd(writable)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return readable


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), 65536)
        if not part:
            raise SystemExit("a worker is started by `scoreline serve`, which sends it its configuration")
        line += part
    return line


def _is_told_to_end(ended: int) -> bool:
    """Waits a moment; True once the supervisor's pipe has ended or SIGTERM has come. Nothing else is ever sent."""
    ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [], _LOOK_SECONDS)
    return bool(ready)


def _exit(code: int) -> NoReturn:
    """Ends the process now: interpreters wait for handlers that still run, and those have no limit."""
    log_failure.flush(_LAST_WORDS_SECONDS)
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _exit(main())
