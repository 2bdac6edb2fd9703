"""Ramps run by ``scoreline serve`` itself: unattended, at a bad challenger back, and after a kill on."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import scoreline
from scoreline_registry.registry import Registry
from tests.server.controllers import ramps
from tests.server.controllers.ramps import CHALLENGER, CHAMPION, publish_challenger, share_of, state_of
from tests.serving import Running, running
from tests.waiting import wait_until

ROW = np.array([[1.0, 0.0, 0.0]], np.float32)
STEPS = "[30, 60, 100]"
GUARDS = "error_rate: {limit: 0.02, rows: 50}\nscore_shift: {limit: 0.1, by: context.channel, rows: 50}"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with a champion."""
    made = Registry.create(str(tmp_path / "registry"))
    ramps.publish_champion(made)
    return made


@contextmanager
def served(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server with two workers whose controllers look ten times a second, under calls that must not fail."""
    monkeypatch.setenv("SCORELINE_CONTROLLER_SECONDS", "0.1")
    monkeypatch.setenv("SCORELINE_POLL_SECONDS", "0.05")
    with running(tmp_path / "registry", tmp_path / "log", "--workers", "2", "--controllers") as server:
        stop, failures = threading.Event(), list[scoreline.ScorelineError]()
        caller = threading.Thread(target=_call, args=(server.address, stop, failures))
        caller.start()
        try:
            yield server
        finally:
            stop.set()
            caller.join(60)
        assert not failures, failures[0]


def _call(address: str, stop: threading.Event, failures: list[scoreline.ScorelineError]) -> None:
    """Scores units that were never seen before."""
    random, unit = np.random.default_rng(0), 0
    with scoreline.Client(address, connections=2, timeout_seconds=60) as client:
        while not stop.is_set():
            income, channel, debt = random.normal(size=64), random.integers(3, size=64), random.normal(0, 1.52, size=64)
            entities = [
                {"income": float(income[row]), "age": (1.0, -1.0, 0.0)[channel[row]], "debt": float(debt[row])}
                for row in range(64)
            ]
            try:
                for row, entity in enumerate(entities):
                    name = ("web", "shop", "app")[channel[row]]
                    client.score("credit", entity, entity_id=f"u{unit + row}", context={"channel": name})
            except scoreline.ScorelineError as error:
                failures.append(error)
            unit += 64


def test_a_good_arm_goes_through_although_the_controllers_are_killed_on_the_way(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry, steps=STEPS, guards=GUARDS, hold="1s")
    with served(registry, tmp_path, monkeypatch) as server:
        first = next(server.events("controllers run"))["pid"]
        wait_until(lambda: state_of(registry).step == 1)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: state_of(registry).status == "done")
        assert [event["code"] for event in server.events("controllers ended, starting them anew")] == [-signal.SIGKILL]
        finished = 'scoreline_ramp_moves_total{arm="credit@2",move="finish",route="credit"} 1.0'
        server.wait_for_page("/metrics", lambda body: finished in body)
        assert server.status()["ready"]
    assert share_of(registry, CHALLENGER) == 100
    assert [move.move for move in state_of(registry).moves] == ["start", "advance", "advance", "finish"]


def test_controllers_without_a_journal_say_that_ramps_stand_still(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry, steps=STEPS, guards=GUARDS, hold="1s")
    monkeypatch.setenv("SCORELINE_JOURNAL_DIR", "off")
    with served(registry, tmp_path, monkeypatch) as server:
        told = next(server.events("ramps and allocations stand still, because nothing is journaled: set journal_dir"))
        assert told["level"] == "warning"
    assert state_of(registry).step == 0


def test_a_bad_arm_is_back_before_its_second_step(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_challenger(registry, (0.5, 0.8, 0.0))
    ramps.ramp_route(registry, steps=STEPS, guards=GUARDS, hold="1h")
    with served(registry, tmp_path, monkeypatch) as server:
        wait_until(lambda: state_of(registry).status == "rolled_back")
        newest = registry.latest().revision
        server.wait_until(lambda status: status["revision"] == newest)
    assert share_of(registry, CHALLENGER) == 0
    (told,) = registry.history(1)
    assert told.message.startswith("ramp of credit@2: rolled back from 30 %\nscore_shift")
    assert "context.channel=" in told.message


def slow_by(seconds: float) -> bytes:
    """A challenger's graph whose batches take so long on this machine while it is quiet."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(ramps.slow_graph(4).SerializeToString(), options)
    quickest = min(timeit.repeat(lambda: session.run(None, {"features": ROW}), number=1, repeat=20))
    return ramps.slow_graph(math.ceil(4 * seconds / quickest)).SerializeToString()


@pytest.mark.acceptance
@pytest.mark.parametrize("wrong", ["shifted by 0.2", "raises on 5 % of rows", "50 ms slow"])
def test_a_bad_challenger_is_stopped_by_the_right_guard_at_the_first_step(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    guard, p99 = {
        "shifted by 0.2": ("score_shift", 5000),
        "raises on 5 % of rows": ("error_rate", 5000),
        "50 ms slow": ("p99_ms", 40),
    }[wrong]
    if wrong == "shifted by 0.2":
        publish_challenger(registry, bias=0.9)
    else:
        model = slow_by(0.05) if wrong == "50 ms slow" else ramps.raising_graph().SerializeToString()
        publish_challenger(registry, model_bytes=model)
    guards = f"error_rate: 0.01\np99_ms: {p99}\nscore_shift: {{limit: 0.05, by: context.channel}}\nmissing_rate: 0.05"
    ramps.ramp_route(registry, steps="[10, 50, 100]", guards=guards, hold="1h")
    before = time.monotonic()
    with served(registry, tmp_path, monkeypatch) as server:
        wait_until(lambda: state_of(registry).status == "rolled_back")
        taken = time.monotonic() - before
        newest = registry.latest().revision
        server.wait_until(lambda status: status["revision"] == newest)
    assert share_of(registry, CHALLENGER) == 0
    assert share_of(registry, CHAMPION) == 100
    assert [(move.move, move.step) for move in state_of(registry).moves] == [("start", 0), ("roll_back", 0)]
    command = [
        sys.executable,
        "-m",
        "scoreline",
        "route",
        "history",
        "credit",
        "--registry",
        str(tmp_path / "registry"),
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "ramp of credit@2: rolled back from 10 %" in told
    (newest_revision,) = registry.history(1)
    breached = newest_revision.message.splitlines()[1]
    assert breached.startswith(guard)
    print(f"{wrong}: back after {taken:.1f} s by {breached}")


def test_a_server_that_runs_no_controllers_moves_no_ramp_and_has_no_process_for_it(
    registry: Registry, tmp_path: Path
) -> None:
    publish_challenger(registry, bias=3.0)
    ramps.ramp_route(registry, steps=STEPS, guards=GUARDS, hold="1s")
    with running(tmp_path / "registry", tmp_path / "log") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert len(children) == 1
    assert state_of(registry).step == 0
