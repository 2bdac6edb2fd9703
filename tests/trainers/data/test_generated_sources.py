from pathlib import Path

import pytest

from scoreline_trainers.errors import RecipeError
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.sources import data_source, recipe_table

DATA = {
    "generator": {"name": "spending", "customers": 20, "seed": 3},
    "table": {"file": "purchases", "time": "moment"},
    "joins": [{"file": "cardholders", "by": "customer_id"}],
    "events": {
        "file": "purchases",
        "entity": "customer_id",
        "time": "moment",
        "windows_days": [30],
        "aggregates": [{"aggregate": "mean", "column": "amount"}],
    },
}


def recipe(**changes: object) -> Recipe:
    document = {"name": "guardian", "label": "impulse", "features": "auto", "family": "lightgbm"}
    return Recipe.parse({**document, "data": {**DATA, **changes}})


def test_a_generator_makes_the_tables_that_files_name(tmp_path: Path) -> None:
    frame, digest = recipe_table(recipe(), folder=tmp_path)
    assert {"impulse", "monthly_income", "amount_mean_30d"} <= set(frame.columns)
    assert frame["customer_id"].n_unique() == 20
    assert recipe_table(recipe(), folder=tmp_path)[1] == digest
    assert not list(tmp_path.iterdir())
    assert data_source(recipe()) == "purchases, cardholders of synthetic spending, 20 customers, seed 3"


def test_unknown_generators_and_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"data.generator.name: 'spendings' is unknown; did you mean 'spending'"):
        recipe_table(recipe(generator={"name": "spendings"}), folder=tmp_path)
    with pytest.raises(RecipeError, match="'spending' makes no table 'purchase'; did you mean 'purchases'"):
        recipe_table(recipe(table={"file": "purchase", "time": "moment"}), folder=tmp_path)


def test_a_feature_that_is_computed_twice_is_refused() -> None:
    twice = [{"aggregate": "count"}, {"aggregate": ["count", "gap_max"]}]
    events = {**DATA["events"], "aggregates": twice}  # type: ignore[dict-item]
    with pytest.raises(RecipeError, match="'count_30d' is computed twice: leave one"):
        recipe(events=events)
