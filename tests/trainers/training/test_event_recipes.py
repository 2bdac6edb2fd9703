"""The packaged recipes over event logs reach their figures on real data."""

import os

import pytest

from scoreline_trainers.training.recipe import find_recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "metric", "least"),
    [
        ("credit-record-lightgbm", "auc", 0.895),
        ("cdnow-lightgbm", "auc", 0.816),
        ("handbook-fraud-lightgbm", "average_precision", 0.60),
        ("clickstream-lightgbm", "auc", 0.80),
    ],
)
def test_rows_after_every_training_label_are_told_apart(name: str, metric: str, least: float) -> None:
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    recipe, folder = find_recipe(name)
    frame, digest = recipe_table(recipe, folder=folder)
    assert train(recipe, frame, data_sha256=digest).report.metrics[metric] >= least
