"""A SQLite file of a store: its connections and transactions, and its failures in words."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import structlog

from scoreline_server.databases.store_kind import StoreKind
from scoreline_server.databases.write_queue import Write, WriteQueue
from scoreline_server.errors import StoreError

Synchronous: TypeAlias = Literal["full", "normal"]
T = TypeVar("T")

_log = structlog.get_logger()

# One statement, so that another process cannot create the tables between two readings.
_IDENTITY = """
SELECT count(*), (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version)
FROM sqlite_master
"""
_PRAGMAS = """
PRAGMA secure_delete = ON;
PRAGMA cache_size = -16384;
PRAGMA wal_autocheckpoint = 8192;
PRAGMA journal_size_limit = 67108864;
"""
# What is removed is overwritten with zeros. A checkpoint each 32 MB of log, whose file is cut to 64 MB.

_PAUSE_SECONDS = 0.001

_HINTS = {
    sqlite3.SQLITE_FULL: "the disk is full: make room on it and {retry}",
    sqlite3.SQLITE_READONLY: "it may not be written: let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: its folder must exist and be writable for this user",
    sqlite3.SQLITE_PERM: "it may not be opened: let this user read and write the file and its folder",
    sqlite3.SQLITE_BUSY: "another process keeps it locked: end the backup or shell that holds it and try again",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore it from a backup, or move it away with its -wal and -shm",
    sqlite3.SQLITE_NOTADB: "it is damaged or no SQLite file: restore it from a backup, or set another {setting}",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it: look at the system's log",
}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """The tables of a kind of file.

    Attributes:
        kind: of the store that is kept in it.
        application: SQLite's ``application_id`` of such a file.
        schema: the number of its tables' form, SQLite's ``user_version``.
        tables: SQL that creates them, statements that end with semicolons.
    """

    kind: StoreKind
    application: int
    schema: int
    tables: str


class _Opened(NamedTuple):
    """A connection, with the device and inode of the file that it was opened on."""

    connection: sqlite3.Connection
    file: tuple[int, int]


class SqliteFile:
    """A database in WAL mode. Nothing is opened or created before the first transaction.

    A connection is used by one thread at a time and kept for the next, as long as the file at the path is the one that
    it was opened on: what is written to a file that was removed is lost. Threads that write at the same time share a
    transaction, see ``WriteQueue``; processes queue on SQLite's lock.
    """

    def __init__(self, path: Path, form: FileFormat, *, synchronous: Synchronous, busy_seconds: float) -> None:
        self.path, self._form, self._error = path, form, form.kind.error
        self._synchronous, self._busy_seconds = synchronous, busy_seconds
        self._idle: list[_Opened] = []
        self._writes = WriteQueue(self._commit)
        self._writer, self._opening = threading.Lock(), threading.Lock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection; each statement sees one state of the file. Raises StoreError."""
        try:
            opened = self._taken()
            try:
                yield opened.connection
            except BaseException:
                opened.connection.close()
                raise
            self._release(opened)
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """The result of ``work``, whose changes are on the disk then; where it fails nothing is changed.

        What other threads want to write at the same time shares the transaction, and its wait for the disk. Changes
        that are not ``durable`` are there for every reader, and on the disk with the next that are: a loss of power
        may undo them.

        Raises:
            StoreError: the file could not be locked or written.
        """
        return self._writes.write(work, durable=durable)

    def _commit(self, group: Sequence[Write]) -> None:
        with self._writer:
            self._transact(group)

    def _transact(self, group: Sequence[Write]) -> None:
        """Does some writes in one transaction; each by itself where that fails."""
        begun = False
        try:
            with self.reading() as connection:
                self._begin(connection, durable=any(write.durable for write in group))
                begun = True
                results = [write.do(connection) for write in group]
                connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001  raised in each thread that waits for it
            if begun and len(group) > 1 and isinstance(error, Exception):
                for write in group:
                    self._transact([write])
                return
            for write in group:
                write.end(error=error)
        else:
            for write, result in zip(group, results, strict=True):
                write.end(result)

    def _begin(self, connection: sqlite3.Connection, *, durable: bool) -> None:
        connection.execute(f"PRAGMA synchronous = {self._synchronous if durable else 'normal'}")
        if not self._insist(connection, "BEGIN IMMEDIATE"):
            raise self._locked()

    def empty_log(self) -> None:
        """Moves the write-ahead log into the file and cuts it to nothing. Raises StoreError where it is read."""
        with self._writer, self.reading() as connection:
            emptied = self._insist(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        if not emptied:
            raise self._error(f"{self.path}-wal is being read and may hold what was removed: try again")

    def close(self) -> None:
        """Closes the connections; those in use are closed when they come back."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().connection.close()

    def _release(self, opened: _Opened) -> None:
        self._idle.append(opened)
        if self._closed:
            self.close()

    def _taken(self) -> _Opened:
        if self._closed:
            raise self._error(f"{self.path}: this store is closed")
        with suppress(IndexError):
            while True:
                opened = self._idle.pop()
                if opened.file == _file_at(self.path):
                    return opened
                opened.connection.close()
                _log.error(
                    f"the file of {self._form.kind.content} was removed or replaced while in use", file=str(self.path)
                )
        with self._opening:
            return self._connect()

    def _connect(self) -> _Opened:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._touch()
            # Before it is opened: where it is replaced in between, the connection is not used again.
            file = _file_at(self.path)
        except OSError as error:
            raise self._error(f"{self.path} cannot be opened: {error.strerror}") from error
        connection = sqlite3.connect(
            self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return _Opened(connection, file)

    def _touch(self) -> None:
        """Creates the file for this user alone where it is not there.

        One that is there is not opened: closing it would release the locks that this process has on it for SQLite.
        """
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self._schema(connection) == 0:
            self._create(connection)
        connection.executescript(_PRAGMAS)

    def _schema(self, connection: sqlite3.Connection) -> int:
        """The file's schema; 0 where it is empty. Raises StoreError for the file of another program."""
        tables, application, schema = connection.execute(_IDENTITY).fetchone()
        if tables and application != self._form.application:
            raise self._error(f"{self.path} is the database of another program: set another {self._form.kind.setting}")
        if schema > self._form.schema:
            raise self._error(
                f"{self.path} has schema {schema} and this server knows {self._form.schema}: "
                f"install a newer scoreline, or set another {self._form.kind.setting}"
            )
        return int(schema)

    def _insist(self, connection: sqlite3.Connection, statement: str) -> bool:
        """Executes a statement as soon as no other process has the lock; False where one had it for too long.

        SQLite itself would look at ever longer intervals, up to 100 ms, and miss the moments between the transactions
        of a busy process.
        """
        deadline = time.monotonic() + self._busy_seconds
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not _executed(connection, statement):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_PAUSE_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {1000 * self._busy_seconds:.0f}")
        return True

    def _create(self, connection: sqlite3.Connection) -> None:
        if not self._insist(connection, "PRAGMA journal_mode = WAL"):
            raise self._locked()
        self._begin(connection, durable=True)
        # Another process may have been first.
        if self._schema(connection) == 0:
            for statement in self._form.tables.split(";")[:-1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {self._form.application}")
            connection.execute(f"PRAGMA user_version = {self._form.schema}")
        connection.execute("COMMIT")

    def _locked(self) -> StoreError:
        return self._error(f"{self.path}: {self._hint(sqlite3.SQLITE_BUSY)}")

    def _explained(self, error: sqlite3.DatabaseError) -> StoreError:
        return self._error(f"{self.path}: {error}; {self._hint(_code(error))}")

    def _hint(self, code: int) -> str:
        kind = self._form.kind
        return _HINTS.get(code, "{retry}").format(setting=kind.setting, retry=kind.retry)


def _file_at(path: Path) -> tuple[int, int]:
    """Device and inode of the file at a path; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _executed(connection: sqlite3.Connection, statement: str) -> bool:
    """Executes a statement; False where another process has the lock."""
    try:
        result = connection.execute(statement).fetchone()
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_BUSY:
            raise
        return False
    # A checkpoint does not fail where it is kept from its end, but says 1.
    return result is None or result[0] != 1


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
