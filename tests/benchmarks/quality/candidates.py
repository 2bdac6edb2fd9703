"""What is compared: recipes with every option at its default, and one ensemble that is the same for all tables."""

from collections.abc import Mapping
from typing import Any

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.progress import Silent
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe

FAMILIES = ("logistic", "lightgbm", "xgboost", "catboost", "random_forest", "mlp")

STACK: Mapping[str, Any] = {
    "family": "stacking",
    "config": {
        "members": [{"family": "catboost"}, {"family": "lightgbm"}, {"family": "random_forest"}, {"family": "logistic"}]
    },
}
"""The ensemble that is recommended where a table is small enough for it."""

CANDIDATES: Mapping[str, Mapping[str, Any]] = {**{name: {"family": name} for name in FAMILIES}, "stacking": STACK}


def scores(candidate: str, columns: Mapping[str, Any], train: Dataset, test: Dataset, seed: int) -> Float64:
    """The score of each test row, float64 [N], by a model of the training rows. Raises TrainersError."""
    recipe = Recipe.parse({"name": "bench", "data": "-", "seed": seed, **columns, **CANDIDATES[candidate]})
    return fit_model(recipe, train, progress=Silent()).predict(test.batch)
