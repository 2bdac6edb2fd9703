"""The shared options of boosted trees, and the rows by which training decides when to stop."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from scoreline_trainers.data.columns import Columns, FeatureSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.trees.booster import BoosterConfig
from tests.trainers.tables import dataset, fit, lacking

BOOSTERS = ("lightgbm", "xgboost", "catboost")

# What a family counts until it stops, and options with which memorised rows would keep it going.
STOPPING: Mapping[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(
        BOOSTERS, ("trees", {"n_estimators": 60, "early_stopping_rounds": 8, "learning_rate": 0.3, "params": {}})
    ),
    **dict.fromkeys(
        ("mlp", "gan_hardened", "transfer", "multitask", "maml"),
        ("epochs", {"epochs": 25, "patience": 6, "hidden": (64, 64), "batch_size": 32, "learning_rate": 0.01}),
    ),
}


def config(family: str, options: Mapping[str, Any]) -> BoosterConfig:
    if lacking(family):
        pytest.skip(lacking(family))
    found = FAMILIES[family].config_type(**options)
    assert isinstance(found, BoosterConfig)
    return found


def repeated(*, unit: str | None) -> Dataset:
    """120 people with seven equal rows each, whose labels nothing explains: a model can only memorise the people."""
    draw = np.random.default_rng(3)
    person = np.repeat(np.arange(120), 7)
    numbers = {name: draw.normal(size=120)[person] for name in "abcd"}
    plan = np.array(["free", "gold"])[draw.integers(0, 2, 120)][person]
    frame = pl.DataFrame({**numbers, "plan": plan, "person": person, "label": draw.integers(0, 2, 120)[person]})
    features = tuple(FeatureSpec(name=name) for name in (*numbers, "plan"))
    return Dataset.from_table(frame, Columns(label="label", unit=unit, features=features))


@pytest.mark.parametrize("family", STOPPING)
def test_rows_that_decide_when_to_stop_share_no_unit_with_those_that_are_learned(family: str) -> None:
    if lacking(family):
        pytest.skip(lacking(family))
    fact, options = STOPPING[family]
    if family in {"transfer", "multitask", "maml"}:
        options = {**options, "segment": "plan"}
    memorised, honest = (int(fit(family, repeated(unit=unit), **options).describe()[fact]) for unit in (None, "person"))
    assert 2 * honest < memorised


@pytest.mark.parametrize("family", BOOSTERS)
@pytest.mark.parametrize(
    "names",
    [
        {"num_iterations": 7, "num_threads": 2, "random_state": 3, "eta": 0.2},
        {"num_boost_round": 7, "nthread": 2, "random_seed": 3, "eta": 0.2},
        {"iterations": 7, "thread_count": 2, "seed": 3, "learning_rate": 0.2},
        {"n_estimators": 7, "n_jobs": 2, "seed": 3, "learning_rate": 0.2},
    ],
    ids=["lightgbm", "xgboost", "catboost", "scikit-learn"],
)
def test_every_booster_takes_the_names_of_each_library(family: str, names: dict[str, Any]) -> None:
    found = config(family, names)
    assert (found.n_estimators, found.threads, found.seed, found.learning_rate) == (7, 2, 3, 0.2)


@pytest.mark.parametrize("family", BOOSTERS)
def test_boosters_train_on_one_thread_unless_more_are_given(family: str) -> None:
    assert config(family, {}).threads == 1


@pytest.mark.parametrize("family", BOOSTERS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_estimators": 3, "num_iterations": 4}, "'n_estimators' is given twice, once as 'num_iterations'"),
        ({"params": {"num_boost_round": 3}}, "'num_boost_round' does not go under 'params': it is the option 'n_est"),
        ({"params": {"objective": "x"}}, "'objective' does not go under 'params': the family decides it"),
    ],
)
def test_options_that_are_said_in_two_places_are_refused(family: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(family, options)


@pytest.mark.parametrize("family", BOOSTERS)
def test_a_seed_of_its_own_takes_the_place_of_the_recipes(family: str) -> None:
    if lacking(family):
        pytest.skip(lacking(family))
    data = dataset()
    stopping = {"early_stopping_rounds": 5}
    one, other, again = (
        fit(family, data, seed=seed, **stopping, **own).predict(data.batch)
        for seed, own in ((1, {}), (2, {}), (2, {"random_state": 1}))
    )
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, again)
