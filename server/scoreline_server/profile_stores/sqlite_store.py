"""The embedded store: one SQLite file, which the workers of a host share."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from scoreline_registry.profiles.events import Event
from scoreline_server.databases.sqlite_file import SqliteFile, Synchronous
from scoreline_server.errors import DamagedEntitiesError
from scoreline_server.profile_stores.entity_row import EntityRow
from scoreline_server.profile_stores.packing import pack_event, unpack_events
from scoreline_server.profile_stores.sqlite_tables import PROFILE_FILE
from scoreline_server.profile_stores.store import Fold, Offset, Receipt, Stats, Stored

_NEVER = (1 << 63) - 1
"""A time after every event."""

_PAGE = 1000
"""Rows that are removed, or whose ids are read, at once."""

# CROSS JOIN keeps SQLite from walking through all entities to look each up among the given ones.
_GIVEN = """
FROM json_each(?2) AS given CROSS JOIN profiles CROSS JOIN entities
ON profiles.name = ?1 AND entities.profile = profiles.number AND entities.entity = given.value
"""
_READ = f"""
SELECT entity, newest, until_time, until_id, version, count, pending, folded {_GIVEN}
LEFT JOIN states ON states.number = entities.number
"""
_ROWS = f"SELECT entity, entities.number, newest, until_time, until_id, version, count, pending {_GIVEN}"
_CROWDED = f"SELECT entity {_GIVEN} WHERE count > ?3"
_IDS = """
SELECT entity FROM profiles JOIN entities ON entities.profile = profiles.number
WHERE name = ? AND entity > ? ORDER BY entity LIMIT ?
"""
_OLD_ENTITIES = """
SELECT entities.number FROM profiles JOIN entities ON entities.profile = profiles.number
WHERE name = ? AND entities.number > ? AND newest < ? ORDER BY entities.number LIMIT ?
"""
_STILL_OLD = """
SELECT entities.number FROM json_each(?2) AS given CROSS JOIN entities CROSS JOIN profiles
ON entities.number = given.value AND profiles.number = entities.profile WHERE name = ?1 AND newest < ?3
"""
_INSERT = """
INSERT INTO entities (newest, until_time, until_id, version, count, pending, number, entity, profile)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
UPDATE entities SET newest = ?, until_time = ?, until_id = ?, version = ?, count = ?, pending = ? WHERE number = ?
"""
_STATS = """
SELECT count(entity), sum(count), sum(length(CAST(entity AS BLOB)) + length(pending) + ifnull(length(folded), 0)),
    max(late), max(repeated)
