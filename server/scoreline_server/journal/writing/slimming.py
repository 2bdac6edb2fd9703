"""Rewrites journal files without inputs, so that rows which an outcome may still reach stay at a third of the size.

The rewritten file takes the place of the whole one under the same name, by one rename after it is synced: readers find
one or the other, never both and never neither, wherever a process is killed.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from scoreline_registry.routing.experiment import DEFAULT_KEEP_DAYS
from scoreline_server.journal.format.blocks import Block, Fault, Kind, framed, heads, scan
from scoreline_server.journal.format.columns import RESULT_COLUMNS, Column, packed, unpacked
from scoreline_server.journal.format.facts import SUFFIX, FileFacts, RouteFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.format.times import DAY

_SECOND = 10**9
ASIDE = ".slim"
"""Follows the name of a file while its rewritten form is being written."""


@dataclass(frozen=True, slots=True)
class Slimmed:
    """The outcome of slimming a file: its size now, 0 where no row was to be kept and it was removed; its faults."""

    size: int
    faults: int = 0


def slim(path: Path, now: float) -> Slimmed | None:
    """Takes the inputs out of a file, and the rows of routes whose outcomes can no longer come; removes an empty one.

    Returns None where another process writes, slims or has removed it. ``now`` in seconds since 1970. Raises OSError;
    then the file is as it was.
    """
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if not is_free(file, path):
            return None
        keeping = _Keeping.of(file, int(now * _SECOND))
        if keeping is not None:
            return _replaced(path, file, keeping)
        path.unlink(missing_ok=True)
        return Slimmed(0)
    return None


def is_free(file: BinaryIO, path: Path) -> bool:
    """Locks an open file; False where another process holds it, or it is no longer the file of that name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file.fileno()).st_ino == path.stat().st_ino


def sweep(folder: Path) -> None:
    """Removes what killed processes left half rewritten."""
    for aside in folder.glob(f"*{SUFFIX}{ASIDE}"):
        path = aside.with_suffix("")
        try:
            with path.open("rb") as file:
                if is_free(file, path):
                    aside.unlink(missing_ok=True)
        except FileNotFoundError:
            aside.unlink(missing_ok=True)


def slim_until(path: Path) -> int:
    """Until when a file without inputs is kept, in ns since 1970; 0 for one with inputs. Raises OSError."""
    with path.open("rb") as file:
        facts = _file_facts(file)
    return 0 if facts is None else facts.slim_until


@dataclass(frozen=True, slots=True)
class _Keeping:
    """What of a file is kept.

    Attributes:
        facts: the file's new head.
        modified: when its last row was written, ns since 1970.
        now: the present time, ns since 1970.
        keys: the days of each route's rows, by the route's key in the file.
        names: the same by the route's name.
    """

    facts: FileFacts
    modified: int
    now: int
    keys: dict[int, int]
    names: dict[str, int]

    @classmethod
    def of(cls, file: BinaryIO, now: int) -> "_Keeping | None":
        """What to keep of a file; None for nothing."""
        facts = _file_facts(file)
        if facts is None:
            return None
        modified = os.fstat(file.fileno()).st_mtime_ns
        routes = list(_routes(file))
        keys = {route.key: route.outcome_days for route in routes}
        names: dict[str, int] = {}
        for route in routes:
            names[route.route] = max(route.outcome_days, names.get(route.route, 0))
        until = modified + DAY * max(keys.values(), default=DEFAULT_KEEP_DAYS)
        return cls(replace(facts, slim_until=until), modified, now, keys, names) if until > now else None

    def blocks(self, file: BinaryIO) -> Iterator[bytes | Fault]:
        """The rewritten blocks, and in place of others why they cannot be read."""
        yield framed(Kind.FILE, self.facts.body())
        for found in scan(file):
            if isinstance(found, Fault):
                yield found
                continue
            try:
                block = self._rewritten(found)
            except (KeyError, TypeError, ValueError) as error:
                yield Fault(found.start, found.end, f"the block is sound but cannot be understood: {error!r}")
            else:
                yield block

    def _rewritten(self, block: Block) -> bytes:
        """A block without inputs; empty where it is not kept."""
        if block.kind == Kind.ROUTE and self._waits((route := RouteFacts.read(block.body)).outcome_days):
            return framed(Kind.ROUTE, route.slim().body())
        if block.kind == Kind.SHADOWS and self._waits(self.names.get(ShadowScores.read(block.body).route, 0)):
            return framed(Kind.SHADOWS, block.body)
        if block.kind == Kind.ROWS:
            columns = unpacked(block.body)
            if self._waits(self.keys[json.loads(bytes(columns[Column.FACTS]))["route"]]):
                kept = {column: columns[column] for column in RESULT_COLUMNS if column in columns}
                return framed(Kind.ROWS, packed(kept))
        return b""

    def _waits(self, days: int) -> bool:
        """Whether an outcome may still reach rows of the file, where outcomes take that many days."""
        return self.modified + DAY * days > self.now


def _replaced(path: Path, file: BinaryIO, keeping: _Keeping) -> Slimmed:
    """Writes a file anew and puts it in the place of the whole one."""
    aside = path.with_name(path.name + ASIDE)
    faults = 0
    try:
        with open(aside, "wb", opener=_private) as slimmed:
            for block in keeping.blocks(file):
                if isinstance(block, Fault):
                    faults += 1
                else:
                    slimmed.write(block)
            slimmed.flush()
            os.utime(slimmed.fileno(), ns=(keeping.modified, keeping.modified))
            os.fsync(slimmed.fileno())
            size = slimmed.tell()
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync(path.parent)
    return Slimmed(size, faults)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    """Syncs the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_facts(file: BinaryIO) -> FileFacts | None:
    """The head of a file; None where it has none."""
    first = next(scan(file), None)
    if isinstance(first, Block) and first.kind == Kind.FILE:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return FileFacts.read(first.body)
    return None


def _routes(file: BinaryIO) -> Iterator[RouteFacts]:
    """The routes that a file describes."""
    for head in heads(file):
        if head.kind == Kind.ROUTE:
            file.seek(head.body)
            with contextlib.suppress(KeyError, TypeError, ValueError):  # damaged
                yield RouteFacts.read(file.read(head.end - head.body))
