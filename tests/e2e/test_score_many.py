"""Scoring many rows takes the memory of its answer and of a few calls, on either side."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.models import prepare_linear
from tests.serving import Running, running

MEGABYTE = 1024 * 1024

CLIENT = """
import asyncio, json, sys, threading, time
import numpy as np
import scoreline

address, rows, form = sys.argv[1], int(sys.argv[2]), sys.argv[3]
names = [f"f{index}" for index in range(30)]


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096


def chunk(count):
    return scoreline.Columns(
        features={name: np.full(count, index / 30, np.float32) for index, name in enumerate(names)},
        entity_ids=[f"c-{row}" for row in range(count)],
    )


def given():
    if form == "columns":
        return scoreline.Columns(
            features={name: np.full(rows, index / 30, np.float32) for index, name in enumerate(names)},
            entity_ids=np.full(rows, "c-17"),
        )
    return (chunk(5000) for _ in range(rows // 5000))


def score(what):
    if form == "async":
        async def ask():
            async with scoreline.AsyncClient(address, connections=2) as client:
                return await client.score_many("credit", what)
        return asyncio.run(ask())
    with scoreline.Client(address, connections=2) as client:
        return client.score_many("credit", what)


with scoreline.Client(address) as client:
    client.score_many("credit", chunk(5000))
what = given()
idle = peak = resident()
done = threading.Event()


def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, resident())


watcher = threading.Thread(target=watch)
watcher.start()
started = time.perf_counter()
scores = score(what)
seconds = time.perf_counter() - started
done.set()
watcher.join()
assert len(scores) == rows and not scores.errors and not np.isnan(scores.scores).any()
print(json.dumps({"grown": max(peak, resident()) - idle, "rows_per_second": rows / seconds}))
"""


def score_many(server: Running, rows: int, form: str) -> dict[str, Any]:
    """Scores so many rows in a process of its own: how many bytes it grew, and rows per second."""
    command = [sys.executable, "-c", CLIENT, server.address, str(rows), form]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1500)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def resident(pid: int) -> int:
    """The most bytes that a process and its children have held in memory, added up."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(resident(int(child)) for child in children)


def measure(tmp_path: Path, rows: int, form: str) -> tuple[int, int, float]:
    """How much client and server grew, in bytes, and rows per second."""
    prepare_linear(tmp_path / "registry")
    with running(tmp_path / "registry", tmp_path / "server.log") as server:
        score_many(server, 5000, "columns")
        idle = resident(server.process.pid)
        facts = score_many(server, rows, form)
        return facts["grown"], resident(server.process.pid) - idle, facts["rows_per_second"]


@pytest.mark.parametrize(
    "form", ["columns", *(pytest.param(form, marks=pytest.mark.acceptance) for form in ("chunks", "async"))]
)
def test_a_hundred_thousand_rows_take_little_memory(tmp_path: Path, form: str) -> None:
    client, server, _ = measure(tmp_path, 100_000, form)
    assert client < 60 * MEGABYTE
    assert server < 100 * MEGABYTE


@pytest.mark.acceptance
@pytest.mark.parametrize("form", ["columns", "chunks", "async"])
def test_a_million_rows_take_less_than_300_megabytes(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client, server, rate = measure(tmp_path, 1_000_000, form)
    with capsys.disabled():
        print(f"\n{form}: client +{client / MEGABYTE:.0f} MB, server +{server / MEGABYTE:.0f} MB, {rate:,.0f} rows/s")
    assert client < 300 * MEGABYTE
    assert server < 300 * MEGABYTE