FROM profiles
LEFT JOIN entities ON entities.profile = profiles.number
LEFT JOIN states ON states.number = entities.number
WHERE name = ?
"""


class SqliteStore:
    """Keeps profiles in a SQLite file. Nothing is opened or created before the first call.

    With ``synchronous="full"`` an append returns once its events are on the disk; with ``"normal"`` a loss of power may
    cost the last appends, the end of a process none. The file must be on a disk of this host: network file systems do
    not lock as SQLite needs it.

    Args:
        path: of the file; ``-wal`` and ``-shm`` stand beside it while it is open.
        synchronous: when writes are on the disk.
        busy_seconds: how long to wait for the lock of other processes.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous = "full", busy_seconds: float = 10.0) -> None:
        self._file = SqliteFile(path, PROFILE_FILE, synchronous=synchronous, busy_seconds=busy_seconds)

    @property
    def path(self) -> Path:
        """The file, which is there once something was kept or read."""
        return self._file.path

    def append(
        self, profile: str, events: Sequence[Event], *, lateness: int, offsets: Sequence[Offset] = ()
    ) -> list[Receipt]:
        """Keeps events and offsets in one transaction."""
        packed = [pack_event(event) for event in events]

        def append(connection: sqlite3.Connection) -> list[Receipt]:
            rows = _rows(connection, profile, {event.entity for event in events})
            receipts = _appended(rows, events, packed, lateness=lateness)
            kept = {event.entity for event, receipt in zip(events, receipts, strict=True) if receipt is Receipt.KEPT}
            _write(connection, profile, [rows[entity] for entity in kept])
            _count(connection, profile, receipts)
            connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", offsets)
            return receipts

        return self._file.write(append)

    def read(self, profile: str, entities: Sequence[str]) -> dict[str, Stored]:
        """What is stored of entities; one that is not there is left out."""
        with self._file.reading() as connection:
            found = connection.execute(_READ, (profile, json.dumps(entities))).fetchall()
        return {row[0]: _stored(*row) for row in found}

    def crowded(self, profile: str, entities: Sequence[str], *, more_than: int) -> list[str]:
        """Those of the entities with more pending events than that."""
        with self._file.reading() as connection:
            return [entity for (entity,) in connection.execute(_CROWDED, (profile, json.dumps(entities), more_than))]

    def fold(self, profile: str, folds: Sequence[Fold]) -> int:
        """Replaces states and drops the pending events that are in them; how many folds were taken."""

        def replace(connection: sqlite3.Connection) -> int:
            rows = _rows(connection, profile, {fold.entity for fold in folds})
            taken = [fold for fold in folds if rows[fold.entity].fold(fold)]
            changed = {fold.entity: fold.folded for fold in taken}
            _write(connection, profile, [rows[entity] for entity in changed])
            states = ((rows[entity].number, folded) for entity, folded in changed.items())
            connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", states)
            return len(taken)

        # Where the power fails before it is on the disk, its events are pending still.
        return self._file.write(replace, durable=False)

    def entities(self, profile: str, *, after: str = "") -> Iterator[str]:
        """The ids of all entities in order of their code points, from the first after ``after``."""
        while True:
            with self._file.reading() as connection:
                page = [entity for (entity,) in connection.execute(_IDS, (profile, after, _PAGE))]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1]

    def forget(self, profile: str, entity: str) -> bool:
        """Removes all that is stored of an entity for good; whether there was anything.

        Its bytes in the file are overwritten with zeros. Older pages of it stand in the write-ahead log until that is
        moved into the file, which is done here, and the log is cut to nothing. Backups, snapshots of the disk and
        blocks that the file system has freed are out of reach.
        """

        def remove(connection: sqlite3.Connection) -> bool:
            number = _rows(connection, profile, {entity})[entity].number
            _remove(connection, [] if number is None else [number])
            return number is not None

        found = self._file.write(remove)
        self._file.empty_log()
        return found

    def expire(self, profile: str, *, before: int) -> int:
        """Removes entities whose newest event is older than that; how many."""
        return self._remove_older(profile, before)

    def clear(self, profile: str) -> None:
        """Removes all entities of a profile and its counts; offsets of consumers stay."""
        self._remove_older(profile, _NEVER)
        reset = "UPDATE profiles SET late = 0, repeated = 0 WHERE name = ?"
        self._file.write(lambda connection: connection.execute(reset, (profile,)))

    def offsets(self, consumer: str) -> Mapping[tuple[str, int], int]:
        """The next offset of each topic and partition that a consumer has read."""
        with self._file.reading() as connection:
            found = connection.execute("SELECT topic, partition, next FROM offsets WHERE consumer = ?", (consumer,))
            return {(topic, partition): following for topic, partition, following in found}

    def stats(self, profile: str) -> Stats:
        """How much is stored. Looks at every entity: not for each scrape of metrics."""
        with self._file.reading() as connection:
            entities, *others = connection.execute(_STATS, (profile,)).fetchone()
        return Stats(entities, *(figure or 0 for figure in others))

    def close(self) -> None:
        """Closes the file. Calls that are under way end; later ones fail."""
        self._file.close()

    def _remove_older(self, profile: str, before: int) -> int:
        """Removes the entities without an event since ``before``, in pages, so that others may write between them."""
        removed, after = 0, -1
        while True:
            with self._file.reading() as connection:
                page = [number for (number,) in connection.execute(_OLD_ENTITIES, (profile, after, before, _PAGE))]
            if not page:
                return removed
            removed += self._file.write(partial(_remove_old, profile=profile, page=page, before=before), durable=False)
            after = page[-1]


