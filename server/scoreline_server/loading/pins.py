"""Versions that somebody asked to be loaded although no route or alias reaches them.

They are the desired state of all workers of one supervisor, not of the one worker that was asked: a small file in the
supervisor's runtime folder that every worker reads. Without a folder they live in memory.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scoreline_server.scoring.model import VersionKey

Change = Callable[[tuple[VersionKey, ...]], list[VersionKey]]


class Pins:
    """An ordered set of versions, the one that was asked for last at the end."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._pins: list[VersionKey] = []

    def read(self) -> tuple[VersionKey, ...]:
        """All pins, the oldest first."""
        if self._path is None:
            return tuple(self._pins)
        try:
            with self._path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return _parsed(file)
        except FileNotFoundError:
            return ()

    def add(self, key: VersionKey) -> None:
        """Asks for a version; one that is asked for already moves to the end."""
        self._replace(lambda pins: [*(pin for pin in pins if pin != key), key])

    def remove(self, key: VersionKey) -> None:
        """Asks for it no more."""
        self._replace(lambda pins: [pin for pin in pins if pin != key])

    def _replace(self, change: Change) -> None:
        if self._path is None:
            self._pins = change(tuple(self._pins))
            return
        with _locked(self._path) as file:
            pins = change(_parsed(file))
            file.seek(0)
            file.truncate()
            json.dump(pins, file)


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    path.touch(mode=0o600)
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _parsed(file: IO[str]) -> tuple[VersionKey, ...]:
    return tuple((str(name), int(version)) for name, version in json.loads(file.read() or "[]"))
