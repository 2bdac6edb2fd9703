"""Trained on a profile's features, served from its state: the scores of the validation rows, bit for bit."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import scoreline
from scoreline import Event, ProfileState
from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_registry.errors import RegistryError
from scoreline_registry.profiles.packaged import packaged_profiles
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.partition import partition
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.synthetic import TABLE_SETS
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.profiles import with_profiles
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table

PROFILE = "spending-guardian"
FIELDS = {"method": "payment_method"}
LOG = {"file": "purchases.parquet", "entity": "customer_id", "id": "purchase_id", "time": "moment"}
RECIPE: Mapping[str, Any] = {
    "name": "guardian",
    "data": {
        "table": {"file": "purchases.parquet", "time": "moment"},
        "profiles": {
            "profile": PROFILE,
            "entity": "customer_id",
            "event": {"type": "purchase", "fields": FIELDS},
            "events": {**LOG, "type": "purchase", "fields": FIELDS},
        },
    },
    "label": "impulse",
    "time": "moment",
    "unit": "customer_id",
    "features": "auto",
    "exclude": ["purchase_id", "payment_method", "payment_code", "category_code", "hour", "day", "regretted_at"],
    "validation": {"kind": "time", "fraction": 0.2},
    "route": {
        "route": "guardian",
        "schema": {"like": "guardian@champion"},
        "rules": [{"split": {"guardian@champion": 100}}],
        "profiles": {PROFILE: {}},
    },
}
TREES: Mapping[str, Any] = {"family": "lightgbm", "config": {"num_iterations": 20, "num_leaves": 7}}
HISTORIES: Mapping[str, Any] = {"family": "lstm", "config": {"hidden": [8], "epochs": 1}}


def described(folder: Path, model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe over the purchases in a folder; histories read the profile's sequence too."""
    file = str(folder / "purchases.parquet")
    read = {**RECIPE["data"]["profiles"], "events": {**RECIPE["data"]["profiles"]["events"], "file": file}}
    route = RECIPE["route"]
    if model is HISTORIES:
        read |= {"sequence": "purchases"}
        route = {**route, "profiles": {PROFILE: {"sequence": "purchases"}}}
    return {**RECIPE, **model, "data": {"table": {"file": file, "time": "moment"}, "profiles": read}, "route": route}


@pytest.fixture(
    scope="module",
    params=[TREES, pytest.param(HISTORIES, marks=pytest.mark.acceptance)],
    ids=["features", "sequence"],
)
def recipe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("guardian")
    TABLE_SETS["spending"](15, seed=5)["purchases"].write_parquet(folder / "purchases.parquet")
    return with_profiles(Recipe.parse(described(folder, request.param)), folder=folder)


@pytest.fixture(scope="module")
def table(recipe: Recipe) -> pl.DataFrame:
    return recipe_table(recipe, folder=Path())[0]


@pytest.fixture(scope="module")
def candidate(recipe: Recipe, table: pl.DataFrame) -> Candidate:
    return train(recipe, table)


@pytest.fixture(scope="module")
def client(
    recipe: Recipe, candidate: Candidate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[scoreline.Client]:
    folder = tmp_path_factory.mktemp("served")
    registry = Registry.create(str(folder / "registry"))
    registry.apply_profile(
        read_profile(packaged_profiles()[PROFILE].read_text("utf-8"), source=PROFILE), author="ann", message="first"
    )
    publish_candidate(candidate, recipe, registry, author="ann")
    settings = Settings(
        registry=str(folder / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5,
        profile_store=f"sqlite:{folder / 'profiles.sqlite'}", profile_read_seconds=30,
    )  # fmt: skip
    with Server(settings) as running, scoreline.Client(running.address) as opened:
        yield opened


def purchase(row: Mapping[str, Any]) -> Event:
    fields = {"amount": row["amount"], "category": row["category"], "method": row["payment_method"]}
    return Event("purchase", fields, time=row["moment"].replace(tzinfo=UTC), id=row["purchase_id"])


def test_scores_from_state_are_those_of_validation(
    recipe: Recipe, table: pl.DataFrame, candidate: Candidate, client: scoreline.Client
) -> None:
    rows = partition(table, recipe, validation=recipe.validation, seed=recipe.seed)
    validation = rows.plan.folds[0].validation
    expected = OnnxScorer(candidate.files[MODEL_FILE]).score(rows.encoded(validation, candidate.manifest.inputs).batch)
    judged = dict(zip(rows.examples.frame[validation]["purchase_id"], expected, strict=True))
    assert len(judged) > 100
    found, states = {}, set()
    for row in table.sort("moment", "purchase_id").iter_rows(named=True):
        if row["purchase_id"] in judged:
            client.flush_events()
            answer = client.score("guardian", entity_id=row["customer_id"], event=purchase(row))
            found[row["purchase_id"]] = np.float32(answer.score)
            states.add(answer.profile_state)
        client.record(PROFILE, row["customer_id"], purchase(row))
    assert found == judged
    assert len(set(found.values())) > 50
    assert states == {ProfileState.READ}


def test_a_route_refuses_a_profile_that_computes_otherwise(
    recipe: Recipe, candidate: Candidate, tmp_path: Path
) -> None:
    registry = Registry.create(str(tmp_path))
    text = (
        packaged_profiles()[PROFILE]
        .read_text("utf-8")
        .replace("field: amount, window: 90d}", "field: amount, window: 60d}")
    )
    registry.apply_profile(read_profile(text, source=PROFILE), author="ann", message="other")
    with pytest.raises(RegistryError, match="amount_mean_90d"):
        publish_candidate(candidate, recipe, registry, author="ann")
