"""A writer that is killed before any one of its file operations leaves a whole registry behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.registry.kill_points import VERBS

ROOT = Path(__file__).parents[3]


def kills(folder: Path, verb: str) -> list[dict[str, Any]]:
    """What was left after each kill; the last run was not killed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.registry.kill_points", str(folder), verb],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(left: list[dict[str, Any]]) -> None:
    *killed, whole = left
    assert not whole["killed"]
    assert len(killed) > 5
    for one in left:
        assert not one["findings"] + one["damaged"] + one["findings_after"], one
        assert one["revisions_added"] in (0, 1)
        assert one["next_intact"]
        assert one["next"] > max(one["numbers"])
    assert {one["revisions_added"] for one in left} == {0, 1}


def test_a_publisher_killed_at_any_step_leaves_no_half_version(tmp_path: Path) -> None:
    left = kills(tmp_path, "publish")
    check(left)
    for one in left:
        committed = one["revisions_added"] == 1
        assert one["numbers"] == ([1, 2, 3, 4] if committed else [1, 2, 3])
        assert one["champion"] == (4 if committed else 1)
    assert any(one["leftovers"] for one in left)
    assert len(left) > 30


@pytest.mark.acceptance
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_any_writer_killed_at_any_step_leaves_a_whole_registry(tmp_path: Path, verb: str) -> None:
    check(kills(tmp_path, verb))
