"""Training continues from a published version: the recipe's key, the version's files, and what is refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.manifest import BOOSTER_FILE
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.errors import FitError, RecipeError
from scoreline_trainers.family import Start
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.warm_start import published_start
from tests.trainers.tables import SMALL, lacking, people

BOOSTERS = ("lightgbm", "xgboost", "catboost")
RECIPE = {"name": "rich", "data": "unused.csv", "label": "label", "features": ["income", "age", "visits", "city"]}


def rows(count: int, *, seed: int = 0) -> pl.DataFrame:
    return people(count, seed=seed).with_columns(spend=pl.col("visits") * 30.5 + pl.col("age"))


def recipe(family: str, **changes: Any) -> Recipe:
    return Recipe.parse({**RECIPE, "family": family, "config": SMALL[family], **changes})


def published(family: str, **changes: Any) -> tuple[Registry, Candidate]:
    registry, first = Registry.create(MemoryStorage()), recipe(family, **changes)
    candidate = train(first, rows(400))
    publish_candidate(candidate, first, registry, author="test")
    return registry, candidate


@pytest.mark.parametrize("family", BOOSTERS)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_trees_are_added_to_those_of_the_version_under_its_contract(family: str, task: str) -> None:
    if lacking(family):
        pytest.skip(lacking(family))
    asked: Mapping[str, Any] = {"task": task, "label": "label" if task == "binary" else "spend"}
    registry, first = published(family, **asked)
    again = recipe(family, **asked, warm_start="rich@champion", config={**SMALL[family], "n_estimators": 7})
    newer = rows(400, seed=5).with_columns(pl.lit("paris").alias("city"))
    more = train(again, newer, start=published_start(again, registry))
    assert more.fitted.describe()["trees"] == 37
    assert more.manifest.inputs == first.manifest.inputs
    assert more.files[_booster(more)] != first.files[_booster(first)]
    repeated = train(again, newer, start=published_start(again, registry))
    assert repeated.files["model.onnx"] == more.files["model.onnx"]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_network_goes_on_from_the_weights_of_a_version(task: str) -> None:
    if lacking("mlp"):
        pytest.skip(lacking("mlp"))
    asked: Mapping[str, Any] = {"task": task, "label": "label" if task == "binary" else "spend"}
    registry, first = published("mlp", **asked)
    again = recipe("mlp", **asked, warm_start="rich@champion", config={**SMALL["mlp"], "epochs": 1})
    newer = rows(400, seed=5).with_columns(pl.lit("paris").alias("city"))
    start = published_start(again, registry)
    more = train(again, newer, start=start)
    assert more.manifest.inputs == first.manifest.inputs
    assert more.files["weights.npz"] != first.files["weights.npz"]
    assert train(again, newer, start=start).files["model.onnx"] == more.files["model.onnx"]


def _booster(candidate: Candidate) -> str:
    (name,) = [name for name in candidate.files if name.startswith("booster")]
    return name


def test_a_version_that_stops_early_keeps_all_trees_of_the_one_before() -> None:
    registry, _ = published("lightgbm")
    again = recipe("lightgbm", warm_start="rich@1", config={"n_estimators": 40, "early_stopping_rounds": 3})
    noise = rows(400, seed=6).with_columns(label=pl.Series(np.random.default_rng(0).integers(0, 2, 400)))
    trees = train(again, noise, start=published_start(again, registry)).fitted.describe()["trees"]
    assert 31 <= int(trees) < 70


def test_what_cannot_continue_from_a_version_is_refused() -> None:
    registry, candidate = published("lightgbm")
    other = recipe("xgboost", warm_start="rich@1")
    with pytest.raises(RecipeError, match="rich@1 is of family 'lightgbm' and task binary, not 'xgboost', binary"):
        published_start(other, registry)
    for changes, problem in (
        ({}, "no registry was read"),
        ({"engineered": [{"kind": "log1p", "columns": ["income"]}]}, "leave one of the two out"),
        ({"label": "city", "features": ["income"], "task": "multiclass"}, "several classes or horizons"),
    ):
        with pytest.raises(RecipeError, match=problem):
            train(recipe("lightgbm", warm_start="rich@1", **changes), rows(400))
    with pytest.raises(RecipeError, match="family 'logistic' cannot continue"):
        train(recipe("logistic", warm_start="rich@1"), rows(400))
    bare = Start("rich@1", "lightgbm", candidate.manifest.inputs, {})
    with pytest.raises(FitError, match=f"cannot continue from rich@1: the version has no {BOOSTER_FILE}"):
        train(recipe("lightgbm", warm_start="rich@1"), rows(400), start=bare)
