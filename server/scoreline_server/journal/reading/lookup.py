"""Finds calls in journals by their ids. The id holds the second of the call: blocks of other seconds are not read."""

import contextlib
import json
import os
import threading
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.format.blocks import Head, Kind, heads
from scoreline_server.journal.format.columns import Column, column_places
from scoreline_server.journal.format.facts import FileFacts, RouteFacts
from scoreline_server.journal.reading.reader import journal_files
from scoreline_server.scoring.wire import CALL_ID_BYTES

_SECOND = 10**9
# An id is drawn before its row gets its time, and clocks are set back now and then.
_EARLIER_SECONDS, _LATER_SECONDS = 5, 2
# Rows that waited for a full disk are in a file that was begun after them.
_WAITED_SECONDS = 3600
# The ids of older writers say no time; so many bytes of such ids are searched, those of 2.8 million calls.
_MOST_BYTES = 32 * 1024 * 1024

# The table of a block with all 255 columns that there can be.
_TABLE_BYTES = 2 + 255 * 5
_ID = np.dtype([("second", ">u4"), ("random", ">u8")])


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Where a block of rows is, in bytes of its file, and the route that its rows are of."""

    path: Path
    start: int
    end: int
    route: RouteFacts = field(compare=False)


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call that is in the journal: its route, how many rows it has, and where these are."""

    route: str
    rows: int
    block: BlockPlace | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class FoundCalls:
    """Those of the calls that were looked for that are in the journal, by id.

    ``is_complete`` is False where some ids were not found and not all files of older writers, whose ids say no time,
    were searched: what is not found may be there all the same.
    """

    calls: Mapping[bytes, KnownCall]
    is_complete: bool = True


@dataclass
class _FileIndex:
    """Where the blocks of rows in a file are, and of which seconds; extended as the file grows."""

    inode: int
    facts: FileFacts | None = None
    end: int = 0
    routes: dict[int, RouteFacts] = field(default_factory=dict)
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    first: "array[int]" = field(default_factory=lambda: array("q"))
    last: "array[int]" = field(default_factory=lambda: array("q"))

    def extend(self, file: BinaryIO) -> None:
        """Takes in the blocks that were appended since."""
        for head in heads(file, self.end):
            self.end = head.end
            with contextlib.suppress(KeyError, TypeError, ValueError):  # damaged; the readers of rows report it
                if head.kind == Kind.ROUTE:
                    facts = RouteFacts.read(_read(file, head.body, head.end))
                    self.routes[facts.key] = facts
                elif head.kind == Kind.ROWS:
                    self._add(head, *_seconds(file, head))

    def _add(self, head: Head, first: int, last: int) -> None:
        self.starts.append(head.start)
        self.ends.append(head.end)
        self.first.append(first)
        self.last.append(last)

    def block(self, at: int) -> Head:
        """One of the blocks of rows."""
        return Head(Kind.ROWS, self.starts[at], self.ends[at])

    def blocks_of(self, seconds: npt.NDArray[np.int64]) -> list[tuple[Head, slice]]:
        """The blocks that may have calls of these seconds, which ascend, and which of the seconds each may have."""
        before = np.searchsorted(seconds, np.array(self.first, np.int64) - _EARLIER_SECONDS, "left").tolist()
        until = np.searchsorted(seconds, np.array(self.last, np.int64) + _LATER_SECONDS, "right").tolist()
        spans = enumerate(zip(before, until, strict=True))
        return [(self.block(at), slice(start, stop)) for at, (start, stop) in spans if stop > start]

    def call(self, file: BinaryIO, head: Head, columns: Mapping[int, tuple[int, int]], at: int) -> KnownCall:
        """What a block says of one of its calls."""
        route = self.routes[json.loads(_read(file, *columns[Column.FACTS]))["route"]]
        rows = 1
        if Column.CALL_ROWS in columns:
            rows = int(np.frombuffer(_read(file, *columns[Column.CALL_ROWS]), "<u2")[at])
        return KnownCall(route.route, rows, BlockPlace(Path(file.name), head.start, head.end, route))


def _seconds(file: BinaryIO, head: Head) -> tuple[int, int]:
    """The first and the last second of a block's calls."""
    columns = _columns(file, head)
    start = json.loads(_read(file, *columns[Column.FACTS]))["time"]
    offsets = np.frombuffer(_read(file, *columns[Column.CALL_TIMES]), "<i4").astype(np.int64) * 1000
    return (start + int(offsets.min())) // _SECOND, (start + int(offsets.max())) // _SECOND


