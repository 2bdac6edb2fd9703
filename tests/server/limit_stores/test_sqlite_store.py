"""The embedded store of limits."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest

from scoreline_registry.decisions.reservations import Counter, Mark, Usage
from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from scoreline_server.limit_stores.store import GRACE_US, REPEATABLE_US, Stats
from tests.disks import small_disk
from tests.server.limit_stores.contract import DAY, HOUR, NOW, LimitStoreContract, asking, granted, total, window


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of ``store`` is made."""
    return tmp_path / "limits.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLimits]:
    """A store whose file does not exist yet. A long patience, because this machine may be busy."""
    opened = SqliteLimits(path, busy_seconds=60)
    yield opened
    opened.close()


class TestSqliteLimits(LimitStoreContract):
    """The contract, on files."""

    @pytest.fixture
    def url(self, path: Path) -> str:
        """The same file for other processes."""
        return f"sqlite:{path}"


def test_nothing_is_created_before_the_first_call(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "limits.sqlite"
    store = SqliteLimits(path)
    assert not path.parent.exists()
    assert granted(store, total("campaign", 1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.close()
    assert [each.name for each in path.parent.iterdir()] == ["limits.sqlite"]


@pytest.mark.parametrize(("given", "value"), [("full", 2), ("normal", 1)])
def test_grants_are_on_the_disk_as_asked(path: Path, given: str, value: int) -> None:
    store = SqliteLimits(path, synchronous="full" if given == "full" else "normal")
    assert granted(store, total("campaign", 1))
    assert store._file.write(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (value,)
    store.close()


def test_what_was_counted_is_there_for_the_next_process(store: SqliteLimits, path: Path) -> None:
    assert granted(store, window("daily", 1), total("campaign", 2))
    store.close()
    with pytest.raises(LimitStoreError, match="this store is closed"):
        store.read([Counter("campaign")])
    after = SqliteLimits(path)
    assert not granted(after, window("daily", 1), now=NOW + HOUR)
    assert granted(after, total("campaign", 2))
    after.close()


def test_a_refused_reservation_writes_nothing(store: SqliteLimits, path: Path) -> None:
    assert granted(store, total("campaign", 1))
    log = path.with_name("limits.sqlite-wal")
    before = log.stat().st_size
    assert not granted(store, total("campaign", 1), window("daily", 9))
    assert log.stat().st_size == before


def test_counters_are_removed_an_hour_after_they_have_ended(store: SqliteLimits) -> None:
    checks = window("w", 1, span=1000), total("money", 9, bucket="monday", ends=NOW + 500), total("campaign", 9)
    assert granted(store, *checks)
    assert granted(store, total("campaign", None), now=NOW + 1000 + GRACE_US)
    assert store.stats().counters == 2
    assert granted(store, total("campaign", None), now=NOW + 1001 + GRACE_US)
    assert store.stats() == Stats(counters=1)
    assert store.read([Counter("campaign")]) == [Usage(3)]


def test_what_has_ended_is_removed_in_parts(store: SqliteLimits) -> None:
    asked = [asking(window("w", 1, unit=f"u{at}"), request=f"r{at}") for at in range(150)]
    assert all(grant.action for grant in store.reserve(asked, NOW))
    assert store.stats() == Stats(150, 150)
    left = []
    for _ in range(3):
        assert granted(store, total("campaign", None), now=NOW + 2 * DAY)
        left.append(store.stats())
    assert left == [Stats(85, 84), Stats(19, 18), Stats(1, 0)]


def test_no_more_is_written_than_is_removed(store: SqliteLimits) -> None:
    for day in range(4):
        asked = [asking(window(f"w{day}", 1, unit=f"u{at}"), request=f"r{day}-{at}") for at in range(300)]
        assert all(grant.action for grant in store.reserve(asked, NOW + 2 * day * DAY))
    assert store.stats() == Stats(300, 300)


def test_a_window_that_is_used_again_does_not_end(store: SqliteLimits) -> None:
    check = window("w", 1, span=GRACE_US)
    assert granted(store, check)
    assert granted(store, check, now=NOW + GRACE_US)
    assert granted(store, total("campaign", 1), now=NOW + 2 * GRACE_US + 1)
    assert not granted(store, check, now=NOW + 2 * GRACE_US - 1)


def test_a_window_that_is_checked_with_a_longer_span_ends_later(store: SqliteLimits) -> None:
    assert granted(store, window("w", 1, span=1000))
    assert not granted(store, window("w", 0, span=DAY, amount=0))
    assert granted(store, total("campaign", 1), now=NOW + GRACE_US + 2000)
    assert not granted(store, window("w", 0, span=DAY, amount=0), now=NOW + GRACE_US + 2000)


def test_a_grant_is_forgotten_after_ten_minutes(store: SqliteLimits) -> None:
    store.reserve([asking(request="r")], NOW)
    assert store.stats() == Stats(requests=1)
    assert granted(store, total("campaign", 1), now=NOW + REPEATABLE_US)
    assert store.stats() == Stats(counters=1)


def test_what_is_forgotten_stands_in_no_file(store: SqliteLimits, path: Path) -> None:
    asked = [asking(window(f"daily-{at}", 9, unit="secret-ann"), request=f"secret-{at}") for at in range(200)]
    assert all(grant.action for grant in store.reserve(asked, NOW))
    store.note([Mark(Counter("said-no", "secret-ann"), NOW, DAY)], NOW)
    assert granted(store, window("daily", 1, unit="bob"))
    assert any(b"secret" in each.read_bytes() for each in path.parent.iterdir())
    assert store.forget("secret-ann")
    assert not any(b"secret" in each.read_bytes() for each in path.parent.iterdir())
    assert not granted(store, window("daily", 1, unit="bob"))


def test_the_file_of_profiles_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE profiles (number INTEGER)")
    connection.close()
    with pytest.raises(LimitStoreError, match="is the database of another program: set another limit_store"):
        granted(SqliteLimits(path), total("campaign", 1))


def test_damaged_times_are_said_and_other_units_are_served(store: SqliteLimits, path: Path) -> None:
    assert granted(store, window("daily", 5))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE counters SET times = ?", (b"\xc1",))
    connection.close()
    with pytest.raises(LimitStoreError, match="the times of 'daily' are damaged of unit 'ann': forget it"):
        granted(store, window("daily", 5))
    assert granted(store, window("daily", 5, unit="bob"))
    assert store.forget("ann")
    assert granted(store, window("daily", 5))


def test_a_lock_that_is_held_is_said_and_then_over(path: Path) -> None:
    store = SqliteLimits(path, busy_seconds=0.05)
    assert granted(store, total("campaign", 2))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LimitStoreError, match="another process keeps it locked"):
        granted(store, total("campaign", 2))
    assert store.read([Counter("campaign")]) == [Usage(1)]
    holder.execute("COMMIT")
    holder.close()
    assert granted(store, total("campaign", 2))
    store.close()


def counted_until_refused(store: SqliteLimits) -> tuple[int, str]:
    """How many actions were granted, and why the next was not."""
    for number in count():
        try:
            assert granted(store, total("campaign", None), window("daily", 1, unit=f"{number}" * 200))
        except LimitStoreError as error:
            return number, error.detail
    raise AssertionError("the disk is never full")


def test_a_full_disk_grants_nothing_that_it_cannot_count(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        store = SqliteLimits(disk / "limits.sqlite")
        counted, detail = counted_until_refused(store)
        assert "the disk is full: make room on it and ask again" in detail
        assert counted > 10
        assert store.read([Counter("campaign")]) == [Usage(counted)]
        store.close()


def test_stores_that_are_opened_together_all_find_their_tables(tmp_path: Path) -> None:
    together = 4
    gate = Barrier(together)

    def look(path: Path) -> Stats:
        store = SqliteLimits(path, busy_seconds=60)
        gate.wait()
        try:
            return store.stats()
        finally:
            store.close()

    with ThreadPoolExecutor(together) as pool:
        for number in range(50):
            paths = [tmp_path / f"{number}.sqlite"] * together
            assert list(pool.map(look, paths)) == [Stats()] * together
