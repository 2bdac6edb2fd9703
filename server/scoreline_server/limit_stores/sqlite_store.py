"""The embedded store: one SQLite file, which the workers of a host share."""

import json
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

from scoreline_registry.decisions.reservations import Counter, Grant, Mark, Refusal, Reservation, Usage
from scoreline_server.databases.sqlite_file import FileFormat, SqliteFile, Synchronous
from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.kind import LIMITS
from scoreline_server.limit_stores.ledger import CounterState, Granted, Ledger
from scoreline_server.limit_stores.store import GRACE_US, REPEATABLE_US, Stats, request_digest

_TABLES = """
CREATE TABLE counters (
    unit TEXT NOT NULL,
    name TEXT NOT NULL,
    bucket TEXT NOT NULL,
    total INTEGER NOT NULL,
    times BLOB NOT NULL,
    span INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    PRIMARY KEY (unit, name, bucket)
) WITHOUT ROWID;
CREATE INDEX counters_by_end ON counters (ends);
CREATE TABLE requests (
    request BLOB PRIMARY KEY,
    action TEXT NOT NULL,
    time INTEGER NOT NULL,
    refused TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX requests_by_time ON requests (time);
"""

_FILE = FileFormat(LIMITS, application=0x53434C4C, schema=1, tables=_TABLES)
"""Its application is SCLL in ASCII."""

_READ = "SELECT total, times, span, depth, ends FROM counters WHERE name = ? AND unit = ? AND bucket = ?"
_WRITE = """
INSERT OR REPLACE INTO counters (name, unit, bucket, total, times, span, depth, ends) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_READ_REQUEST = "SELECT action, time, refused FROM requests WHERE request = ?"
_WRITE_REQUEST = "INSERT OR REPLACE INTO requests (request, action, time, refused) VALUES (?, ?, ?, ?)"
_REMOVE_REQUEST = "DELETE FROM requests WHERE request = ?"
_REMOVE_UNIT = "DELETE FROM counters WHERE unit = ?"

_EXPIRED = 64
"""Counters and requests that a transaction removes because they have ended, beside twice as many as it writes."""
_EXPIRE = """
DELETE FROM counters WHERE (unit, name, bucket) IN
(SELECT unit, name, bucket FROM counters WHERE ends < ? ORDER BY ends LIMIT ?)
"""
_EXPIRE_REQUESTS = """
DELETE FROM requests WHERE request IN (SELECT request FROM requests WHERE time <= ? ORDER BY time LIMIT ?)
"""


class SqliteLimits:
    """Counts actions in a SQLite file. Nothing is opened or created before the first call.

    With ``synchronous="full"`` a grant is on the disk when it is answered, so that limits hold after a loss of power
    too; with ``"normal"`` that may undo the last grants, and the end of a process none. The file must be on a disk of
    this host: network file systems do not lock as SQLite needs it. What has ended is removed by later calls.

    Args:
        path: of the file; ``-wal`` and ``-shm`` stand beside it while it is open.
        synchronous: when grants are on the disk.
        busy_seconds: how long to wait for the lock of other processes.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous = "full", busy_seconds: float = 10.0) -> None:
        self._file = SqliteFile(path, _FILE, synchronous=synchronous, busy_seconds=busy_seconds)

    @property
    def path(self) -> Path:
        """The file, which is there once something was counted or read."""
        return self._file.path

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        """Grants each the first action all of whose checks hold, and counts it, in one transaction."""

        def grant(connection: sqlite3.Connection) -> list[Grant]:
            ledger = _ledger(connection, reservations)
            grants = [ledger.reserve(reservation, now_us) for reservation in reservations]
            _write(connection, ledger, now_us)
            return grants

        return self._file.write(grant)

    def release(self, reservations: Sequence[Reservation], now_us: int) -> int:
        """Takes back what was granted to requests that are not answered; how many grants were taken back."""

        def release(connection: sqlite3.Connection) -> int:
            ledger = _ledger(connection, reservations)
            released = sum(ledger.release(reservation, now_us) for reservation in reservations)
            _write(connection, ledger, now_us)
            return released

        return self._file.write(release)

    def note(self, marks: Sequence[Mark], now_us: int) -> None:
        """Notes marks in their windows. One that is there, or has ended, changes nothing."""

        def note(connection: sqlite3.Connection) -> None:
            ledger = Ledger(_counters(connection, (mark.counter for mark in marks)), {})
            for mark in marks:
                ledger.note(mark, now_us)
            _write(connection, ledger, now_us)

        self._file.write(note)

    def read(self, counters: Sequence[Counter]) -> list[Usage]:
        """What counters hold, in order; nothing was counted where one is not there. Changes nothing."""
        if not self.path.exists():
            return [Usage()] * len(counters)
        with self._file.reading() as connection:
            states = _counters(connection, counters)
        return [
            Usage(states[each].total, tuple(states[each].times)) if each in states else Usage() for each in counters
        ]

    def forget(self, unit: str) -> bool:
        """Removes all that is counted of a unit for good; whether there was anything.

        Its bytes in the file are overwritten with zeros, and the write-ahead log is moved into the file and cut to
        nothing. Backups, snapshots of the disk and blocks that the file system has freed are out of reach.
        """
        if not unit or not self.path.exists():
            return False
        found = self._file.write(lambda connection: connection.execute(_REMOVE_UNIT, (unit,)).rowcount > 0)
        self._file.empty_log()
        return found

    def stats(self) -> Stats:
        """How much is stored. Looks at everything: not for each scrape of metrics."""
        with self._file.reading() as connection:
            (counters,) = connection.execute("SELECT count(*) FROM counters").fetchone()
            (requests,) = connection.execute("SELECT count(*) FROM requests").fetchone()
        return Stats(counters, requests)

    def close(self) -> None:
        """Closes the file. Calls that are under way end; later ones fail."""
        self._file.close()


