"""The demo's promise, in small."""

import json
import subprocess
import sys


def test_the_demo_swaps_the_champion_without_a_failed_call_and_equals_native() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scoreline", "demo", "--json", "--customers", "200", "--rows", "6000"],
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
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


def test_the_demo_refuses_to_write_into_a_folder_that_exists(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scoreline", "demo", "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "exists already" in done.stderr
