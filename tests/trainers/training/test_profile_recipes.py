"""Recipes that read profiles: what the version records, and that it can be trained again from what it keeps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.errors import NotFoundError
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.data.encoding import infer_inputs
from scoreline_trainers.data.partition import partition
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.training.candidate import Candidate
from scoreline_trainers.training.profiles import needs_registry, profile_digests, with_profiles
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table

PROFILE = """profile: shop
events:
  purchase: {fields: {amount: number, kind: category}}
features:
  purchases_7d: {aggregate: count, events: purchase, window: 7d}
  spent_7d: {aggregate: sum, events: purchase, field: amount, window: 7d}
  last_kind: {aggregate: last, events: purchase, field: kind}
  amount_z: {aggregate: z_score, events: purchase, field: amount, window: 7d}
  steps: {aggregate: sequence, events: purchase, fields: [amount, kind], length: 3}
"""
RECIPE: Mapping[str, Any] = {
    "name": "shop",
    "data": {
        "table": {"file": "purchases.csv", "time": "moment"},
        "profiles": {
            "profile": "shop.yaml",
            "entity": "customer",
            "event": {"type": "purchase"},
            "events": {
                "file": "purchases.csv", "type": "purchase", "entity": "customer", "id": "purchase", "time": "moment",
            },
        },
    },
    "label": "returned",
    "time": "moment",
    "unit": "customer",
    "features": "auto",
    "exclude": ["purchase"],
    "family": "logistic",
    "validation": {"kind": "random", "fraction": 0.3},
}  # fmt: skip


def purchases(rows: int = 300, *, seed: int = 0) -> pl.DataFrame:
    """Purchases of ten customers, of which the dear ones are returned more often."""
    draw = np.random.default_rng(seed)
    minutes = np.sort(draw.choice(60 * 24 * 30, rows, replace=False))
    amount = draw.lognormal(3, 1, rows).round(2)
    return pl.DataFrame(
        {
            "purchase": np.arange(rows),
            "customer": draw.integers(0, 10, rows),
            "moment": [f"2024-01-{1 + at // 1440:02} {at // 60 % 24:02}:{at % 60:02}:00" for at in minutes.tolist()],
            "amount": amount,
            "kind": draw.choice(("food", "toys"), rows),
            "returned": (amount + draw.normal(0, 20, rows) > 30).astype(int),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop")
    (made / "shop.yaml").write_text(PROFILE)
    purchases().write_csv(made / "purchases.csv")
    return made


@pytest.fixture(scope="module")
def candidate(folder: Path) -> Candidate:
    return trained(folder, shop(folder))


def trained(folder: Path, recipe: Recipe) -> Candidate:
    frame, digest = recipe_table(recipe, folder=folder)
    return train(recipe, frame, data_sha256=digest)


def shop(folder: Path, **changes: Any) -> Recipe:
    return with_profiles(Recipe.parse({**RECIPE, **changes}), folder=folder)


def test_a_version_records_the_profile_that_it_learned_from(candidate: Candidate) -> None:
    profile = read_profile(PROFILE, source="shop.yaml")
    digests = feature_digests(profile)
    names = ("purchases_7d", "spent_7d", "last_kind", "amount_z")
    assert candidate.manifest.training is not None
    assert candidate.manifest.training.profiles == {"shop": {name: digests[name] for name in names}}
    assert read_profile(candidate.files["profile-shop.yaml"].decode(), source="version") == profile


def test_features_of_a_profile_may_be_missing_when_scored(candidate: Candidate) -> None:
    features = {feature.name: feature for feature in candidate.manifest.inputs.features}
    assert not features["spent_7d"].required
    assert features["last_kind"].kind == "category"
    assert features["amount"].required


def test_a_version_is_trained_again_from_what_it_keeps(candidate: Candidate, tmp_path: Path) -> None:
    first = candidate.manifest.training
    assert first is not None
    purchases().write_csv(tmp_path / "purchases.csv")
    again = trained(tmp_path, Recipe.parse(first.recipe))
    assert again.manifest.training is not None
    assert again.manifest.training.profiles == first.profiles
    assert again.manifest.training.data_sha256 == first.data_sha256
    assert again.files["model.onnx"] == candidate.files["model.onnx"]


def test_a_sequence_of_a_profile_becomes_that_of_the_recipe(folder: Path) -> None:
    data = {**RECIPE["data"], "profiles": {**RECIPE["data"]["profiles"], "sequence": "steps", "features": []}}
    recipe = shop(folder, data=data)
    rows = partition(recipe_table(recipe, folder=folder)[0], recipe, validation=recipe.validation, seed=0)
    inputs = infer_inputs(rows.examples, rows.columns)
    assert inputs.sequence is not None
    assert inputs.sequence.features == ("amount", "kind")
    assert inputs.sequence.vocabularies == {"kind": ("food", "toys")}
    assert inputs.sequence.max_length == 3
    assert profile_digests(recipe, inputs)["shop"].keys() == {"steps"}


def test_a_recipe_says_more_of_a_feature_than_its_profile(folder: Path) -> None:
    features = [{"name": "spent_7d", "min": 0, "required": True}, "last_kind", {"name": "amount", "max": 1000}]
    listed = {spec.name: spec for spec in shop(folder, features=features, exclude=[]).described}
    assert listed["spent_7d"].required
    assert listed["last_kind"].required is False
    assert listed["amount"].required is None


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ({"profile": "none.yaml"}, "profile none.yaml cannot be read"),
        ({"features": ["spent_30d"]}, "column 'spent_30d' is no feature of profile shop"),
    ],
)
def test_a_profile_that_cannot_be_read_is_an_error_of_the_recipe(
    folder: Path, profiles: Mapping[str, Any], message: str
) -> None:
    data = {**RECIPE["data"], "profiles": {**RECIPE["data"]["profiles"], **profiles}}
    with pytest.raises(RecipeError, match=f"recipe shop: .*{message}"):
        shop(folder, data=data)


def test_a_profile_may_be_read_from_the_registry(folder: Path) -> None:
    registry = Registry.create(MemoryStorage())
    data = {**RECIPE["data"], "profiles": {**RECIPE["data"]["profiles"], "profile": {"registry": "shop"}}}
    recipe = Recipe.parse({**RECIPE, "data": data})
    assert needs_registry(recipe)
    with pytest.raises(NotFoundError, match="shop"):
        with_profiles(recipe, folder=folder, registry=registry)
    registry.apply_profile(read_profile(PROFILE, source="shop.yaml"), author="test", message="")
    assert with_profiles(recipe, folder=folder, registry=registry) == shop(folder)


def test_a_profile_is_named_once(folder: Path) -> None:
    data = {**RECIPE["data"], "profiles": [RECIPE["data"]["profiles"]] * 2}
    with pytest.raises(RecipeError, match="duplicate profile 'shop'"):
        shop(folder, data=data)
