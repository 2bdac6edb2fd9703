"""Trees of a published version, adapted to a new segment by training on from them."""

import numpy as np
import polars as pl
import pytest

from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.warm_start import published_start

FEATURES = [f"x{number}" for number in range(6)]
SLOW = {"num_leaves": 7, "learning_rate": 0.05, "early_stopping_rounds": 0}


def customers(rows: int, weights: Float64, *, seed: int) -> pl.DataFrame:
    """Rows whose label depends on six numbers by ``weights``, and on the product of the first two."""
    draw = np.random.default_rng(seed)
    values = draw.normal(0, 1, (rows, len(FEATURES)))
    odds = values @ weights + 1.5 * values[:, 0] * values[:, 1] - 1
    label = (draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    return pl.DataFrame({**dict(zip(FEATURES, values.T, strict=True)), "label": label})


def score(candidate: Candidate, frame: pl.DataFrame) -> float:
    data = Dataset.from_table(frame, RECIPE, inputs=candidate.manifest.inputs)
    return auc(data.label, candidate.fitted.predict(data.batch))


RECIPE = Recipe.parse(
    {
        "name": "known",
        "data": "unused.csv",
        "label": "label",
        "features": FEATURES,
        "family": "lightgbm",
        "config": {**SLOW, "n_estimators": 120},
    }
)


@pytest.mark.parametrize("family", ["lightgbm", "xgboost"])
def test_adapted_trees_beat_the_old_ones_and_new_ones_on_a_new_segment(family: str) -> None:
    known = np.array([1.0, -1.0, 0.8, 0.6, -0.4, 0.0])
    new = known + np.array([0.0, 0.0, -1.6, 0.0, 0.0, 1.0])
    options = {"n_estimators": 120, "learning_rate": 0.05, "early_stopping_rounds": 0}
    first = RECIPE.model_copy(update={"family": family, "config": options})
    registry = Registry.create(MemoryStorage())
    old = train(first, customers(4000, known, seed=1))
    publish_candidate(old, first, registry, author="test")
    few, many = customers(400, new, seed=2), customers(4000, new, seed=3)
    more = first.model_copy(update={"warm_start": "known@champion", "config": {**options, "n_estimators": 60}})
    adapted = train(more, few, start=published_start(more, registry))
    alone = train(first, few)
    assert score(adapted, many) > score(old, many) + 0.01
    assert score(adapted, many) > score(alone, many) + 0.005
