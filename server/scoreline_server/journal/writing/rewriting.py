"""Writes a file of the journal's folder anew, in the place of the one that readers may have open.

The new file takes the place of the old one under the same name, by one rename after it is synced: readers find one or
the other, never both and never neither, wherever a process is killed.
"""

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from scoreline_server.journal.format.blocks import Fault

ASIDE = ".slim"
"""Follows the name of a file while its new form is being written."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file that was written anew: its size now, 0 where nothing was to be kept and it was removed; its faults."""

    size: int
    faults: int = 0


def is_free(file: BinaryIO, path: Path) -> bool:
    """Locks an open file; False where another process holds it, or it is no longer the file of that name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file.fileno()).st_ino == path.stat().st_ino


def sweep(folder: Path) -> None:
    """Removes what killed processes left half rewritten."""
    for aside in folder.glob(f"*{ASIDE}"):
        path = aside.with_suffix("")
        try:
            with path.open("rb") as file:
                if is_free(file, path):
                    aside.unlink(missing_ok=True)
        except FileNotFoundError:
            aside.unlink(missing_ok=True)


def rewrite(path: Path, blocks: Iterable[bytes | Fault], *, modified: int) -> Rewritten:
    """Puts a file of these blocks in the place of another, which the caller has locked; faults are left out.

    ``modified`` is when the last row was written, in ns since 1970. Raises OSError; then the file is as it was.
    """
    aside = path.with_name(path.name + ASIDE)
    faults = 0
    try:
        with open(aside, "wb", opener=private) as file:
            for block in blocks:
                if isinstance(block, Fault):
                    faults += 1
                else:
                    file.write(block)
            file.flush()
            os.utime(file.fileno(), ns=(modified, modified))
            os.fsync(file.fileno())
            size = file.tell()
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_names(path.parent)
    return Rewritten(size, faults)


def private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read, for ``open``."""
    return os.open(path, flags, 0o600)


def sync_names(folder: Path) -> None:
    """Syncs the names in a folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
