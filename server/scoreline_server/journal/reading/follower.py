"""Follows a journal that is being written: its newest rows, then the rows appended later."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scoreline_server.journal.reading.reader import FileReader, journal_files
from scoreline_server.journal.reading.records import Records

Row = dict[str, Any]


class Follower:
    """Follows some folders. ``route`` None means all routes."""

    def __init__(self, folders: Iterable[Path], route: str | None) -> None:
        self._folders, self._route = tuple(folders), route
        self._readers: dict[Path, FileReader] = {}
        self._passed: set[Path] = set()

    def newest(self, count: int) -> list[Row]:
        """The last ``count`` rows so far, the oldest of them first. Files that have none of them are not read."""
        rows: list[Row] = []
        for path in reversed(journal_files(self._folders)):
            if rows and len(rows) == count and path.stat().st_mtime_ns < rows[0]["time"]:
                self._passed.add(path)
            else:
                rows += self._last(path, count)
                rows = sorted(rows, key=lambda row: int(row["time"]))[-count:] if count else []
        return rows

    def news(self) -> Iterator[Row]:
        """The rows that were written since the last call."""
        for path in journal_files(self._folders):
            if path not in self._passed:
                for records in self._read(path):
                    yield from records.rows()

    def _last(self, path: Path, count: int) -> list[Row]:
        """The last rows of one file."""
        blocks: deque[Records] = deque()
        rows = 0
        for records in self._read(path):
            blocks.append(records)
            rows += len(records)
            while rows - len(blocks[0]) >= count:
                rows -= len(blocks.popleft())
                if not blocks:
                    break
        found = [row for records in blocks for row in records.rows()]
        return found[max(0, len(found) - count) :]

    def _read(self, path: Path) -> Iterator[Records]:
        try:
            for found in self._readers.setdefault(path, FileReader(path)).read():
                if isinstance(found, Records) and self._route in (None, found.route.route):
                    yield found
        except FileNotFoundError:  # retention removed it meanwhile
            return
