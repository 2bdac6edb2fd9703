"""The log of outcomes: synced before it returns, whole or not at all, one sync for reports that come together."""

import errno
import fcntl
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from scoreline import Outcome
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.writing.file import Disk
from scoreline_server.outcomes import log as log_module
from scoreline_server.outcomes.log import OutcomeLog, expire
from scoreline_server.outcomes.reader import outcome_files, read_outcomes
from scoreline_server.outcomes.table import last_words
from tests.server.journals import FACTS, BrokenDisk, TightDisk


def outcome(unit: str, value: float = 1.0) -> Outcome:
    return Outcome("default", value, unit=unit, since=1, until=2, observed_at=3)


def units_in(*folders: Path, faults: list[Fault] | None = None) -> list[str]:
    told = [] if faults is None else faults
    return [unit for block in read_outcomes(folders, on_fault=lambda _, f: told.append(f)) for unit in block.units]


class CountingDisk(Disk):
    """Counts what is written and synced, and can hold the sync of a file back."""

    def __init__(self) -> None:
        self.writes = self.syncs = 0
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def write(self, descriptor: int, data: memoryview) -> int:
        self.writes += 1
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self.begun.set()
        assert self.go.wait(30)
        super().sync(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.syncs += 1


def test_outcomes_are_synced_before_append_returns(tmp_path: Path) -> None:
    disk = CountingDisk()
    with OutcomeLog(tmp_path / "new", FACTS, disk=disk) as log:
        log.append("credit", [outcome("a"), outcome("b")])
        assert disk.syncs == 1
        assert units_in(tmp_path / "new") == ["a", "b"]
        [path] = outcome_files([tmp_path / "new"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_reports_that_come_together_share_a_sync(tmp_path: Path) -> None:
    disk = CountingDisk()
    log = OutcomeLog(tmp_path, FACTS, disk=disk)
    log.append("credit", [outcome("first")])
    writes, syncs = disk.writes, disk.syncs
    disk.begun.clear()
    disk.go.clear()
    threads = [threading.Thread(target=log.append, args=("credit", [outcome(f"u{n}")])) for n in range(20)]
    threads[0].start()
    assert disk.begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 30
    while len(log._waiting) < 19 and time.monotonic() < deadline:
        os.sched_yield()
    disk.go.set()
    for thread in threads:
        thread.join(30)
    assert (disk.writes - writes, disk.syncs - syncs) == (2, 2)
    assert sorted(units_in(tmp_path)) == sorted(["first", *(f"u{n}" for n in range(20))])
    log.close()


def test_a_full_disk_is_an_error_and_keeps_nothing_of_the_report(tmp_path: Path) -> None:
    disk = TightDisk(100_000)
    log = OutcomeLog(tmp_path, FACTS, disk=disk)
    log.append("credit", [outcome("before")])
    disk.left = 100
    with pytest.raises(OSError, match="No space left") as raised:
        log.append("credit", [outcome("x" * 500)])
    assert raised.value.errno == errno.ENOSPC
    faults: list[Fault] = []
    assert units_in(tmp_path, faults=faults) == ["before"]
    assert not faults
    disk.left = 100_000
    log.append("credit", [outcome("after")])
    log.close()
    assert units_in(tmp_path) == ["before", "after"]


def test_a_disk_that_is_full_at_the_first_report_leaves_no_file(tmp_path: Path) -> None:
    disk = TightDisk(10)
    log = OutcomeLog(tmp_path, FACTS, disk=disk)
    with pytest.raises(OSError, match="No space left"):
        log.append("credit", [outcome("x")])
    assert list(tmp_path.iterdir()) == []


def test_outcomes_whose_sync_failed_are_refused_and_another_file_begins(tmp_path: Path) -> None:
    disk = BrokenDisk()
    disk.is_broken = False
    log = OutcomeLog(tmp_path, FACTS, disk=disk)
    log.append("credit", [outcome("before")])
    disk.is_broken = True
    with pytest.raises(OSError, match="Input/output error"):
        log.append("credit", [outcome("lost")])
    disk.is_broken = False
    log.append("credit", [outcome("after")])
    log.close()
    assert units_in(tmp_path) == ["before", "after"]
    assert len(outcome_files([tmp_path])) == 2


def test_every_report_of_a_failed_write_gets_the_error(tmp_path: Path) -> None:
    class Failing(CountingDisk):
        is_broken = False

        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            if self.is_broken:
                raise OSError(errno.EIO, "Input/output error")

    disk = Failing()
    log = OutcomeLog(tmp_path, FACTS, disk=disk)
    log.append("credit", [outcome("first")])
    disk.is_broken = True
    disk.begun.clear()
    disk.go.clear()
    failures: list[OSError] = []

    def report(number: int) -> None:
        try:
            log.append("credit", [outcome(f"u{number}")])
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=report, args=(number,)) for number in range(5)]
    threads[0].start()
    assert disk.begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    disk.go.set()
    for thread in threads:
        thread.join(30)
    assert len(failures) == len(set(map(id, failures))) == 5
    log.close()
    assert units_in(tmp_path) == ["first"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    log = OutcomeLog(folder, FACTS)
    log.append("credit", [outcome("a")])
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    log.append("credit", [outcome("b")])
    log.close()
    assert units_in(folder) == ["b"]


def test_a_correction_counts_although_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    moments = iter([now, now, now - 10**12, now - 10**12])
    log = OutcomeLog(tmp_path, FACTS)
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    log.append("credit", [outcome("a", 1)])
    log.append("credit", [outcome("a", 2)])
    monkeypatch.undo()
    log.close()
    table = last_words(read_outcomes([tmp_path]))
    assert (table.values.tolist(), table.replaced) == ([2.0], 1)


def test_large_and_old_files_give_way_to_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_ROTATE_BYTES", 2000)
    with OutcomeLog(tmp_path, FACTS) as log:
        for number in range(20):
            log.append("credit", [outcome(f"u{number}")])
    assert len(outcome_files([tmp_path])) > 1
    assert units_in(tmp_path) == [f"u{number}" for number in range(20)]


def test_old_files_go_but_not_those_that_are_written(tmp_path: Path) -> None:
    old, other = OutcomeLog(tmp_path, FACTS), OutcomeLog(tmp_path, FACTS)
    old.append("credit", [outcome("old")])
    other.append("credit", [outcome("open")])
    old.close()
    later = time.time() + 100
    assert expire(0, tmp_path, later) == 0
    assert expire(50, tmp_path, later) == 1
    assert units_in(tmp_path) == ["open"]
    other.close()
    assert expire(50, tmp_path, later) == 1


def test_an_open_file_is_locked(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        log.append("credit", [outcome("a")])
        [path] = outcome_files([tmp_path])
        with path.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_reports_are_selected_by_route_and_by_when_they_were_reported(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        first = log.append("credit", [outcome("a")])
        log.append("fraud", [outcome("b")])
        last = log.append("credit", [outcome("c")])

    def units(route: str | None = None, *, since: int | None = None, until: int | None = None) -> list[str]:
        blocks = read_outcomes([tmp_path], route, since=since, until=until)
        return [unit for block in blocks for unit in block.units]

    assert units("credit") == ["a", "c"]
    assert units(until=last.reported_at) == ["a", "b"]
    assert units("credit", since=first.reported_at + 1) == ["c"]


def test_several_folders_are_several_hosts(tmp_path: Path) -> None:
    for host in ("one", "two"):
        with OutcomeLog(tmp_path / host, FACTS) as log:
            log.append("credit", [outcome(host)])
    assert units_in(tmp_path / "one", tmp_path / "two") == ["one", "two"]
