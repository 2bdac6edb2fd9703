"""An exclusive lock between processes: one worker of a supervisor loads models at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """A lock on a file, which the system releases when its holder dies."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock for the duration of the block."""
        with self._path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
