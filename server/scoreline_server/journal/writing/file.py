"""A journal file that is being written, to which blocks are appended whole or not at all."""

import contextlib
import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from scoreline_server.journal.format.facts import SUFFIX, FileFacts


class Disk:
    """The two system calls that can be slow or fail; tests replace it."""

    def write(self, descriptor: int, data: memoryview) -> int:
        """Writes some of the data at the end of a file; how many bytes."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Syncs a file to disk."""
        os.fsync(descriptor)


class JournalFile:
    """The file of one writer, locked while it is open, so that retention does not remove it."""

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
        """Whether it was removed meanwhile."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, data: bytes) -> None:
        """Appends whole blocks. Raises OSError where that fails; then none of them is in the file."""
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
        """Syncs what was appended to disk. Raises OSError."""
        self._disk.sync(self._descriptor)
        self.is_synced = True

    def truncate(self, size: int) -> None:
        """Takes back what was appended beyond ``size``. Raises OSError."""
        os.ftruncate(self._descriptor, size)
        self.size = size

    def discard(self) -> None:
        """Removes the file, whose head could not be written."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def close(self) -> None:
        """Syncs and closes the file. What was appended stays, also where the sync fails."""
        if not self.is_synced:
            with contextlib.suppress(OSError):
                self.sync()
        os.close(self._descriptor)


def begin(folder: Path, facts: FileFacts, *, disk: Disk, suffix: str = SUFFIX) -> JournalFile:
    """A new file in a folder, which is made where it is missing; both for their owner only. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = facts.started // 1000
    while True:
        started = datetime.fromtimestamp(moment / 1e6, UTC)
        try:
            return JournalFile(folder / f"{facts.worker}-{started:%Y%m%dT%H%M%S.%fZ}{suffix}", disk=disk)
        except FileExistsError:  # another server's, begun in the same microsecond
            moment += 1
