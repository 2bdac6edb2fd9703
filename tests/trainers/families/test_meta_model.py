"""Stacking by a meta-model of any family, over scores and over features beside them."""

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from scoreline_trainers.errors import FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.ensembles.meta_model import MetaModel
from scoreline_trainers.families.ensembles.stacking import StackingConfig
from scoreline_trainers.testing import FAMILY_CHECKS, FamilyCase
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import HISTORY, SMALL, dataset, fit, lacking, people

CASES: dict[str, dict[str, Any]] = {
    "trees over scores and features": {
        "meta": {"family": "lightgbm", "config": SMALL["lightgbm"]},
        "passthrough": True,
        "calibration": "isotonic",
    },
    "a forest over scores": {
        "meta": {"family": "random_forest", "config": SMALL["random_forest"]},
        "calibration": None,
    },
    "a regression over scores and features": {"passthrough": True},
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> FamilyCase:
    return FamilyCase(FAMILIES["stacking"], dataset(), {**SMALL["stacking"], **CASES[request.param]})


@pytest.mark.parametrize("check", FAMILY_CHECKS, ids=lambda check: check.__name__)
def test_a_meta_model_of_choice_passes_the_checks_of_every_family(check: Any, case: FamilyCase) -> None:
    check(case)


def test_the_meta_model_reads_rounded_log_odds_then_the_features(case: FamilyCase) -> None:
    model = case.fitted
    assert isinstance(model, MetaModel)
    data = case.data.take(np.arange(20))
    (columns,) = model.scorer.run(data.batch).values()
    scores = np.stack([member.predict(data.batch) for member in model.columns.members], axis=1)
    np.testing.assert_allclose(columns[:, :2], np.log(scores / (1 - scores)), atol=1 / 1024)
    np.testing.assert_array_equal(columns[:, :2] * 1024, np.round(columns[:, :2] * 1024))
    np.testing.assert_array_equal(columns[:, 2:], data.batch.table[:, : columns.shape[1] - 2])


def test_amounts_are_stacked_by_a_family_of_choice() -> None:
    trees = {"family": "lightgbm", "config": SMALL["lightgbm"]}
    config = {"members": [trees, {"family": "linear"}], "meta": "linear", "passthrough": True, "folds": 3}
    facts = {"label": "visits", "task": "regression", "features": ["income", "age", "label"]}
    recipe = Recipe.parse({"name": "visits", "data": "-", **facts, "family": "stacking", "config": config})
    done = train(recipe, people(400))
    assert done.manifest.parity is not None
    assert done.report.described["meta-model"] == "meta linear"


def options(**changes: Any) -> StackingConfig:
    return StackingConfig.model_validate_json(json.dumps({**SMALL["stacking"], **changes}))


def test_a_meta_model_by_its_name_is_that_family_and_its_options_are_checked() -> None:
    assert [name for name, _ in options(meta="xgboost").nested] == ["lightgbm", "logistic", "xgboost"]
    with pytest.raises(ValidationError, match="depth: unknown key"):
        options(meta={"family": "logistic", "config": {"depth": 3}})


def test_features_of_a_recipe_without_any_cannot_be_passed_through() -> None:
    if lacking("lstm"):
        pytest.skip(lacking("lstm"))
    members = [{"name": name, "family": "lstm", "config": SMALL["lstm"]} for name in "ab"]
    with pytest.raises(FitError, match="passes features through, and the recipe has none"):
        fit("stacking", dataset(HISTORY), members=members, passthrough=True, folds=2)
