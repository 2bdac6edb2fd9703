"""The embedded store."""

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from scoreline_registry.profiles.events import Event
from scoreline_server.databases.sqlite_file import SqliteFile, Synchronous
from scoreline_server.errors import ProfileStoreError
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.sqlite_tables import PROFILE_FILE
from scoreline_server.profile_stores.store import Fold, Receipt
from tests.disks import small_disk
from tests.server.profile_stores.contract import LATENESS, P, ProfileStoreContract
from tests.server.profile_stores.reference import event
from tests.waiting import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of ``store`` is made."""
    return tmp_path / "profiles.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store whose file does not exist yet. A long patience, because this machine may be busy."""
    opened = SqliteStore(path, busy_seconds=60)
    yield opened
    opened.close()


class TestSqliteStore(ProfileStoreContract):
    """The contract, on files."""

    @pytest.fixture
    def url(self, path: Path) -> str:
        """The same file for other processes."""
        return f"sqlite:{path}"


def kept(store: SqliteStore, event_id: str) -> list[Receipt]:
    """The receipt of one new event of ann's."""
    return store.append(P, [event("ann", event_id, 1)], lateness=LATENESS)


def test_nothing_is_created_before_the_first_call(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "profiles.sqlite"
    store = SqliteStore(path)
    assert not path.parent.exists()
    kept(store, "e1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("profiles.sqlite-wal").stat().st_mode) == 0o600
    store.close()
    assert [each.name for each in path.parent.iterdir()] == ["profiles.sqlite"]


@pytest.mark.parametrize(
    ("synchronous", "durable", "value"), [("full", True, 2), ("full", False, 1), ("normal", True, 1)]
)
def test_writes_are_synced_as_asked(path: Path, synchronous: Synchronous, durable: bool, value: int) -> None:
    file = SqliteFile(path, PROFILE_FILE, synchronous=synchronous, busy_seconds=1)

    def value_of(connection: sqlite3.Connection, pragma: str) -> object:
        return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

    for pragma, expected in (("synchronous", value), ("journal_mode", "wal"), ("secure_delete", 1)):
        assert file.write(partial(value_of, pragma=pragma), durable=durable) == expected
    file.close()


def test_a_store_that_was_closed_is_read_by_the_next(store: SqliteStore, path: Path) -> None:
    kept(store, "e1")
    store.close()
    with pytest.raises(ProfileStoreError, match="this store is closed"):
        store.read(P, ["ann"])
    after = SqliteStore(path)
    assert [each.id for each in after.read(P, ["ann"])["ann"].pending] == ["e1"]
    after.close()


@pytest.mark.parametrize("ends", [("",), ("", "-wal", "-shm")])
def test_events_after_the_file_was_removed_are_in_the_new_one(
    store: SqliteStore, path: Path, ends: tuple[str, ...]
) -> None:
    kept(store, "e1")
    for end in ends:
        path.with_name(path.name + end).unlink()
    assert kept(store, "e2") == [Receipt.KEPT]
    other = SqliteStore(path)
    assert [each.id for each in other.read(P, ["ann"])["ann"].pending] == ["e2"]
    other.close()
    assert [each.id for each in store.read(P, ["ann"])["ann"].pending] == ["e2"]


def test_a_file_that_was_put_in_its_place_is_used_at_once(store: SqliteStore, path: Path) -> None:
    kept(store, "e1")
    restored = SqliteStore(path.with_name("backup"))
    kept(restored, "e0")
    restored.close()
    path.with_name("profiles.sqlite-wal").unlink()
    path.with_name("backup").replace(path)
    assert kept(store, "e0") == [Receipt.REPEATED]


def test_what_is_forgotten_stands_in_no_file(store: SqliteStore, path: Path) -> None:
    secret = [Event("secret-ann", f"secret-{i}", i, "click", {"c": "secret" * 40}) for i in range(300)]
    store.append(P, [*secret, event("bob", "e", 1)], lateness=1000)
    stored = store.read(P, ["secret-ann"])["secret-ann"]
    store.fold(P, [Fold("secret-ann", 0, 100, b"secret" * 9000, stored.pending[99].place)])
    assert any(b"secret" in each.read_bytes() for each in path.parent.iterdir())
    assert store.forget(P, "secret-ann")
    assert not any(b"secret" in each.read_bytes() for each in path.parent.iterdir())
    assert list(store.entities(P)) == ["bob"]


def test_a_log_that_is_being_read_is_said_and_emptied_later(path: Path) -> None:
    store = SqliteStore(path, busy_seconds=0.05)
    store.append(P, [Event("ann", "secret", 1, "click", {})], lateness=0)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entities").fetchone()
    with pytest.raises(ProfileStoreError, match=r"profiles\.sqlite-wal is being read .*: try again"):
        store.forget(P, "ann")
    reader.close()
    assert not store.forget(P, "ann")
    assert not any(b"secret" in each.read_bytes() for each in path.parent.iterdir())
    store.close()


def test_a_second_connection_leaves_the_locks_of_the_first(store: SqliteStore, path: Path) -> None:
    kept(store, "e1")
    second = SqliteStore(path)
    assert kept(second, "e2") == [Receipt.KEPT]
    # The last process that closes the file removes its log; without locks this one would seem to be the last.
    other = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM entities').fetchall()"
    subprocess.run([sys.executable, "-c", other, str(path)], check=True)
    assert path.with_name("profiles.sqlite-wal").stat().st_size > 0
    second.close()


def test_a_newer_schema_is_refused(store: SqliteStore, path: Path) -> None:
    kept(store, "e1")
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(ProfileStoreError, match=r"has schema 2 and this server knows 1: install a newer scoreline"):
        kept(SqliteStore(path), "e2")


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (number INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ProfileStoreError, match="is the database of another program: set another profile_store"):
        kept(SqliteStore(path), "e1")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to have a header " * 100)
    with pytest.raises(ProfileStoreError, match=r"is damaged or no SQLite file: restore it from a backup"):
        kept(SqliteStore(path), "e1")
    assert path.read_bytes().startswith(b"not a database")


def test_a_damaged_file_is_said(store: SqliteStore, path: Path) -> None:
    store.append(P, [event(f"u{i}", "e", i) for i in range(2000)], lateness=LATENESS)
    store.close()
    damaged = bytearray(path.read_bytes())
    damaged[8192:] = b"\xff" * len(damaged[8192:])
    path.write_bytes(damaged)
    after = SqliteStore(path)
    with pytest.raises(ProfileStoreError, match="it is damaged: restore it from a backup"):
        list(after.entities(P))
    after.close()


@pytest.mark.parametrize("pending", [b"\xc1", b"", b"\x01", b"\x94\xa1e"])
def test_a_damaged_entity_is_said_and_others_are_served(store: SqliteStore, path: Path, pending: bytes) -> None:
    kept(store, "e1")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entities SET pending = ?", (pending,))
    connection.close()
    with pytest.raises(ProfileStoreError, match="pending events of entity 'ann' are damaged: forget it"):
        store.read(P, ["ann"])
    with pytest.raises(ProfileStoreError, match="pending events of entity 'ann' are damaged: forget it"):
        store.append(P, [event("bob", "e", 1), event("ann", "e2", 1), event("ann", "e3", 1)], lateness=LATENESS)
    assert store.append(P, [event("bob", "e", 1)], lateness=LATENESS) == [Receipt.KEPT]
    assert store.forget(P, "ann")
    assert kept(store, "e1") == [Receipt.KEPT]


def test_a_path_that_cannot_be_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProfileStoreError, match=r"file/p\.sqlite cannot be opened: (Not a directory|File exists)"):
        kept(SqliteStore(tmp_path / "file" / "p.sqlite"), "e1")


def test_a_lock_that_is_held_is_said_and_then_over(path: Path) -> None:
    store = SqliteStore(path, busy_seconds=0.05)
    kept(store, "e1")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        ProfileStoreError, match="sqlite: another process keeps it locked: end the backup or shell that holds it"
    ):
        kept(store, "e2")
    assert [each.id for each in store.read(P, ["ann"])["ann"].pending] == ["e1"]
    holder.execute("COMMIT")
    holder.close()
    assert kept(store, "e2") == [Receipt.KEPT]
    store.close()


