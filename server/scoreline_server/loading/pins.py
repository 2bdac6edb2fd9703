"""Pinned versions: loaded on request although no route or alias needs them.

Pins hold for all workers of one supervisor, not only for the one that got the request: they are kept in a small file in
the runtime folder, which every worker reads. Without a folder they are kept in memory.
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
    """An ordered set of versions, the most recently requested one last."""

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
        """Adds a version; one that is pinned already moves to the end."""
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
