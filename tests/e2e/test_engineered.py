"""Columns that a model's graph computes: callers send raw ones and get what the native model says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import scoreline
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.synthetic.delinquency import delinquency
from scoreline_trainers.synthetic.propensity import propensity
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe, find_recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import SMALL, histories, people

ROWS = 2000
LEARNED = 1000

Frames = Callable[[int, int], pl.DataFrame]


@dataclass(frozen=True)
class Case:
    """A recipe, and what makes so many of its rows from a seed."""

    recipe: Recipe
    frames: Frames


def packaged(name: str, frames: Frames, **changes: Any) -> Case:
    return Case(find_recipe(name)[0].model_copy(update={"validation": Validation(), **changes}), frames)


def written(name: str, frames: Frames, **facts: Any) -> Case:
    common = {"name": name, "data": "unused.csv", "label": "label", "family": "lightgbm", "config": SMALL["lightgbm"]}
    return Case(Recipe.parse({**common, **facts}), frames)


CASES = {
    "over features": written(
        "over-features",
        lambda rows, seed: people(rows, seed=seed),
        features=["income", "age", "visits", "city", {"name": "plan", "kind": "category"}],
        engineered=[
            {"kind": "log1p", "columns": ["income"]},
            {"kind": "cross", "columns": ["city", "plan"]},
            {"kind": "ratio", "numerator": "income_log1p", "denominator": "visits"},
            {"kind": "bins", "column": "income", "count": 5},
        ],
    ),
    "over histories beside features": written(
        "over-histories",
        lambda rows, seed: histories(min(rows, ROWS), longest=90, seed=seed),
        features=["age"],
        sequence={"entity": "person", "order": "day", "features": ["spent", "earned", "calls"]},
        engineered=[
            {"kind": "velocity", "windows": [3, 7]},
            {"kind": "rolling", "windows": [5, 30], "statistics": ["mean", "median", "std", "cv", "skew", "kurtosis"]},
            {"kind": "ratio", "numerator": "spent_mean_5", "denominator": "age"},
        ],
        calibration="isotonic",
    ),
    "propensity": packaged("propensity-engineered", lambda rows, seed: propensity(rows, seed=seed)),
    "delinquency": packaged(
        "delinquency-lightgbm",
        lambda rows, seed: delinquency(min(rows, ROWS), seed=seed),
        config={**SMALL["lightgbm"], "n_estimators": 60},
    ),
}


@dataclass(frozen=True)
class Served:
    """What was published, by case, and a client of the server that serves all of it."""

    candidates: dict[str, Candidate]
    client: scoreline.Client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("engineered") / "registry"
    registry = Registry.create(folder)
    candidates = {name: published(case, registry) for name, case in CASES.items()}
    with (
        Server(Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error")) as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        yield Served(candidates, client)


@pytest.mark.parametrize("name", CASES)
def test_a_caller_of_raw_columns_gets_what_the_native_model_says(served: Served, name: str) -> None:
    recipe, candidate = CASES[name].recipe, served.candidates[name]
    frame = CASES[name].frames(ROWS, 11)
    data = Dataset.from_table(frame, recipe, inputs=candidate.manifest.inputs)
    sequences, lengths = data.batch.history if data.sequence is not None else (None, None)
    scores = served.client.score_many(
        recipe.name, sent(frame, recipe, candidate), sequences=sequences, lengths=lengths,
        entity_ids=[f"unit-{row}" for row in range(ROWS)],
    )  # fmt: skip
    assert not scores.errors
    assert len(scores) == ROWS
    np.testing.assert_allclose(scores.scores, candidate.fitted.predict(data.batch), rtol=0, atol=1e-5)
    assert candidate.report.described["engineered columns"]


def published(case: Case, registry: Registry) -> Candidate:
    """Trains, publishes the champion and routes everything to it."""
    candidate = train(case.recipe, case.frames(LEARNED, 7))
    publish_candidate(candidate, case.recipe, registry, author="tester")
    ref = f"{case.recipe.name}@champion"
    route = {"route": case.recipe.name, "schema": {"like": ref}, "rules": [{"split": {ref: 100}}]}
    registry.apply_route(RouteSpec.model_validate(route), author="tester", message="all to the champion")
    return candidate


def sent(frame: pl.DataFrame, recipe: Recipe, candidate: Candidate) -> dict[str, list[Any]]:
    """The raw features, one row per entity; categories travel as their names."""
    if recipe.sequence is not None and recipe.sequence.entity is not None:
        frame = frame.unique(recipe.sequence.entity, keep="last", maintain_order=True)
    columns = {feature.name: (feature.kind, frame[feature.name]) for feature in candidate.manifest.inputs.features}
    return {
        name: (values.cast(pl.String) if kind == "category" else values.cast(pl.Float64)).to_list()
        for name, (kind, values) in columns.items()
    }
