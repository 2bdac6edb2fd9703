"""The journal's writer: full, slow and broken disks, rotation, retention, and what is left of a killed one."""

import fcntl
import os
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scoreline_registry.registry import Registry
from scoreline_server.journal.format.blocks import Block, Fault, Kind, scan
from scoreline_server.journal.reading.reader import journal_files, read_records
from scoreline_server.journal.writing import series as series_module
from scoreline_server.journal.writing.encoding import Observed
from scoreline_server.journal.writing.file import Disk
from scoreline_server.journal.writing.opening import journal_folder
from scoreline_server.journal.writing.retention import Aged, Retention, enforce
from scoreline_server.journal.writing.series import JournalOptions, Series
from scoreline_server.journal.writing.writer import Journal
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.scoring.results import ScoredBatch
from tests.server.journals import FACTS, BrokenDisk, SlowDisk, TightDisk, catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.waiting import wait_until

Score = Callable[[int], ScoredBatch]


@pytest.fixture
def score(registry: Registry) -> Score:
    """Scores so many rows when called."""
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    catalog = catalog_of(registry)
    return lambda rows: scored(catalog, named(*(entity(f"c{row}", income=1.0) for row in range(rows))))[1][0]


def count(metrics: Metrics, name: str) -> float:
    return sum(numbers[0] for (family, _), numbers in metrics.counts().items() if family == f"scoreline_{name}")


def rows_in(*folders: Path, faults: list[Fault] | None = None) -> int:
    told = [] if faults is None else faults
    return sum(map(len, read_records(folders, on_fault=lambda _, fault: told.append(fault))))


def is_written(journal: Journal, folder: Path, rows: int) -> bool:
    return bool(journal.problem) or rows_in(folder) == rows


def wait_for_rows(folder: Path, rows: int) -> None:
    wait_until(lambda: rows_in(folder) == rows)


def write(journal: Journal, score: Score, folder: Path, *, blocks: int) -> None:
    """Journals ten rows in each of some blocks, and closes."""
    for block in range(1, blocks + 1):
        journal(score(10))
        wait_for_rows(folder, 10 * block)
    journal.close()


def test_a_full_disk_is_told_and_what_waits_is_written_when_there_is_room(score: Score, tmp_path: Path) -> None:
    metrics, disk = Metrics(), TightDisk(6_000)
    journal = journal_in(tmp_path, metrics=metrics, disk=disk)
    rows = 0
    while not journal.problem:
        journal(score(10))
        rows += 10
        wait_until(partial(is_written, journal, tmp_path, rows))
    assert "No space left on device" in journal.problem
    assert str(tmp_path) in journal.problem
    assert count(metrics, "journal_troubled") == 1
    assert count(metrics, "journal_failures") >= 1
    before = rows_in(tmp_path)
    assert 0 < before < rows
    journal(score(10))
    disk.left = 1_000_000
    wait_until(lambda: not journal.problem)
    assert count(metrics, "journal_troubled") == 0
    journal.close()
    faults: list[Fault] = []
    assert rows_in(tmp_path, faults=faults) == rows + 10 == count(metrics, "journal_rows")
    assert not faults
    assert count(metrics, "journal_dropped") == 0


def test_what_waited_for_hours_is_written_with_its_times(score: Score, tmp_path: Path) -> None:
    hour = 3600 * 10**9
    options = JournalOptions(
        folder=tmp_path,
        fsync_seconds=1,
        rotate_bytes=1 << 30,
        rotate_seconds=3600,
        retention=Retention(0, 0),
        queue_bytes=0,
    )
    series = Series(options, FACTS, Disk())
    waited = [Observed(score(3), nanoseconds=at * hour) for at in (5, 6, 9, 1)]
    series.append(waited)
    series.close()
    times = [at for records in read_records([tmp_path]) for at in records.times.tolist()]
    assert times == [at * hour for at in (5, 6, 9, 1) for _ in range(3)]


