"""``scoreline ramp run``: shows what guards read, and moves ramps until it is interrupted."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from tests.printing import printing
from tests.server.controllers import ramps
from tests.server.controllers.ramps import calls, publish_challenger, state_of
from tests.waiting import wait_until

GUARDS = "error_rate: {limit: 0.02, rows: 50}\nscore_shift: {limit: 0.1, by: context.channel, rows: 50}"


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry with a champion and a challenger whose scores are shifted."""
    ramps.publish_champion(registry)
    publish_challenger(registry, bias=2.0)
    ramps.ramp_route(registry, guards=GUARDS)
    return registry


COMMAND = (sys.executable, "-m", "scoreline", "ramp", "run", "--registry")


def ramp_run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, str(folder), *arguments], capture_output=True, text=True, check=False)


def test_one_look_prints_what_each_guard_reads_and_moves_the_ramp(
    registry: Registry, tmp_path: Path, server: Server, channel: grpc.Channel
) -> None:
    wait_until(lambda: server.watcher.catalog.revision == registry.latest().revision)
    ramps.journal_of(registry).mkdir()
    first = json.loads(ramp_run(tmp_path / "registry", "--once", "--json").stdout)
    assert (first["route"], first["arm"], first["step"], first["percent"], first["verdict"], first["move"]) == (
        *("credit", "credit@2", 1, 20.0, "continue", None),
    )
    assert [reading["guard"] for reading in first["readings"]] == ["error_rate", "score_shift"]
    told = ramp_run(tmp_path / "registry", "--once").stdout
    assert told.count("no rows yet") == 2
    assert "nan" not in told
    assert "inf" not in told
    with calls(channel) as callers:
        wait_until(lambda: callers.scored > 4000)
    server.stop()
    shown = ramp_run(tmp_path / "registry", "--once").stdout
    assert "score_shift  context.channel=web" in shown
    assert "roll_back" in shown
    assert state_of(registry).status == "rolled_back"
    assert ramp_run(tmp_path / "registry", "--once").stdout.startswith("no ramp is running: ")


def test_without_a_journal_it_says_which_folder_is_missing(registry: Registry, tmp_path: Path) -> None:
    answer = ramp_run(tmp_path / "registry", "--once")
    assert answer.returncode == 2
    assert "registry-journal: name the folder of the journal" in answer.stderr
    assert state_of(registry).status == "running"


def test_it_runs_until_it_is_interrupted(
    registry: Registry, tmp_path: Path, server: Server, channel: grpc.Channel
) -> None:
    wait_until(lambda: server.watcher.catalog.revision == registry.latest().revision)
    command = [*COMMAND, str(tmp_path / "registry"), "--every", "0.1"]
    with calls(channel), printing(command, tmp_path / "stderr.txt") as program:
        assert program.next_line().startswith("watching the ramps of")
        wait_until(lambda: state_of(registry).status == "rolled_back")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
