"""Writers killed at any moment, gc and verify beside them, a worker that serves: nothing is lost and nothing grows."""

import random
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from scoreline_registry.history.retirement import Retire
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.upkeep.verification import verify
from tests.e2e.load import load
from tests.e2e.storm import Upkeep, Writers, lost, upkeep
from tests.e2e.storm_writer import MODELS
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import Running, running
from tests.waiting import wait_until

SECONDS = 300
COMMITS_PER_KILL = 12


def prepare(folder: Path) -> Registry:
    registry = Registry.create(folder)
    for model in MODELS:
        publish_linear(registry, model, aliases=("champion", "challenger", "first"))
    apply(registry)
    return registry


def storm(registry: Registry, writers: Writers, server: Running, kills: Iterator[object]) -> list[int]:
    """Kills a writer after some commits, again and again; gives the worker's memory at each time, in bytes."""
    chance, memory = random.Random(7), list[int]()
    writers.start()
    try:
        for _ in kills:
            wait_until(partial(_has_reached, registry, registry.latest().revision + COMMITS_PER_KILL))
            writers.kill(chance)
            memory.append(server.status()["workers"][0]["resident_bytes"])
    finally:
        writers.stop()
    return memory


def _has_reached(registry: Registry, revision: int) -> bool:
    return registry.latest().revision >= revision


def check(folder: Path, writers: Writers, seen: Upkeep) -> None:
    assert not seen.errors
    assert not seen.findings
    assert writers.committed
    assert not lost(folder, writers.committed)
    assert not verify(LocalStorage(folder)).findings


def test_killed_writers_lose_nothing_and_verify_is_clean_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    registry, writers = prepare(folder), Writers(folder, count=2)
    with running(folder, tmp_path / "server.log", "--poll-seconds", "0.05") as server, load(server.address, 1) as crowd:
        with upkeep(folder) as seen:
            storm(registry, writers, server, iter(range(3)))
            # The writers may have been killed before one of them retired a version.
            publish_linear(registry, "aside")
            registry.commit(Retire("aside", 1), author="ann", message="to be collected")
            wait_until(lambda: seen.errors or (seen.verified >= 2 and seen.collected), why=lambda: seen)
        newest = registry.latest().revision
        server.wait_until(lambda status: status["revision"] >= newest)
    check(folder, writers, seen)
    assert [caller.failures for caller in crowd] == [[]]


@pytest.mark.acceptance
def test_five_minutes_of_six_killed_writers_grow_no_worker(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    registry, writers = prepare(folder), Writers(folder, count=6)
    end = time.monotonic() + SECONDS
    with running(folder, tmp_path / "server.log") as server, load(server.address, 1) as crowd:
        with upkeep(folder) as seen:
            memory = storm(registry, writers, server, iter(lambda: time.monotonic() < end, False))
        began = time.monotonic()
    stopped = time.monotonic() - began
    check(folder, writers, seen)
    fifth = len(memory) // 5
    early, late = statistics.median(memory[fifth : 2 * fifth]), statistics.median(memory[-fifth:])
    versions = sum(len(model.versions) for model in registry.latest().models.values())
    failures = sum(len(caller.failures) for caller in crowd)
    print(
        f"{registry.latest().revision} revisions, {versions} versions, {writers.kills} kills, "
        f"{seen.verified} verifications, {seen.collected} versions collected, "
        f"{sum(caller.answered for caller in crowd)} calls answered, {failures} failed, "
        f"worker {early / 1e6:.0f} -> {late / 1e6:.0f} MB, stopped after {stopped:.1f} s"
    )
    assert late < 1.1 * early
    assert not failures