class CallFinder:
    """Looks calls up in some folders. It remembers which seconds the blocks of each file are of; safe for threads."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._files: dict[Path, _FileIndex] = {}
        self._lock = threading.Lock()

    def find(self, call_ids: Iterable[bytes]) -> FoundCalls:
        """Which of these calls are in the journal, and what is known of them. Raises OSError."""
        search = _Search(set(call_ids))
        older: list[Path] = []
        with self._lock:
            files = journal_files(self._folders)
            self._files = {path: self._files[path] for path in files if path in self._files}
            for path in reversed(files):
                with contextlib.suppress(FileNotFoundError):  # retention removed it meanwhile
                    if search.missing and not self._search_seconds(path, search):
                        older.append(path)
            return FoundCalls(search.found, self._search_older(older, search))

    def _search_seconds(self, path: Path, search: "_Search") -> bool:
        """Searches the blocks of the seconds that are looked for; False for a file whose ids say no time."""
        with path.open("rb") as file:
            index = self._index(path, file)
            if index.facts is None:
                return True
            first = index.facts.started // _SECOND - _WAITED_SECONDS
            last = int(os.fstat(file.fileno()).st_mtime) + _LATER_SECONDS
            ids = search.ids
            ids = ids[(ids["second"] >= first) & (ids["second"] <= last)]
            if index.facts.timed_ids and len(ids):
                index.extend(file)
                for head, own in index.blocks_of(ids["second"].astype(np.int64)):
                    search.through(file, index, head, ids[own])
            return index.facts.timed_ids

    def _search_older(self, paths: Iterable[Path], search: "_Search") -> bool:
        """Searches files whose ids say no time, the newest first; whether that was all of them."""
        left = _MOST_BYTES
        for path in paths:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                index = self._index(path, file)
                index.extend(file)
                for at in reversed(range(len(index.starts))):
                    if search.missing and left <= 0:
                        return False
                    left -= search.through(file, index, index.block(at), search.ids) if search.missing else 0
        return True

    def _index(self, path: Path, file: BinaryIO) -> _FileIndex:
        """What is known of a file; of a new one its first block alone."""
        inode = os.fstat(file.fileno()).st_ino
        index = self._files.get(path)
        if index is None or index.inode != inode:  # retention has written it anew
            index = self._files[path] = _FileIndex(inode)
        if index.facts is None and (first := next(heads(file), None)) is not None and first.kind == Kind.FILE:
            index.facts = FileFacts.read(_read(file, first.body, first.end))
        return index


class _Search:
    """What is looked for and what was found."""

    def __init__(self, missing: set[bytes]) -> None:
        self.missing = missing
        self.found: dict[bytes, KnownCall] = {}

    @property
    def ids(self) -> npt.NDArray[np.void]:
        """The calls that were not found yet, by second."""
        return np.frombuffer(b"".join(sorted(self.missing)), _ID)

    def through(self, file: BinaryIO, index: _FileIndex, head: Head, wanted: npt.NDArray[np.void]) -> int:
        """Looks for calls in a block; how many bytes of ids that were."""
        with contextlib.suppress(KeyError, ValueError):  # damaged; the readers of rows report it
            columns = _columns(file, head)
            ids = _read(file, *columns[Column.CALL_IDS])
            for at in np.flatnonzero(np.isin(_random(np.frombuffer(ids, _ID)), _random(wanted))).tolist():
                call = ids[at * CALL_ID_BYTES : (at + 1) * CALL_ID_BYTES]
                if call in self.missing:
                    self.found[call] = index.call(file, head, columns, at)
                    self.missing.remove(call)
            return len(ids)
        return 0


def find_calls(folders: Iterable[Path], call_ids: Iterable[bytes]) -> FoundCalls:
    """Which of some calls are in the journals of some folders. To ask again and again, keep a ``CallFinder``.

    Raises OSError.
    """
    return CallFinder(folders).find(call_ids)


def _columns(file: BinaryIO, head: Head) -> Mapping[int, tuple[int, int]]:
    """Where each column of a block begins and ends in its file. Raises ValueError where it has no table of columns."""
    places = column_places(_read(file, head.body, min(head.end, head.body + _TABLE_BYTES)))
    return {column: (head.body + start, head.body + end) for column, (start, end) in places.items()}


def _random(ids: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """The random part of some ids, in the machine's byte order: np.isin fails on large numbers of another."""
    return ids["random"].astype(np.uint64)


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)
