"""Many processes at once: nothing is lost, no number is given twice, and every commit says who made it and why."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.upkeep.verification import verify
from tests.registry.race import MODELS
from tests.registry.samples import publish

ROOT = Path(__file__).parents[3]


def race(folder: Path, *, processes: int, commits: int, faulty: bool) -> dict[str, str]:
    """What became of each change, by its message, after all processes have made their share of ``commits``."""
    registry = Registry.create(folder)
    for model in MODELS:
        publish(registry, model, aliases=["champion"])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    program = [sys.executable, "-W", "error", "-m", "tests.registry.race", str(folder)]
    shares = [commits // processes + (number < commits % processes) for number in range(processes)]
    racers = [
        subprocess.Popen(
            [*program, f"racer{number}", str(share), *(["--faulty"] if faulty else [])],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        for number, share in enumerate(shares)
    ]
    lines = [line for racer in racers for line in racer.communicate()[0].splitlines()]
    assert [racer.returncode for racer in racers] == [0] * processes
    return {entry["message"]: entry["result"] for entry in map(json.loads, lines)}


def check(folder: Path, results: dict[str, str], *, commits: int) -> None:
    registry = Registry.open(folder)
    made = [entry for entry in registry.history() if entry.author != "tester"]
    counts = Counter(entry.message for entry in made)
    assert max(counts.values()) == 1
    done = {message for message, result in results.items() if result == "done"}
    assert len(done) == commits
    assert done <= counts.keys()
    assert {results[message] for message in counts.keys() - done} <= {"unknown"}
    for entry in made:
        assert entry.message.startswith(f"{entry.author} ")
        assert entry.events
    assert [entry.revision for entry in registry.history()] == list(range(registry.latest().revision, 0, -1))
    for document in registry.latest().models.values():
        assert document.next_version > document.numbers[-1]
    report = verify(LocalStorage(folder))
    assert not report.findings


@pytest.mark.parametrize("faulty", [False, True], ids=["sound store", "faulty store"])
def test_processes_at_once_lose_nothing(tmp_path: Path, faulty: bool) -> None:
    results = race(tmp_path, processes=4, commits=60, faulty=faulty)
    check(tmp_path, results, commits=60)
    assert faulty == ("unknown" in results.values())


@pytest.mark.acceptance
@pytest.mark.parametrize("faulty", [False, True], ids=["sound store", "faulty store"])
def test_eight_processes_and_500_commits_lose_nothing(tmp_path: Path, faulty: bool) -> None:
    results = race(tmp_path, processes=8, commits=500, faulty=faulty)
    check(tmp_path, results, commits=500)
