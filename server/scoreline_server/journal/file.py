"""One journal file that is being written. A block is in it whole or not at all, as far as the disk lets that be."""

import contextlib
import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from scoreline_server.journal.facts import FileFacts

SUFFIX = ".journal"


class Disk:
    """The two calls that can be slow or find the disk full; tests put another in its place."""

    def write(self, descriptor: int, data: memoryview) -> int:
        """Writes some of the data at the end of a file; how many bytes."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Has what was written survive a loss of power."""
        os.fsync(descriptor)


class JournalFile:
    """A file of one writer, locked as long as it is open, so that nobody removes it as old."""

    def __init__(self, path: Path, *, disk: Disk) -> None:
        """Begins a new file, readable by its owner only. Raises OSError, FileExistsError where there is one."""
        self.path = path
        self.size = 0
        self.begun = time.monotonic()
        self.is_synced = True
        self.described: set[int] = set()
        """Keys of the routes that were described in it."""
        self._disk = disk
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed it meanwhile."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, data: bytes) -> None:
        """Hands whole blocks to the system. Raises OSError when not all fit; then none of them is in the file."""
        left = memoryview(data)
        self.is_synced = False
        try:
            while left:
                left = left[self._disk.write(self._descriptor, left) :]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def sync(self) -> None:
        """Has everything appended survive a loss of power. Raises OSError."""
        self._disk.sync(self._descriptor)
        self.is_synced = True

    def discard(self) -> None:
        """Takes the file away, when not even its head could be written."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def close(self) -> None:
        """Lets go of the file. What was appended stays, whatever the disk says to a last sync."""
        with contextlib.suppress(OSError):
            self.sync()
        os.close(self._descriptor)


def begin(folder: Path, facts: FileFacts, *, disk: Disk) -> JournalFile:
    """A new file in a folder, which is made where it is missing; both for their owner only. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = facts.started // 1000
    while True:
        started = datetime.fromtimestamp(moment / 1e6, UTC)
        try:
            return JournalFile(folder / f"{facts.worker}-{started:%Y%m%dT%H%M%S.%fZ}{SUFFIX}", disk=disk)
        except FileExistsError:  # another server's, begun in the same microsecond
            moment += 1
