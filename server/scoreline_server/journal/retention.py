"""Which journal files may go: the oldest, past an age or a total size. What is still written stays."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from scoreline_server.journal.file import SUFFIX

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Aged:
    """A file: its size, and when it was last written, in seconds since 1970."""

    path: Path
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Retention:
    """How long files are kept, and how much of them; 0 for no limit."""

    seconds: float
    total_bytes: int

    def outdated(self, files: Iterable[Aged], now: float) -> Iterator[Aged]:
        """The files that are too old, and of the others the oldest that are too many."""
        left = self.total_bytes
        for file in sorted(files, key=lambda file: (file.modified, file.path.name), reverse=True):
            left -= file.size
            if (self.seconds and now - file.modified > self.seconds) or (self.total_bytes and left < 0):
                yield file


def aged_files(folder: Path) -> list[Aged]:
    """The journal files of a folder; none where there is no folder."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            found.append(Aged(path, facts.st_size, facts.st_mtime))
    return found


def enforce(retention: Retention, folder: Path, now: float) -> int:
    """Removes what is outdated and nobody writes any more; how many files. Raises OSError."""
    removed = 0
    for file in retention.outdated(aged_files(folder), now):
        if _removed(file.path):
            removed += 1
            _log.info("journal file removed", path=str(file.path), bytes=file.size)
    return removed


def _removed(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:  # its writer holds it
        return False
    finally:
        os.close(descriptor)
    return True