def test_threads_that_write_at_once_share_a_transaction(path: Path) -> None:
    file = SqliteFile(path, PROFILE_FILE, synchronous="full", busy_seconds=60)
    begun, go_on = threading.Event(), threading.Event()

    def first(connection: sqlite3.Connection) -> int:
        begun.set()
        assert go_on.wait(60)
        return connection.total_changes

    def insert(connection: sqlite3.Connection, name: str) -> int:
        connection.execute("INSERT INTO profiles (name) VALUES (?)", (name,))
        return connection.total_changes

    with ThreadPoolExecutor(4) as pool:
        pool.submit(file.write, first)
        assert begun.wait(60)
        others = [pool.submit(file.write, partial(insert, name=name)) for name in ("a", "b", "a")]
        wait_until(lambda: len(file._writes) == 3)
        go_on.set()
        failed = [each for each in others if each.exception() is not None]
    # Two have the same name: the transaction of all three fails, then each is done by itself.
    assert len(failed) == 1
    with pytest.raises(ProfileStoreError, match="UNIQUE constraint failed"):
        failed[0].result()
    with file.reading() as connection:
        assert connection.execute("SELECT name FROM profiles ORDER BY name").fetchall() == [("a",), ("b",)]
    file.close()


def append_until_refused(store: SqliteStore) -> tuple[list[str], str]:
    """The ids that were acknowledged, and why the next was not."""
    acknowledged: list[str] = []
    while True:
        number = len(acknowledged)
        try:
            store.append(P, [Event("ann", f"e{number}", number, "click", {"c": f"{number}" * 200})], lateness=10_000)
        except ProfileStoreError as error:
            return acknowledged, error.detail
        acknowledged.append(f"e{number}")


def test_a_full_disk_refuses_events_and_loses_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        store = SqliteStore(disk / "profiles.sqlite")
        acknowledged, detail = append_until_refused(store)
        assert "is full; the disk is full: make room on it and send the same events again" in detail
        assert len(acknowledged) > 10
        assert [each.id for each in store.read(P, ["ann"])["ann"].pending] == acknowledged
        store.close()
        after = SqliteStore(disk / "profiles.sqlite")
        assert [each.id for each in after.read(P, ["ann"])["ann"].pending] == acknowledged
        after.close()
