"""A log of events in the order in which they are folded, in a temporary file: its size is bounded by the disk only."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from scoreline_registry.profiles.events import Event

_TABLE = """
CREATE TABLE events (
  entity TEXT NOT NULL, id TEXT NOT NULL, time INTEGER NOT NULL, type TEXT NOT NULL, fields TEXT NOT NULL,
  PRIMARY KEY (entity, id)
) WITHOUT ROWID
"""
_CACHE_KIB = 64 * 1024


class SortedLog:
    """Events by entity, time and id, each id of an entity once: of several events with it the first that was added.

    A context manager; the file is removed at its end.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="scoreline-events-")
        # Committed by nobody: a temporary file needs no journal, and its loss costs a rerun.
        self._database = sqlite3.connect(Path(self._folder.name) / "events.sqlite", isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(_TABLE)
        self._database.execute("BEGIN")

    def add(self, events: Iterable[Event]) -> int:
        """Adds events; how many had been added before."""
        rows = [(event.entity, event.id, event.time, event.type, json.dumps(dict(event.fields))) for event in events]
        before = self._database.total_changes
        self._database.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", rows)
        return len(rows) - (self._database.total_changes - before)

    def close_for_adding(self) -> None:
        """Sorts what was added. Call it once, before the events are read."""
        self._database.execute("CREATE INDEX places ON events (entity, time, id)")

    def entities(self) -> Iterator[str]:
        """The entities, in order of their code points."""
        for (entity,) in self._database.execute("SELECT DISTINCT entity FROM events ORDER BY entity"):
            yield entity

    def events(self, entity: str) -> Iterator[Event]:
        """The events of an entity, by time and id."""
        query = "SELECT id, time, type, fields FROM events WHERE entity = ? ORDER BY time, id"
        for id_, time, type_, fields in self._database.execute(query, (entity,)):
            yield Event(entity, id_, time, type_, json.loads(fields))

    def newest(self, entity: str) -> int:
        """The time of an entity's newest event."""
        (time,) = self._database.execute("SELECT max(time) FROM events WHERE entity = ?", (entity,)).fetchone()
        return int(time)

    def has(self, entity: str, place: tuple[int, str]) -> bool:
        """Whether an entity has an event at a place."""
        query = "SELECT 1 FROM events WHERE entity = ? AND id = ? AND time = ?"
        return self._database.execute(query, (entity, place[1], place[0])).fetchone() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()
