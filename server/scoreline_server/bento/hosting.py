"""The gRPC server's life inside a Bento, and which process owns what.

``bentoml serve`` starts one process that stays, and workers that come and go. The first holds the gRPC port without
listening, and the folder that workers share; every worker listens beside it with a server of its own, as the workers of
``scoreline serve`` do. So a port in use is an error at the start, and a worker's end takes only its own calls along.
"""

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from scoreline_server import logging_config
from scoreline_server.app import Server
from scoreline_server.errors import StartError
from scoreline_server.metrics.shared_counters import Counts, read_counts
from scoreline_server.processes.exposition import added
from scoreline_server.processes.ports import reserved
from scoreline_server.processes.runtime import runtime_folder, runtime_parent
from scoreline_server.processes.serve import worker_count
from scoreline_server.settings import Settings, read_settings

_RUNTIME = "SCORELINE_BENTO_RUNTIME"
_LISTEN = "SCORELINE_LISTEN"
# BentoML kills a worker that has not ended after 30 s; the rest is for HTTP calls under way.
_LONGEST_END_SECONDS = 25.0
_NEVER_SECONDS = 86400.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_held = ExitStack()


@contextmanager
def in_one_line() -> Iterator[None]:
    """Ends the command with what to do; of any other exception BentoML shows pages of traceback."""
    try:
        yield
    except StartError as error:
        raise click.ClickException(str(error)) from error


def settings_of(registry: Path) -> Settings:
    """The settings of the environment, for a registry that never changes.

    In a container gRPC is open to other hosts, as BentoML's HTTP is. Journaling is off unless a folder is given,
    because a Bento's own folder may be read-only. Raises StartError.
    """
    given: dict[str, Any] = {"registry": str(registry), "poll_seconds": _NEVER_SECONDS}
    if _LISTEN not in os.environ and os.environ.get("BENTOML_CONTAINERIZED"):
        given["listen"] = "0.0.0.0:50051"
    if "SCORELINE_JOURNAL_DIR" not in os.environ:
        given["journal_dir"] = "off"
    return read_settings(**given)


def prepare(registry: Path) -> None:
    """Takes the port and makes the shared folder, in the process that starts the workers; they inherit where.

    Raises StartError when the port is taken or cannot be shared, or when the server could not end in the time that
    BentoML gives.
    """
    settings = settings_of(registry)
    worker_count(settings)  # which refuses an address that several cannot share
    if settings.drain_delay_seconds + settings.drain_seconds > _LONGEST_END_SECONDS:
        raise StartError(
            f"BentoML gives {_LONGEST_END_SECONDS:g} s to end: lower SCORELINE_DRAIN_DELAY_SECONDS and "
            "SCORELINE_DRAIN_SECONDS"
        )
    atexit.register(_held.close)
    os.environ[_LISTEN] = _held.enter_context(reserved(settings.listen))
    os.environ[_RUNTIME] = str(_held.enter_context(runtime_folder(runtime_parent())))


class Hosted:
    """The server of one worker."""

    def __init__(self, registry: Path, *, worker: int) -> None:
        """Takes the port. ``worker`` counts from 1; without workers, in a test, it is 0."""
        settings = settings_of(registry)
        self._delay_seconds = settings.drain_delay_seconds
        self._runtime = Path(os.environ[_RUNTIME]) if _RUNTIME in os.environ else None
        logging_config.configure(settings, worker=worker)
        self.server = Server(
            # The delay is over when HTTP has ended; see leave_first.
            settings.model_copy(update={"drain_delay_seconds": 0.0}),
            runtime=self._runtime,
            worker=worker,
            reuse_port=self._runtime is not None,
        )
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether to send calls here."""
        return not self.draining and self.server.watcher.catalog.can_score

    def start(self) -> None:
        """Loads the models, opens the port, and takes part in how the process ends."""
        self.server.start()
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._leave_first(number)

    def stop(self) -> None:
        """Waits for open calls and closes."""
        self.draining = True
        self.server.stop()

    def counts(self) -> Counts:
        """What all workers have counted."""
        if self._runtime is None:
            return self.server.metrics.counts()
        pids = [int(path.stem.removeprefix("counts-")) for path in self._runtime.glob("counts-*.names")]
        return added(*(read_counts(self._runtime, pid) for pid in pids))

    def _leave_first(self, number: int) -> None:
        """At a signal both ports say that they are about to end, serve on for the delay, and only then end."""
        end = signal.getsignal(number)
        if not callable(end):
            return

        def leave(number: int, frame: FrameType | None) -> None:
            del frame
            threading.Thread(target=self._leave, args=(lambda: end(number, None),), daemon=True).start()

        signal.signal(number, leave)

    def _leave(self, end: Callable[[], object]) -> None:
        self.draining = True
        self.server.leave()
        time.sleep(self._delay_seconds)
        end()
