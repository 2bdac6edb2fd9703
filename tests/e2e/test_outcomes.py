"""Outcomes survive what happens to the server that takes them."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

import scoreline
from scoreline import Outcome
from scoreline_registry.registry import Registry
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.outcomes.reader import outcome_files, read_outcomes
from scoreline_server.outcomes.table import last_words
from tests.disks import small_disk
from tests.e2e.load import total
from tests.e2e.test_journal import has_another
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import running
from tests.waiting import wait_until

BATCH = 20


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with one route to one model."""
    registry = Registry.create(tmp_path / "registry")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@dataclass
class Reporter:
    """Reports batches of outcomes in a loop, each unit once, and keeps those that were accepted."""

    address: str
    name: int
    retry: scoreline.RetryPolicy = field(default_factory=lambda: scoreline.RetryPolicy(max_attempts=1))
    accepted: list[str] = field(default_factory=list)
    refused: list[scoreline.ScorelineError] = field(default_factory=list)
    sent: int = 0

    def run(self, stop: threading.Event) -> None:
        with scoreline.Client(self.address, timeout_seconds=20, retry=self.retry) as client:
            while not stop.is_set():
                units = [f"{self.name}-{self.sent + at}" for at in range(BATCH)]
                self.sent += BATCH
                try:
                    report = client.report_outcomes(
                        "credit", [Outcome("default", 1, unit=unit, since=1, until=2) for unit in units]
                    )
                except scoreline.ScorelineError as error:
                    self.refused.append(error)
                    stop.wait(0.02)
                    continue
                assert report.accepted == BATCH
                self.accepted += units


@contextmanager
def reporting(address: str, reporters: int = 4) -> Iterator[list[Reporter]]:
    """Reporters that report while the block runs."""
    crowd, stop = [Reporter(address, name) for name in range(reporters)], threading.Event()
    threads = [threading.Thread(target=reporter.run, args=(stop,)) for reporter in crowd]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def accepted(crowd: list[Reporter]) -> list[str]:
    return [unit for reporter in crowd for unit in list(reporter.accepted)]


def wait_for_more(crowd: list[Reporter], more: int) -> None:
    goal = len(accepted(crowd)) + more
    wait_until(lambda: len(accepted(crowd)) >= goal)


@pytest.mark.parametrize("deaths", [3, pytest.param(10, marks=pytest.mark.acceptance)])
def test_a_killed_worker_loses_no_outcome_that_was_answered(registry: Registry, tmp_path: Path, deaths: int) -> None:
    folder = tmp_path / "registry-journal"
    with running(tmp_path / "registry", tmp_path / "log") as server, reporting(server.address) as crowd:
        for _ in range(deaths):
            wait_for_more(crowd, 20 * BATCH + random.randrange(10 * BATCH))
            (worker,) = server.status()["workers"]
            os.kill(worker["pid"], signal.SIGKILL)
            server.wait_until(partial(has_another, worker["pid"]), seconds=120)
        wait_for_more(crowd, BATCH)
    faults: list[Fault] = []
    units = [unit for block in read_outcomes([folder], on_fault=lambda _, f: faults.append(f)) for unit in block.units]
    assert set(accepted(crowd)) <= set(units)
    assert all(fault.is_torn for fault in faults)
    assert len(outcome_files([folder])) == deaths + 1
    # What was not answered is there whole or not at all.
    assert len(units) % BATCH == 0


def test_two_workers_keep_outcomes_in_files_of_their_own(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path / "registry", tmp_path / "log", "--workers", "2") as server:
        server.wait_until(lambda status: all(worker["state"] == "serving" for worker in status["workers"]))
        with reporting(server.address, reporters=8) as crowd:
            wait_for_more(crowd, 100 * BATCH)
        counted = len(accepted(crowd))
        server.wait_for_page("/metrics", lambda page: total(page, "scoreline_outcomes_total") >= counted)
    table = last_words(read_outcomes([tmp_path / "registry-journal"]))
    assert set(accepted(crowd)) <= set(table.units)
    assert table.replaced == 0
    assert {file.name[0] for file in outcome_files([tmp_path / "registry-journal"])} <= {"0", "1"}


def test_a_full_disk_refuses_outcomes_until_there_is_room(registry: Registry, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        config = tmp_path / "settings.toml"
        config.write_text(f'journal_dir = "{disk}/journal"\n')
        flags = ("--config", str(config))
        with (
            running(tmp_path / "registry", tmp_path / "log", *flags) as server,
            reporting(server.address) as crowd,
        ):
            wait_for_more(crowd, BATCH)
            (disk / "ballast").write_bytes(bytes(4 * 1024 * 1024 - 256 * 1024))
            wait_until(lambda: any(reporter.refused for reporter in crowd))
            status = server.wait_until(lambda status: status["problems"])
            assert any("outcomes cannot be written" in problem for problem in status["problems"])
            assert status["ready"]
            (disk / "ballast").unlink()
            wait_for_more(crowd, BATCH)
            assert total(server.page("/metrics")[1], "scoreline_outcome_failures_total") >= 1
        refusals = {error.reason for reporter in crowd for error in reporter.refused}
        assert "STORAGE_FAILED" in refusals
        faults: list[Fault] = []
        blocks = read_outcomes([disk / "journal"], on_fault=lambda _, fault: faults.append(fault))
        units = [unit for block in blocks for unit in block.units]
        assert not faults
        assert sorted(units) == sorted(accepted(crowd))
