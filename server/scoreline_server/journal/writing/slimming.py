"""Rewrites journal files without inputs, so that rows which an outcome may still reach stay at a third of the size."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from scoreline_registry.routing.experiment import DEFAULT_KEEP_DAYS
from scoreline_server.journal.format.blocks import Block, Fault, Kind, framed, heads, scan
from scoreline_server.journal.format.columns import RESULT_COLUMNS, Column, packed, unpacked
from scoreline_server.journal.format.facts import FileFacts, RouteFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.format.times import DAY
from scoreline_server.journal.writing.rewriting import Rewritten, is_free, rewrite

_SECOND = 10**9


def slim(path: Path, now: float) -> Rewritten | None:
    """Takes the inputs out of a file, and the rows of routes whose outcomes can no longer come; removes an empty one.

    Returns None where another process writes, slims or has removed it. ``now`` in seconds since 1970. Raises OSError;
    then the file is as it was.
    """
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if not is_free(file, path):
            return None
        keeping = _Keeping.of(file, int(now * _SECOND))
        if keeping is not None:
            return rewrite(path, keeping.blocks(file), modified=keeping.modified)
        path.unlink(missing_ok=True)
        return Rewritten(0)
    return None


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