def test_old_files_go_although_the_disk_is_full(score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = TightDisk(1_000_000)
    journal = journal_in(tmp_path, disk=disk, retention=Retention(3600, 0))
    journal(score(1))
    wait_for_rows(tmp_path, 1)
    disk.left = 0
    journal(score(1))
    wait_until(lambda: journal.problem)
    monkeypatch.setattr(series_module, "_TIDY_SECONDS", 0.0)
    old = tmp_path / "0-20200101T000000.000000Z.journal"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    wait_until(lambda: not old.exists())
    assert journal.problem
    disk.left = 1_000_000
    journal.close()


def test_a_disk_without_room_for_a_first_block_leaves_no_file(score: Score, tmp_path: Path) -> None:
    disk = TightDisk(10)
    journal = journal_in(tmp_path / "j", disk=disk)
    journal(score(1))
    wait_until(lambda: journal.problem)
    assert not journal_files([tmp_path / "j"])
    disk.left = 1_000_000
    wait_until(lambda: not journal.problem)
    journal.close()
    assert rows_in(tmp_path / "j") == 1


def test_a_folder_that_cannot_be_made_is_a_problem_until_it_can(score: Score, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    journal = journal_in(tmp_path / "taken" / "journal")
    journal(score(1))
    wait_until(lambda: journal.problem)
    (tmp_path / "taken").unlink()
    wait_until(lambda: not journal.problem)
    journal.close()
    assert rows_in(tmp_path / "taken" / "journal") == 1


def test_a_slow_disk_costs_rows_and_no_time(score: Score, tmp_path: Path) -> None:
    metrics, disk = Metrics(), SlowDisk()
    journal = journal_in(tmp_path, metrics=metrics, disk=disk, queue_bytes=20_000)
    one = score(10)
    slowest = 0.0
    for _ in range(200):
        start = time.thread_time()
        journal(one)
        slowest = max(slowest, time.thread_time() - start)
    assert slowest < 0.01
    dropped = count(metrics, "journal_dropped")
    assert 0 < dropped < 2000
    disk.go.set()
    journal.close()
    assert rows_in(tmp_path) == 2000 - dropped == count(metrics, "journal_rows")


def test_a_server_that_ends_on_a_full_disk_counts_what_it_could_not_write(score: Score, tmp_path: Path) -> None:
    metrics = Metrics()
    journal = journal_in(tmp_path, metrics=metrics, disk=TightDisk(0))
    journal(score(10))
    wait_until(lambda: journal.problem)
    journal(score(5))
    with capture_logs() as logs:
        journal.close()
    assert count(metrics, "journal_dropped") == 15
    assert {line["event"] for line in logs} == {"journal rows are lost at the stop"}
    assert sum(line["rows"] for line in logs) == 15
    assert "No space left on device" in journal.problem


def test_a_sync_that_fails_is_told_and_ends(score: Score, tmp_path: Path) -> None:
    disk = BrokenDisk()
    journal = journal_in(tmp_path, disk=disk)
    journal(score(1))
    wait_until(lambda: "Input/output error" in journal.problem)
    disk.is_broken = False
    wait_until(lambda: not journal.problem)
    journal.close()
    assert rows_in(tmp_path) == 1


def test_what_is_written_is_synced_within_the_interval_although_nothing_follows(score: Score, tmp_path: Path) -> None:
    synced: list[int] = []

    class Watched(BrokenDisk):
        def sync(self, descriptor: int) -> None:
            synced.append(descriptor)
            os.fsync(descriptor)

    journal = journal_in(tmp_path, disk=Watched())
    journal(score(1))
    wait_until(lambda: synced)
    journal.close()


def test_files_rotate_by_size_and_by_age(score: Score, tmp_path: Path) -> None:
    for folder, by in ((tmp_path / "size", {"rotate_bytes": 4096}), (tmp_path / "age", {"rotate_seconds": 0.05})):
        journal = journal_in(folder, **by)
        rows = 0
        while len(journal_files([folder])) < 3:
            journal(score(20))
            rows += 20
            wait_until(partial(is_written, journal, folder, rows))
        journal.close()
        assert rows_in(folder) == rows
        for file in journal_files([folder]):
            assert rows_in(file) > 0


def test_a_folder_that_is_removed_is_made_anew(score: Score, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = journal_in(folder)

    def is_made_anew() -> bool:
        journal(score(1))
        return folder.is_dir()

    journal(score(1))
    wait_until(lambda: journal_files([folder]))
    (file,) = journal_files([folder])
    file.unlink()
    folder.rmdir()
    journal(score(1))
    wait_until(is_made_anew)
    journal.close()
    assert rows_in(folder) >= 1


def test_the_oldest_files_go_first_and_the_open_one_never(tmp_path: Path) -> None:
    now = time.time()
    for age in range(5):
        path = tmp_path / f"0-{5 - age}.journal"
        path.write_bytes(bytes(100))
        os.utime(path, (now - age * 1000,) * 2)
    with (tmp_path / "0-1.journal").open() as held:  # the oldest is still written
        fcntl.flock(held, fcntl.LOCK_EX)
        assert enforce(Retention(seconds=2500, total_bytes=0), tmp_path, now) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"0-{n}.journal" for n in (1, 3, 4, 5)]
        assert enforce(Retention(seconds=0, total_bytes=250), tmp_path, now) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"0-{n}.journal" for n in (1, 4, 5)]
    assert enforce(Retention(seconds=0, total_bytes=250), tmp_path, now) == 1
    assert enforce(Retention(0, 0), tmp_path, now + 1e9) == 0


def test_retention_is_a_function_of_ages_and_sizes() -> None:
    files = [Aged(Path(f"{age}"), 10, 1000.0 - age) for age in (1, 2, 3)]
    assert [file.path.name for file in Retention(0, 25).outdated(files, 1000)] == ["3"]
    assert [file.path.name for file in Retention(1.5, 0).outdated(files, 1000)] == ["2", "3"]
    assert [file.path.name for file in Retention(2.5, 15).outdated(files, 1000)] == ["2", "3"]


def test_a_writer_applies_retention_when_it_begins_a_file(score: Score, tmp_path: Path) -> None:
    old = tmp_path / "9-1.journal"
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    journal = journal_in(tmp_path, retention=Retention(seconds=3600, total_bytes=0))
    journal(score(1))
    wait_until(lambda: not old.exists())
    journal.close()
    assert rows_in(tmp_path) == 1


@pytest.mark.parametrize("cut", [1, 5, 17, 200])
def test_a_torn_tail_is_told_and_everything_before_it_read(score: Score, tmp_path: Path, cut: int) -> None:
    journal = journal_in(tmp_path)
    write(journal, score, tmp_path, blocks=3)
    (file,) = journal_files([tmp_path])
    os.truncate(file, file.stat().st_size - cut)
    faults: list[Fault] = []
    assert rows_in(tmp_path, faults=faults) == 20
    assert [fault.is_torn for fault in faults] == [True]


def test_damage_costs_the_block_that_it_is_in(score: Score, tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    write(journal, score, tmp_path, blocks=5)
    (file,) = journal_files([tmp_path])
    whole = file.read_bytes()
    rows = next(block.start for block in scan(BytesIO(whole)) if isinstance(block, Block) and block.kind == Kind.ROWS)
    for at in range(rows, len(whole), 97):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        faults: list[Fault] = []
        assert rows_in(tmp_path, faults=faults) >= 40, at
        assert faults, at
        last = whole.rfind(b"\x93SLJ")
        assert at >= last or not any(fault.is_torn for fault in faults), at


def test_a_file_without_its_head_or_its_routes_is_damaged_not_misread(score: Score, tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal(score(10))
    journal.close()
    (file,) = journal_files([tmp_path])
    whole = file.read_bytes()
    blocks = [at for at in range(len(whole)) if whole.startswith(b"\x93SLJ", at)]
    for missing in (0, 1):
        end = blocks[missing + 1]
        file.write_bytes(whole[: blocks[missing]] + whole[end:])
        faults: list[Fault] = []
        assert rows_in(tmp_path, faults=faults) == 0
        assert len(faults) == 1
        assert not faults[0].is_torn


@pytest.mark.parametrize(
    ("journal_dir", "registry", "folder"),
    [
        ("auto", "/srv/registry", "/srv/registry-journal"),
        ("auto", "file:///srv/my%20registry", "/srv/my registry-journal"),
        ("auto", "s3://bucket/registry", None),
        ("off", "/srv/registry", None),
        ("", "/srv/registry", None),
        ("/var/log/j", "s3://bucket/registry", "/var/log/j"),
    ],
)
def test_the_journal_is_beside_the_registry_unless_told_otherwise(
    journal_dir: str, registry: str, folder: str | None
) -> None:
    assert journal_folder(journal_dir, registry) == (Path(folder) if folder else None)


def test_a_file_that_goes_for_its_size_before_its_age_is_warned_about(tmp_path: Path) -> None:
    for name, modified in (("old", 0), ("big", 900), ("new", 990)):
        (tmp_path / f"{name}.journal").write_bytes(bytes(100))
        os.utime(tmp_path / f"{name}.journal", (modified, modified))
    with capture_logs() as logs:
        assert enforce(Retention(seconds=500, total_bytes=150), tmp_path, 1000.0) == 2
    levels = {Path(entry["path"]).stem: entry["log_level"] for entry in logs}
    assert levels == {"old": "info", "big": "warning"}
