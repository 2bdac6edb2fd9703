"""Forgets in the background of a server: ends the files that its process writes, then takes entities out of all."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from scoreline_server.forgetting.folder import forget_pending
from scoreline_server.forgetting.requests import ask, request_files
from scoreline_server.gil_switching import background_work

_EVERY_SECONDS = 1.0
_MOST_SECONDS = 60.0

_log = structlog.get_logger()


class Forgetting:
    """Looks for requests in a journal's folder on a thread of its own, in each worker of a server.

    While a request is pending it is worked on after 1, 2, 4, ... and at most 60 seconds: another process may be writing
    one of the files.
    """

    def __init__(
        self, folder: Path, *, end_files: Sequence[Callable[[], object]], every_seconds: float = _EVERY_SECONDS
    ) -> None:
        """``end_files`` end the files that this process is writing; each is called on the thread."""
        self.folder = folder
        self._end_files, self._every = end_files, every_seconds
        self._closing = threading.Event()
        self._known = frozenset[Path]()
        self._wait = every_seconds
        self._next = 0.0
        self._thread = threading.Thread(target=self._run, name="forgetting", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread once it has done what it is doing; a process that ends before loses nothing."""
        self._closing.set()

    def ask(self, entity: str) -> bool:
        """Asks for an entity to be forgotten, durably; False where there is no journal yet. Raises OSError."""
        return ask(self.folder, entity) is not None

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            try:
                self._look()
            except OSError as error:
                _log.warning(
                    "entities could not be forgotten in the journal", folder=str(self.folder), error=str(error)
                )

    def _look(self) -> None:
        """Works on the requests, if there are new ones or it is time again. Raises OSError."""
        found = frozenset(request_files(self.folder))
        if not found - self._known:
            if not found or time.monotonic() < self._next:
                self._known = found
                return
            self._wait = min(2 * self._wait, _MOST_SECONDS)
        else:
            self._wait = self._every
        self._known, self._next = found, time.monotonic() + self._wait
        for end in self._end_files:
            end()
        with background_work():
            forget_pending(self.folder, waits=False)
