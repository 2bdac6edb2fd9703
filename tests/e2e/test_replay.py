"""What a real server journaled is scored again bit for bit, as every revision decided it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import scoreline
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_server.journal.reading.reader import read_shadows
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.server.routes import apply
from tests.serving import running
from tests.trainers.tables import CASES, CITIES, SMALL, lacking, table
from tests.waiting import wait_until

CALLERS = 4
LARGEST_CALL = 6
LONGEST = 9
CREDIT = """
route: credit
schema: {like: lightgbm@champion}
rules:
  - when: {channel: {eq: branch}}
    split: {logistic@champion: 100}
  - split: {lightgbm@champion: TREES, mlp@champion: NETWORK}
holdout: 5
shadows:
  - {model: logistic@1}
"""
HISTORY = """
route: history
schema: {like: lstm@champion}
rules:
  - split: {lstm@champion: 50, tcn@champion: 50}
"""

pytestmark = pytest.mark.skipif(bool(lacking("mlp")), reason="the neural families need torch")


def publish(registry: Registry, case: str, *, aliases: tuple[str, ...] = ("champion",), seed: int = 0) -> None:
    """Trains a family on a small table and publishes it."""
    family, columns = CASES[case]
    recipe = Recipe.parse(
        {
            **columns.model_dump(mode="json", exclude_defaults=True),
            "name": case,
            "data": "unused.csv",
            "family": family,
            "config": SMALL[family],
        }
    )
    publish_candidate(train(recipe, table(columns, seed=seed)), recipe, registry, author="tester", aliases=aliases)


def call(client: scoreline.Client, number: int) -> int:
    """One call to one of the routes, with missing values and categories that no model knows; how many rows it has."""
    random = np.random.default_rng(number)
    rows = int(random.integers(1, LARGEST_CALL, endpoint=True))
    ids = [f"unit-{number}-{row}" for row in range(rows)]
    if number % 3:
        features = {
            "income": [None if random.random() < 0.1 else float(random.lognormal(10, 1)) for _ in ids],
            "age": random.normal(45, 30, rows).tolist(),
            "visits": random.integers(0, 50, rows).tolist(),
            "city": [[*CITIES, "atlantis", None][int(random.integers(8))] for _ in ids],
            "plan": [str(random.integers(1, 4)) for _ in ids],
        }
        contexts = [{"channel": "branch" if random.random() < 0.2 else "web"} for _ in ids]
        client.score_many("credit", features, entity_ids=ids, contexts=contexts)
    else:
        steps = random.lognormal(3, 1, (rows, LONGEST, 3)).astype(np.float32)
        lengths = random.integers(1, LONGEST, rows, endpoint=True)
        client.score_many("history", {}, sequences=steps, lengths=lengths, entity_ids=ids)
    return rows


def replay(folder: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    """The exit code and the report of ``scoreline replay``."""
    command = [sys.executable, "-m", "scoreline", "replay", "--registry", str(folder / "registry"), "--json"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=600)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("calls", [120, pytest.param(10_000, marks=pytest.mark.acceptance)])
def test_every_journaled_score_is_reproduced_as_of_its_revision(tmp_path: Path, calls: int) -> None:
    registry = Registry.create(tmp_path / "registry")
    for case in ("lightgbm", "logistic", "mlp", "lstm", "tcn"):
        publish(registry, case)
    publish(registry, "lightgbm", aliases=(), seed=1)
    apply(registry, CREDIT.replace("TREES", "60").replace("NETWORK", "40"))
    apply(registry, HISTORY)
    first = registry.latest().revision
    rows = 0

    def score(phase: int) -> None:
        nonlocal rows
        wait_until(lambda: client.status().revision == registry.latest().revision)
        with ThreadPoolExecutor(CALLERS) as pool:
            rows += sum(pool.map(lambda at: call(client, at), range(phase * calls // 3, (phase + 1) * calls // 3)))

    with (
        running(tmp_path / "registry", tmp_path / "log", "--poll-seconds", "0.05") as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        score(0)
        registry.commit(SetAlias("lightgbm", "champion", 2), author="tester", message="a new champion")
        score(1)
        apply(registry, CREDIT.replace("TREES", "20").replace("NETWORK", "80"))
        score(2)

    code, report = replay(tmp_path)
    assert (code, report["rows"], report["replayed"], report["not_replayed"]) == (0, rows, rows, {})
    scores = report["scores"]
    assert isinstance(scores, dict)
    assert (scores["rows"], scores["equal"], scores["largest"]) == (rows, rows, 0.0)
    assert (report["errors"], report["assigned"], report["beyond"]) == ([], [], 0)
    arms = report["arms"]
    assert isinstance(arms, list)
    assert {(arm["revision"], arm["version"]) for arm in arms if arm["model"] == "lightgbm"} == {
        (first, 1), (first + 1, 2), (first + 2, 2),
    }  # fmt: skip
    assert {arm["model"] for arm in arms} == {"lightgbm", "logistic", "mlp", "lstm", "tcn"}

    code, report = replay(tmp_path, "--as-of", str(first), "--out", str(tmp_path / "rows.parquet"))
    assert code == 0
    table_ = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    decided = [row for row in table_ if row["revision"] == first]
    assert len(decided) > calls / 3
    assert all((row["arm"], row["version"]) == (row["replayed_arm"], row["replayed_version"]) for row in decided)
    assert {row["replayed_version"] for row in table_ if row["replayed_model"] == "lightgbm"} == {1}
    code, _ = replay(tmp_path, "--route", "credit", "--with", "logistic@1", "--out", str(tmp_path / "rows.parquet"))
    assert code == 0
    again = {
        row["prediction_id"]: row["replayed_score"] for row in pq.read_table(tmp_path / "rows.parquet").to_pylist()
    }
    shadows = list(read_shadows([tmp_path / "registry-journal"]))
    said = {
        id_: score for some in shadows for id_, score in zip(some.prediction_ids, some.scores.tolist(), strict=True)
    }
    assert len(said) > calls / 3
    assert [again[id_] for id_ in said] == pytest.approx(list(said.values()), abs=1e-6)
    print(f"{calls} calls, {rows} rows: every score equal bit for bit")
