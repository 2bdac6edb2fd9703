"""Models of amounts, of several classes and of several horizons, from a recipe to a caller of the server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import scoreline
from scoreline_registry.documents.signature import CLASS_PROBABILITIES, HORIZON_SCORES, SCORE
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import SMALL, people

HORIZONS = ["bought_7", "bought_30"]
TREES = {"family": "lightgbm", "config": SMALL["lightgbm"]}
RECIPES: dict[str, dict[str, Any]] = {
    "spend": {"label": "spend", "task": "regression", "family": "linear"},
    "grade": {"label": "grade", "task": "multiclass", **TREES},
    "bought": {"label": "bought_30", "horizons": HORIZONS, **TREES},
}
EXTRAS = {"spend": (), "grade": (CLASS_PROBABILITIES,), "bought": (HORIZON_SCORES,)}
FEATURES = ["income", "age", "visits"]


def table() -> pl.DataFrame:
    frame = people(400).drop_nulls()
    spend = (100 * pl.col("visits") - pl.col("age")).alias("spend")
    grade = pl.col("plan").cast(pl.String).alias("grade")
    return frame.with_columns(
        spend, grade, *((pl.col("visits") > 50 - days).alias(f"bought_{days}") for days in (7, 30))
    )


@dataclass(frozen=True)
class Served:
    candidates: dict[str, Candidate]
    client: scoreline.Client


def recipe(name: str) -> Recipe:
    route = {"route": name, "schema": {"like": f"{name}@champion"}, "rules": [{"split": {f"{name}@champion": 100}}]}
    return Recipe.parse({"name": name, "data": "-", "features": FEATURES, "route": route, **RECIPES[name]})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("tasks") / "registry"
    registry, candidates = Registry.create(folder), {}
    for name in RECIPES:
        candidates[name] = train(recipe(name), table())
        publish_candidate(candidates[name], recipe(name), registry, author="tester")
    with (
        Server(Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error")) as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        yield Served(candidates, client)


@pytest.mark.parametrize("name", RECIPES)
def test_a_caller_gets_the_score_and_the_further_outputs(served: Served, name: str) -> None:
    frame, candidate = table(), served.candidates[name]
    batch = Dataset.from_table(frame, recipe(name), inputs=candidate.manifest.inputs).batch
    outputs = OnnxScorer(candidate.files["model.onnx"]).run(batch)
    ids = [f"unit-{row}" for row in range(len(frame))]
    columns = {feature: frame[feature].cast(pl.Float64).to_list() for feature in FEATURES}
    scores = served.client.score_many(name, columns, entity_ids=ids, extras=EXTRAS[name])
    assert not scores.errors
    np.testing.assert_allclose(scores.scores, outputs[SCORE], rtol=1e-6)
    for extra in EXTRAS[name]:
        np.testing.assert_allclose(scores.extras[extra].values, outputs[extra], rtol=1e-6)
