"""The runtime folder that the workers of one server share: counters, the loading lock and pins."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the folder made there is ours alone
LEAST_SHARED_BYTES = 32 * 1024 * 1024

_PREFIX = "scoreline-"
_OWNER = "owner.lock"


def runtime_parent() -> Path:
    """Where runtime folders are made: in memory where there is room, because writing back to a disk stalls workers."""
    room = os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free >= LEAST_SHARED_BYTES
    return SHARED_MEMORY if room else Path(tempfile.gettempdir())


@contextmanager
def runtime_folder(parent: Path) -> Iterator[Path]:
    """A folder of this server alone, mode 0700, gone afterwards. Removes those of servers that were killed."""
    _sweep(parent)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name, (Path(name) / _OWNER).open("w") as owner:
        # Released when this process dies.
        fcntl.flock(owner, fcntl.LOCK_EX)
        yield Path(name)


def _sweep(parent: Path) -> None:
    for lock in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        if lock.stat().st_uid == os.geteuid() and _is_free(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _is_free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
