"""The packaged recipes reach their figures on the real data that they name."""

import os

import pytest

from scoreline_trainers.training.profiles import with_profiles
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
        ("cdnow-profile", "auc", 0.83),
        ("clickstream-profile", "auc", 0.79),
        ("handbook-fraud-profiles", "average_precision", 0.70),
        ("bank-marketing-logistic", "auc", 0.74),
        ("german-credit-catboost", "auc", 0.79),
        ("german-graph-gat", "auc", 0.71),
        ("hillstrom-logistic", "auc", 0.64),
        ("online-shoppers-xgboost", "auc", 0.93),
        ("telco-churn-stacking", "auc", 0.85),
    ],
)
def test_rows_that_were_not_trained_on_are_told_apart(name: str, metric: str, least: float) -> None:
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    written, folder = find_recipe(name)
    recipe = with_profiles(written, folder=folder)
    frame, digest = recipe_table(recipe, folder=folder)
    assert train(recipe, frame, data_sha256=digest).report.metrics[metric] >= least