def _ledger(connection: sqlite3.Connection, reservations: Sequence[Reservation]) -> Ledger:
    """What is stored of the counters and requests of reservations."""
    checks = (check for reservation in reservations for check in reservation.checks)
    requests = (reservation.request for reservation in reservations)
    return Ledger(_counters(connection, (check.counter for check in checks)), _requests(connection, requests))


def _counters(connection: sqlite3.Connection, counters: Iterable[Counter]) -> dict[Counter, CounterState]:
    found = {}
    for counter in dict.fromkeys(counters):
        row = connection.execute(_READ, counter).fetchone()
        if row is not None:
            found[counter] = _state(counter, *row)
    return found


def _state(counter: Counter, total: int, times: bytes, span: int, depth: int, ends: int) -> CounterState:
    unpacked = array("q")
    try:
        unpacked.frombytes(times)
    except ValueError as error:
        whose = f" of unit {counter.unit!r}: forget it" if counter.unit else ": restore the store from a backup"
        raise LimitStoreError(f"the times of {counter.name!r} are damaged{whose}") from error
    return CounterState(total, unpacked.tolist(), span, depth, ends)


def _requests(connection: sqlite3.Connection, requests: Iterable[str]) -> dict[str, Granted]:
    found = {}
    for request in dict.fromkeys(requests):
        row = connection.execute(_READ_REQUEST, (request_digest(request),)).fetchone() if request else None
        if row is not None:
            action, time, packed = row
            refused, others = json.loads(packed)
            found[request] = Granted(action, time, tuple(Refusal(*each) for each in refused), tuple(others))
    return found


def _write(connection: sqlite3.Connection, ledger: Ledger, now_us: int) -> None:
    """Writes what has changed, and removes some of what has ended."""
    states = ((counter, ledger.counters[counter]) for counter in ledger.changed)
    connection.executemany(_WRITE, ((*counter, *_row(state)) for counter, state in states))
    for request in ledger.touched:
        granted = ledger.requests.get(request)
        if granted is None:
            connection.execute(_REMOVE_REQUEST, (request_digest(request),))
        else:
            refused = json.dumps((granted.refused, granted.others_refused))
            connection.execute(_WRITE_REQUEST, (request_digest(request), granted.action, granted.time_us, refused))
    if written := len(ledger.changed) + len(ledger.touched):
        connection.execute(_EXPIRE, (now_us - GRACE_US, _EXPIRED + 2 * written))
        connection.execute(_EXPIRE_REQUESTS, (now_us - REPEATABLE_US, _EXPIRED + 2 * written))


def _row(state: CounterState) -> tuple[int, bytes, int, int, int]:
    return state.total, array("q", state.times).tobytes(), state.span_us, state.depth, state.ends_us
