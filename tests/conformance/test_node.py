"""The example of docs/guides/clients.md in Node, by the packages that gRPC publishes for it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scoreline.testing import FakeRoute, FakeServer

pytestmark = pytest.mark.conformance

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "clients.md").read_text()
SECTION = PAGE.partition("\n## Node\n")[2].partition("\n## ")[0]
(COMMANDS,) = re.findall(r"^```console\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
(SCRIPT,) = re.findall(r"^```js\n// score.mjs\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
CREDIT = FakeRoute(weights={"income": -0.001, "status": {"employed": -0.5, "student": 0.25}}, bias=0.3)


def run_example(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    """Runs the commands of the page beside the script of the page."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.fail("Node is missing: apt-get install nodejs npm")
    (folder / "score.mjs").write_text(SCRIPT)
    command = folder / "bin" / "scoreline"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m scoreline "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {"SCORELINE_SERVER": target, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-euc", COMMANDS], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_example_in_node_gets_the_score_that_was_computed(tmp_path: Path) -> None:
    with FakeServer({"credit": CREDIT}) as server:
        done = run_example(tmp_path, server.target)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["score"] == pytest.approx(CREDIT.score({"income": 100.0, "status": "student"}), abs=1e-6)
    assert (answer["model"], answer["version"], answer["reason"]) == ("credit", 1, "REASON_STATIC")


def test_a_call_that_fails_in_node_says_why(tmp_path: Path) -> None:
    with FakeServer({"churn": FakeRoute.constant(0.5, "visits")}) as server:
        done = run_example(tmp_path, server.target)
    assert done.returncode != 0
    # npm has lines of its own before.
    assert done.stderr.splitlines()[-1].startswith("5 NOT_FOUND: route 'credit' is not served here")