def _stored(
    entity: str, newest: int, time: int, event_id: str, version: int, count: int, pending: bytes, folded: bytes | None
) -> Stored:
    return Stored(
        folded=folded or b"",
        folded_until=(time, event_id),
        newest=newest,
        pending=unpack_events(entity, pending, count),
        version=version,
    )


def _rows(connection: sqlite3.Connection, profile: str, entities: Iterable[str]) -> dict[str, EntityRow]:
    """The rows of entities, also of those that are not there yet."""
    rows = {entity: EntityRow(entity) for entity in entities}
    for entity, number, newest, time, event_id, version, count, pending in connection.execute(
        _ROWS, (profile, json.dumps(list(rows)))
    ):
        rows[entity] = EntityRow(
            entity, number, newest=newest, until=(time, event_id), version=version, count=count, pending=pending
        )
    return rows


def _appended(
    rows: Mapping[str, EntityRow], events: Sequence[Event], packed: Sequence[bytes], *, lateness: int
) -> list[Receipt]:
    """Adds events to their rows. Raises DamagedEntitiesError that names all damaged ones."""
    receipts: list[Receipt] = []
    damaged: dict[str, None] = {}
    for event, each in zip(events, packed, strict=True):
        try:
            receipts.append(rows[event.entity].append(event, each, lateness=lateness))
        except DamagedEntitiesError as error:
            damaged |= dict.fromkeys(error.entities)
    if damaged:
        raise DamagedEntitiesError(list(damaged))
    return receipts


def _write(connection: sqlite3.Connection, profile: str, rows: Sequence[EntityRow]) -> None:
    """Writes changed rows. A new one gets its number."""
    connection.executemany(_UPDATE, (_values(row) for row in rows if row.number is not None))
    new = [row for row in rows if row.number is None]
    if not new:
        return
    number = _profile_number(connection, profile)
    ((last,),) = connection.execute("SELECT ifnull(max(number), 0) FROM entities")
    for place, row in enumerate(new, last + 1):
        row.number = place
    connection.executemany(_INSERT, ((*_values(row), row.entity, number) for row in new))


def _values(row: EntityRow) -> tuple[int, int, str, int, int, bytearray, int | None]:
    return row.newest, *row.until, row.version, row.count, row.pending, row.number


def _profile_number(connection: sqlite3.Connection, profile: str) -> int:
    connection.execute("INSERT OR IGNORE INTO profiles (name) VALUES (?)", (profile,))
    ((number,),) = connection.execute("SELECT number FROM profiles WHERE name = ?", (profile,))
    return int(number)


def _count(connection: sqlite3.Connection, profile: str, receipts: Sequence[Receipt]) -> None:
    late, repeated = receipts.count(Receipt.LATE), receipts.count(Receipt.REPEATED)
    if late or repeated:
        statement = "UPDATE profiles SET late = late + ?, repeated = repeated + ? WHERE name = ?"
        connection.execute(statement, (late, repeated, profile))


def _remove_old(connection: sqlite3.Connection, profile: str, page: Sequence[int], before: int) -> int:
    """Removes those of some entities that still have no event since ``before``; how many."""
    old = [number for (number,) in connection.execute(_STILL_OLD, (profile, json.dumps(page), before))]
    _remove(connection, old)
    return len(old)


def _remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    rows = [(number,) for number in numbers]
    connection.executemany("DELETE FROM states WHERE number = ?", rows)
    connection.executemany("DELETE FROM entities WHERE number = ?", rows)
