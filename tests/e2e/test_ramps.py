"""Ramps run by ``scoreline serve`` itself: unattended, at a bad challenger back, and after a kill on."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import scoreline
from scoreline_registry.registry import Registry
from tests.server.controllers import ramps
from tests.server.controllers.ramps import CHALLENGER, publish_challenger, share_of, state_of
from tests.serving import Running, running
from tests.waiting import wait_until

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
            income, channel = random.normal(size=64), random.integers(3, size=64)
            entities = [
                {"income": float(income[row]), "age": (1.0, -1.0, 0.0)[channel[row]], "debt": 0.0} for row in range(64)
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


def test_a_server_that_runs_no_controllers_moves_no_ramp_and_has_no_process_for_it(
    registry: Registry, tmp_path: Path
) -> None:
    publish_challenger(registry, bias=3.0)
    ramps.ramp_route(registry, steps=STEPS, guards=GUARDS, hold="1s")
    with running(tmp_path / "registry", tmp_path / "log") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert len(children) == 1
    assert state_of(registry).step == 0
