"""The process of ``python -m scoreline_server.processes.controller``, which a supervisor starts beside its workers.

It runs the controllers of ramps, allocations and policies at a low priority, until its supervisor closes the pipe to
its standard input or dies, or until SIGTERM. No call passes through it, and the server goes on without it.
"""

import os
import select
import signal
import sys
import threading

import structlog

from scoreline_registry.registry import Registry
from scoreline_server import logging_config
from scoreline_server.controllers.assembly import runner_of
from scoreline_server.failure_log import log_failure
from scoreline_server.journal.writing.opening import journal_folder
from scoreline_server.metrics.controller_metrics import ControllerMetrics
from scoreline_server.processes.reports import Report, WorkerConfig, WorkerState

_log = structlog.get_logger()

_NICENESS = 10
_LAST_WORDS_SECONDS = 1.0


def main() -> int:
    """Runs as configured on standard input; returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    config = WorkerConfig.read(sys.stdin.buffer.readline())
    logging_config.configure(config.settings)
    os.nice(_NICENESS)
    settings, metrics = config.settings, ControllerMetrics(config.runtime)
    folder = journal_folder(settings.journal_dir, settings.registry)
    if folder is None:
        _log.warning("ramps and allocations stand still, because nothing is journaled: set journal_dir")
    runner = runner_of(Registry.open(settings.registry), [folder] if folder else [], counting=metrics)
    sys.stdout.buffer.write(Report(WorkerState.SERVING).line())
    sys.stdout.buffer.flush()
    threading.Thread(target=_await_end, args=(stop,), daemon=True).start()
    runner.run(stop, settings.controller_seconds)
    log_failure.flush(_LAST_WORDS_SECONDS)
    return 0


def _await_end(stop: threading.Event) -> None:
    """Sets ``stop`` once the pipe from the supervisor has ended; nothing more is ever sent."""
    select.select([sys.stdin.fileno()], [], [])
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
