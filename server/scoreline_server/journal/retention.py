"""Removes journal files beyond an age or a total size, the oldest first, but none that is being written."""

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

    def has_expired(self, file: Aged, now: float) -> bool:
        """Whether a file is older than it has to be kept."""
        return bool(self.seconds) and now - file.modified > self.seconds

    def outdated(self, files: Iterable[Aged], now: float) -> Iterator[Aged]:
        """The files that are too old, and the oldest of the others while they are too large together."""
        left = self.total_bytes
        for file in sorted(files, key=lambda file: (file.modified, file.path.name), reverse=True):
            left -= file.size
            if self.has_expired(file, now) or (self.total_bytes and left < 0):
                yield file


def aged_files(folder: Path, suffix: str = SUFFIX) -> list[Aged]:
    """The journal files of a folder, or those of another suffix; none where there is no folder."""
    found = []
    for path in folder.glob(f"*{suffix}"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            found.append(Aged(path, facts.st_size, facts.st_mtime))
    return found


def enforce(retention: Retention, folder: Path, now: float) -> int:
    """Removes the outdated files that no process writes; how many. Raises OSError.

    A file that goes for its size before its age is logged as a warning: its rows may still wait for their outcomes.
    """
    removed = 0
    for file in retention.outdated(aged_files(folder), now):
        if removed_unwritten(file.path):
            removed += 1
            facts = {"path": str(file.path), "bytes": file.size, "days": round((now - file.modified) / 86400, 1)}
            if retention.has_expired(file, now):
                _log.info("journal file removed", **facts)
            else:
                _log.warning("journal file removed early, raise journal_keep_bytes to keep it longer", **facts)
    return removed


def removed_unwritten(path: Path) -> bool:
    """Removes a file unless a process writes it; whether it did. Raises OSError."""
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
