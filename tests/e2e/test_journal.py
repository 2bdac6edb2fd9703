"""A server's journal survives what happens to the server."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

import scoreline
from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.journal.reading.reader import journal_files, read_records
from tests.disks import small_disk
from tests.e2e.load import total
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import Running, running
from tests.waiting import wait_until

FSYNC_SECONDS = 1.0


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with one route to one model."""
    registry = Registry.create(tmp_path / "registry")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@dataclass
class Caller:
    """Scores in a loop, and keeps when it was told which prediction."""

    address: str
    told: dict[str, float] = field(default_factory=dict)
    slowest: float = 0.0

    def run(self, stop: threading.Event) -> None:
        with scoreline.Client(self.address, timeout_seconds=20) as client:
            while not stop.is_set():
                start = time.monotonic()
                try:
                    scores = client.score_many("credit", {"income": [1.0, 2.0, 3.0]}, entity_ids=["a", "b", "c"])
                except scoreline.ScorelineError:  # a worker that was killed often is started again after a while
                    stop.wait(0.05)
                    continue
                now = time.monotonic()
                self.told |= dict.fromkeys(scores.prediction_id, now)
                self.slowest = max(self.slowest, now - start)


@contextmanager
def calling(address: str, callers: int = 3) -> Iterator[list[Caller]]:
    """Callers that score while the block runs."""
    crowd, stop = [Caller(address) for _ in range(callers)], threading.Event()
    threads = [threading.Thread(target=caller.run, args=(stop,)) for caller in crowd]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def has_another(pid: int, status: Any) -> bool:
    return bool(status["ready"]) and status["workers"][0]["pid"] != pid


def wait_for_rows(crowd: list[Caller], more: int) -> None:
    """Waits until that many more rows have been answered."""
    goal = sum(len(caller.told) for caller in crowd) + more
    wait_until(lambda: sum(len(caller.told) for caller in crowd) >= goal)


def age_at_death(moment: float, deaths: list[float]) -> float:
    """How long before a kill a row was answered, in seconds; an answer may be noticed a little after the kill."""
    return min((max(0.0, death - moment) for death in deaths if death > moment - 0.5), default=float("inf"))


def told(crowd: list[Caller]) -> dict[str, float]:
    return {id_: moment for caller in crowd for id_, moment in dict(caller.told).items()}


def journaled(folder: Path) -> set[str]:
    return {id_ for records in read_records([folder]) for id_ in records.columns["prediction_id"]}


def verify(folder: Path) -> tuple[int, dict[str, object]]:
    """The exit code and the findings of ``scoreline journal verify``."""
    command = [sys.executable, "-m", "scoreline", "journal", "verify", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("deaths", [2, pytest.param(10, marks=pytest.mark.acceptance)])
def test_a_killed_worker_loses_nothing_that_is_older_than_the_interval(
    registry: Registry, tmp_path: Path, deaths: int
) -> None:
    folder, moments = tmp_path / "registry-journal", []
    with running(tmp_path / "registry", tmp_path / "log") as server, calling(server.address) as crowd:
        for _ in range(deaths):
            wait_for_rows(crowd, 300 + random.randrange(100))
            (worker,) = server.status()["workers"]
            moments.append(time.monotonic())
            os.kill(worker["pid"], signal.SIGKILL)
            server.wait_until(partial(has_another, worker["pid"]), seconds=120)
            code, found = verify(folder)
            assert code == 0, found
        wait_for_rows(crowd, 30)
    answers, written = told(crowd), journaled(folder)
    ages = [age_at_death(moment, moments) for id_, moment in answers.items() if id_ not in written]
    assert not [age for age in ages if age > FSYNC_SECONDS]
    assert len(journal_files([folder])) == deaths + 1
    print(f"{deaths} kills: {len(answers)} rows answered, {len(ages)} lost, the oldest "
          f"{1000 * max(ages, default=0.0):.0f} ms before its kill; 0 beyond the interval")  # fmt: skip


def test_a_full_disk_is_told_while_scoring_goes_on_and_ends_by_itself(registry: Registry, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        config = tmp_path / "settings.toml"
        config.write_text(f'journal_dir = "{disk}/journal"\n')
        with running(tmp_path / "registry", tmp_path / "log", "--config", str(config)) as server:
            (disk / "ballast").write_bytes(bytes(16 * 1024 * 1024 - 64 * 1024))
            with calling(server.address) as crowd:
                status = server.wait_until(lambda status: status["problems"])
                assert "No space left on device" in status["problems"][0]
                assert status["ready"]
                with grpc.insecure_channel(server.address) as channel:
                    told_by_grpc = rpc.StatusServiceStub(channel).GetStatus(pb.GetStatusRequest())
                assert "No space left on device" in told_by_grpc.problem
                page = server.page("/metrics")[1]
                assert total(page, "scoreline_journal_troubled") == 1
                assert total(page, "scoreline_journal_failures_total") >= 1
                wait_for_rows(crowd, 30)
                (disk / "ballast").unlink()
                server.wait_until(lambda status: not status["problems"])
            assert list(server.events("the journal cannot be written; scoring goes on"))
            assert list(server.events("the journal is written again"))
            _end(server)
        assert told(crowd).keys() <= journaled(disk / "journal")
        assert verify(disk / "journal")[0] == 0


def _end(server: Running) -> None:
    server.process.terminate()
    assert server.process.wait(20) == 0


def test_every_worker_writes_files_of_its_own_and_they_are_read_together(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path / "registry", tmp_path / "log", "--workers", "2") as server:
        server.wait_until(lambda status: all(worker["state"] == "serving" for worker in status["workers"]))
        with calling(server.address, callers=6) as crowd:
            wait_for_rows(crowd, 300)
        _end(server)
    folder = tmp_path / "registry-journal"
    assert told(crowd)
    assert told(crowd).keys() <= journaled(folder)
    assert {file.name[0] for file in journal_files([folder])} <= {"0", "1"}
