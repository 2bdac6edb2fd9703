"""A comparison of ten million rows with as many outcomes and shadow scores, in less than 1 GiB."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.analysis.rows import write_outcomes
from tests.server.many_rows import CHALLENGER, CHAMPION, OCTOBER, ManyRows, write_rows

KIB = 1024
DAY = 86_400 * 10**9
_MEASURING = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
COMMAND = ["-m", "scoreline", "compare", "credit", "--metric", "paid:rate", "--segment", "context.channel"]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("rows", "most_mib"),
    [pytest.param(200_000, 600), pytest.param(10_000_000, 1024, marks=pytest.mark.acceptance)],
)
def test_a_large_journal_is_compared_in_little_memory(tmp_path: Path, rows: int, most_mib: int) -> None:
    folder = tmp_path / "journal"
    plan = ManyRows(rows=rows, steps=(1, 5, 25, 50), retry_every=100, shadowed=True, per_second=10.0)
    write_rows(folder, plan)
    generator = np.random.default_rng(5)
    for block in plan.blocks():
        paid = generator.random(len(block)) < 0.1 + 0.2 * block.scores
        observed = OCTOBER + 30 * DAY
        ids = np.ascontiguousarray(block.call_ids)
        write_outcomes(folder, "paid", paid, ids=ids, observed_at=observed, reported_at=observed)
    report, mebibytes = measured([*COMMAND, str(folder), "--registry", str(tmp_path / "none"), "--json"], tmp_path)
    print(f"{rows:,} rows: {mebibytes:.0f} MiB")
    assert report["rows"]["read"] == rows
    assert report["rows"]["retries"] == rows // 100
    assert {arm["arm"] for arm in report["arms"]} == {CHAMPION, CHALLENGER}
    assert sum(arm["metrics"][0]["labelled"] for arm in report["arms"]) == rows - rows // 100
    assert sum(shadow["pairs"] for shadow in report["shadows"]) == rows - rows // 100
    assert report["effects"][0]["verdict"] == "no difference shown"
    assert mebibytes < most_mib


def measured(arguments: list[str], folder: Path) -> tuple[dict[str, Any], float]:
    """Runs Python and returns what it printed, as JSON, and the most memory that it used, in MiB.

    A small process starts it: until exec a child counts the memory of its parent, which here is that of all tests.
    """
    command = [sys.executable, "-c", _MEASURING, sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report, int(done.stderr.splitlines()[-1]) / KIB
