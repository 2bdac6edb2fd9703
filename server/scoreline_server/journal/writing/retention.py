"""Retention: which journal files lose their inputs or go for their age or size, but none that is being written.

A file that is too old, or among the oldest of a folder that is too large, is slimmed: rewritten without inputs, as long
as an outcome may still reach one of its rows. Slim files go when that time is over, and the oldest of them earlier when
they take more than half of the folder's size.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import structlog

from scoreline_server.journal.format.facts import SUFFIX
from scoreline_server.journal.writing.rewriting import is_free, sweep
from scoreline_server.journal.writing.slimming import slim, slim_until

_log = structlog.get_logger()

_EARLY = "raise journal_keep_bytes to keep it longer"


@dataclass(frozen=True, slots=True)
class Aged:
    """A file: its size, when it was last written, and until when it is kept without inputs; seconds since 1970.

    ``slim_until`` is 0 for a file with inputs.
    """

    path: Path
    size: int
    modified: float
    slim_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long files are kept with their inputs, and how much of all files; 0 for no limit."""

    seconds: float
    total_bytes: int

    def has_expired(self, file: Aged, now: float) -> bool:
        """Whether a file, or its inputs where it still has them, is older than it has to be kept."""
        return bool(self.seconds) and now - file.modified > self.seconds and now > file.slim_until

    def outdated(self, files: Iterable[Aged], now: float) -> Iterator[Aged]:
        """The files that are too old, and the oldest of the others while they are too large together.

        Slim files may take half of the size, and what the others leave of it.
        """
        files = list(files)
        slim_files = [file for file in files if file.slim_until]
        whole = [file for file in files if not file.slim_until]
        room = max(self.total_bytes / 2, self.total_bytes - sum(file.size for file in whole))
        outdated = list(self._beyond(room, slim_files, now))
        kept = sum(file.size for file in slim_files) - sum(file.size for file in outdated)
        yield from outdated
        yield from self._beyond(self.total_bytes - kept, whole, now)

    def _beyond(self, room: float, files: Iterable[Aged], now: float) -> Iterator[Aged]:
        """The files that are too old, and the oldest of the others while they exceed a size, the newest first."""
        for file in sorted(files, key=lambda file: (file.modified, file.path.name), reverse=True):
            room -= file.size
            if self.has_expired(file, now) or (self.total_bytes and room < 0):
                yield file


def aged_files(folder: Path, suffix: str = SUFFIX) -> list[Aged]:
    """The journal files of a folder as if all had inputs, or those of another suffix; none where there is no folder."""
    found = []
    for path in folder.glob(f"*{suffix}"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            found.append(Aged(path, facts.st_size, facts.st_mtime))
    return found


def enforce(retention: Retention, folder: Path, now: float, *, most_slimmed: int | None = None) -> int:
    """Slims and removes the outdated files that no process writes, the oldest first; how many. Raises OSError.

    What goes for its size before its time is logged as a warning, and so is a file that cannot be slimmed, for example
    on a full disk: it stays. ``most_slimmed`` limits how many are rewritten, which takes a second or so each.
    """
    sweep(folder)
    files = aged_files(folder)
    if not list(retention.outdated(files, now)):  # the heads of files are read only where there is something to do
        return 0
    done = slimmed = 0
    for file in sorted(retention.outdated(_with_heads(files), now), key=lambda file: file.modified):
        if slimmed == most_slimmed:
            break
        try:
            rewritten = _dealt_with(file, retention, now)
        except OSError as error:
            _log.warning("journal file could not be slimmed or removed", path=str(file.path), error=str(error))
            slimmed += 1
        else:
            done += rewritten is not None
            slimmed += bool(rewritten)
    return done


def _with_heads(files: Iterable[Aged]) -> Iterator[Aged]:
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            yield replace(file, slim_until=_slim_until(file.path, file.size, file.modified))


@lru_cache(maxsize=65536)
def _slim_until(path: Path, _size: int, _modified: float) -> float:
    """Until when a file is kept without inputs. Size and time are those of the file, which is read once."""
    return slim_until(path) / 1e9


def _dealt_with(file: Aged, retention: Retention, now: float) -> bool | None:
    """Slims or removes a file; whether it was slimmed, None where another process has it."""
    facts = {"path": str(file.path), "bytes": file.size, "days": round((now - file.modified) / 86400, 1)}
    expired = retention.has_expired(file, now)
    log = _log.info if expired else _log.warning
    if file.slim_until:
        if not removed_unwritten(file.path):
            return None
        log("slim journal file removed" if expired else f"slim journal file removed early, {_EARLY}", **facts)
        return False
    slimmed = slim(file.path, now)
    if slimmed is None:
        return None
    if not slimmed.size:
        log("journal file removed" if expired else f"journal file removed early, {_EARLY}", **facts)
        return False
    log("journal file slimmed" if expired else f"journal file slimmed early, {_EARLY}", left=slimmed.size, **facts)
    if slimmed.faults:
        _log.warning("damaged journal blocks are left out", path=str(file.path), blocks=slimmed.faults)
    return True


def removed_unwritten(path: Path) -> bool:
    """Removes a file unless a process writes it; whether it did. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if is_free(file, path):
            path.unlink(missing_ok=True)
            return True
    return False
