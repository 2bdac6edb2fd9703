"""What the demos promise, in small; in the acceptance tier as large as they are by default."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import scoreline
from tests.waiting import wait_until


def demo(*arguments: str, seconds: float = 170) -> Any:
    """The report of a demo."""
    done = subprocess.run(
        [sys.executable, "-m", "scoreline", "demo", *arguments, "--json"],
        capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_demo_swaps_the_champion_without_a_failed_call_and_equals_native() -> None:
    report = demo("--customers", "200", "--rows", "6000")
    assert report["calls"] == {"started": 200, "answered": 200, "failed": 0}
    assert (report["swap"]["before"], report["swap"]["after"]) == (1, 2)
    assert report["swap"]["after_calls"] >= 100
    arms = {(arm["family"], arm["version"]): arm for arm in report["arms"]}
    assert arms.keys() == {("lightgbm", 1), ("lightgbm", 2), ("logistic", 1)}
    assert sum(arm["scored"] for arm in arms.values()) == 200
    for arm in arms.values():
        assert arm["scored"] > 0
        assert arm["auc"] > 0.7
        assert arm["max_difference"] <= 1e-5
        assert 0 < arm["p50_ms"] <= arm["p99_ms"]
    assert report["problems"] == []


def test_guardian_decides_at_every_purchase_and_leaves_the_server_running(tmp_path: Path) -> None:
    report = demo("guardian", "--customers", "60", "--weeks", "1", "--rows", "120", "--keep", str(tmp_path / "kept"))
    server = report["server"]
    try:
        assert report["problems"] == []
        detection, interventions = report["detection"], report["interventions"]
        assert detection["purchases"] > 60
        assert detection["precision"] > 0.5
        assert detection["recall"] > 0.5
        assert sum(interventions["taken"].values()) > 0
        assert interventions["acted_on_control"] == 0
        assert report["money"]["saved"] > 0
        assert not interventions["taken"].get("pause") or report["example"]
        with scoreline.Client(server["address"]) as client:
            assert client.profile("spending-guardian", "h0000000").features["purchases_30d"]
    finally:
        os.kill(server["pid"], signal.SIGTERM)
    wait_until(lambda: _refuses(server["address"]))


def _refuses(address: str) -> bool:
    """Whether nobody listens any more."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return True
    return False


@pytest.mark.acceptance
def test_guardian_finds_impulse_buys_and_measures_what_interventions_do() -> None:
    report = demo("guardian", seconds=900)
    assert report["problems"] == []
    detection = report["detection"]
    assert detection["precision"] >= 0.85
    assert detection["recall"] >= 0.80
    assert detection["false_alarms"] < 0.15
    assert report["interventions"]["languages"].keys() == {"de", "en", "es"}
    effects = {effect["action"]: effect for effect in report["effects"]}
    assert effects.keys() == {"any action", "pause", "nudge"}
    for effect in effects.values():
        # A little wider than the interval, which one time in twenty has not got the truth.
        reach = effect["high"] - effect["low"]
        assert effect["low"] - reach / 4 <= effect["truth"] <= effect["high"] + reach / 4
    assert effects["pause"]["high"] < 0
    assert report["money"]["saved"] > 10 * report["money"]["costs"]


@pytest.mark.acceptance
def test_churn_flags_attacks_and_sends_newcomers_to_the_graph() -> None:
    _assert_churn(demo("churn", "--customers", "100", "--rows", "300"), detected=0.9, false_alarms=0.15)


@pytest.mark.acceptance
def test_churn_sees_19_of_20_attacks_at_2_percent_false_alarms() -> None:
    report = demo("churn", seconds=900)
    _assert_churn(report, detected=0.95, false_alarms=0.02)
    assert report["offers"]["worth"] > 0
    assert all(arm["auc"] > 0.5 for arm in report["arms"])


def _assert_churn(report: Any, *, detected: float, false_alarms: float) -> None:
    assert report["problems"] == []
    arms = {arm["arm"].partition("@")[0]: arm for arm in report["arms"]}
    assert arms.keys() == {"churn-graph-profile", "churn-hardened-profile"}
    assert arms["churn-graph-profile"]["newcomers"] == arms["churn-graph-profile"]["subscribers"] > 0
    assert arms["churn-hardened-profile"]["newcomers"] == 0
    assert report["clicks"]["live"] > 0
    offers, attacks = report["offers"], report["attacks"]
    assert offers["scenarios"] >= 2 * offers["subscribers"] > 0
    assert sum(offers["recommended"].values()) == offers["subscribers"]
    assert attacks["detected"] >= detected
    assert attacks["false_alarms"] <= false_alarms
    assert attacks["auc"] >= 0.95


def test_the_demo_refuses_to_write_into_a_folder_that_exists(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scoreline", "demo", "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "exists already" in done.stderr
