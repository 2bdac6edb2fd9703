"""Reasons of scores over the wire equal Shapley values by their definition, through every client."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import scoreline
from scoreline.cli.score import score as score_command
from scoreline_registry.attributions.reason_file import ReasonFile
from scoreline_registry.documents.manifest import MODEL_FILE, REASONS_FILE
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.explanation.explainers import explainer_of
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.explanation.test_explainers import definition
from tests.trainers.tables import people

FEW = {"n_estimators": 12, "num_leaves": 7, "threads": 1, "early_stopping_rounds": 0}
TEXTS = {"de": {"raises": "Einkommen {value} spricht dafür", "lowers": "Einkommen {value} spricht dagegen"}}
FEATURES = [{"name": "income", "texts": TEXTS}, "age", "visits", "city", {"name": "plan", "kind": "category"}]
MEMBERS = [{"family": "lightgbm", "config": FEW}, {"family": "logistic"}]

RECIPES: dict[str, dict[str, Any]] = {
    "engineered": {
        "family": "lightgbm",
        "config": FEW,
        "engineered": [{"kind": "log1p", "columns": ["income"]}, {"kind": "bins", "column": "income", "count": 5}],
    },
    "stacked": {"family": "stacking", "config": {"members": MEMBERS, "calibration": None, "folds": 2}},
    "averaged": {"family": "voting", "config": {"members": MEMBERS, "measuring_fraction": 0}},
}
ROWS = people(12, seed=5)


@dataclass(frozen=True)
class Served:
    """What was published, by name, and a client of the server that serves all of it."""

    candidates: dict[str, Candidate]
    client: scoreline.Client
    address: str
    registry: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("reasons") / "registry"
    registry = Registry.create(folder)
    candidates = {name: published(name, registry) for name in RECIPES}
    with (
        Server(Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error")) as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        yield Served(candidates, client, server.address, str(folder))


def recipe_of(name: str) -> Recipe:
    common = {"name": name, "data": "unused.csv", "label": "label", "features": FEATURES, "explain": {"skip": True}}
    return Recipe.parse({**common, **RECIPES[name]})


def published(name: str, registry: Registry) -> Candidate:
    candidate, ref = train(recipe_of(name), people(500)), f"{name}@champion"
    publish_candidate(candidate, recipe_of(name), registry, author="tester")
    route = {"route": name, "schema": {"like": ref}, "rules": [{"split": {ref: 100}}]}
    registry.apply_route(RouteSpec.model_validate(route), author="tester", message="all to the champion")
    return candidate


def sent(candidate: Candidate) -> dict[str, list[Any]]:
    """The raw features, one row per entity; categories travel as their names."""
    return {
        each.name: ROWS[each.name].cast(pl.String if each.kind == "category" else pl.Float64).to_list()
        for each in candidate.manifest.inputs.features
    }


@pytest.mark.parametrize("name", list(RECIPES))
def test_reasons_are_shapley_values_against_the_cohort(served: Served, name: str) -> None:
    candidate = served.candidates[name]
    inputs, file = candidate.manifest.inputs, ReasonFile.read(candidate.files[REASONS_FILE])
    cohort = Batch(**file.cohort)
    native = explainer_of(candidate.files[MODEL_FILE], inputs, cohort)
    batch = Dataset.from_table(ROWS, recipe_of(name), inputs=inputs).batch
    assert bool(file.terms) == (name != "averaged")
    for row, score in enumerate(served.client.score_many(name, sent(candidate), reasons=20)):
        found = score.explanation
        assert found is not None
        total = found.rest + sum(each.contribution for each in found.reasons)
        assert found.base + total == pytest.approx(found.margin, abs=1e-9)
        odds = np.log(score.score / (1 - score.score)) if file.facts.link == "log odds" else score.score
        assert found.margin == pytest.approx(odds, abs=1e-4)
        if row > 3:
            continue
        expected = definition(native, batch.take(np.array([row])), cohort)
        by_name = {each.input: each for each in score.reasons}
        for feature, value in zip(inputs.features, expected.tolist(), strict=True):
            if feature.name in by_name:
                each = by_name[feature.name]
                assert each.contribution == pytest.approx(value, abs=1e-5 + 5 * each.standard_error)
            else:
                assert abs(value) < 1e-5


def test_every_client_gets_the_same_reasons(served: Served) -> None:
    columns = sent(served.candidates["engineered"])
    (many, *_) = served.client.score_many("engineered", columns, reasons=5, language="de-CH")
    features = {name: values[0] for name, values in columns.items()}
    one = served.client.score("engineered", features, reasons=5, language="de-CH")
    assert one.explanation == many.explanation
    by_input = {each.input: each for each in one.reasons}
    assert by_input["income"].text.startswith(f"Einkommen {by_input['income'].value} spricht")
    assert served.client.score("engineered", features).explanation is None

    async def alone() -> scoreline.Score:
        async with scoreline.AsyncClient(served.address, timeout_seconds=60) as client:
            (row, *_) = await client.score_many("engineered", columns, reasons=5, language="de-CH")
            assert row.explanation == many.explanation
            return await client.score("engineered", features, reasons=5, language="de-CH")

    assert asyncio.run(alone()).explanation == many.explanation
    with scoreline.Client(served.address, coalesce=False) as lone:
        assert lone.score("engineered", features, reasons=5, language="de-CH").explanation == many.explanation


def test_the_command_prints_reasons(served: Served) -> None:
    values = {name: column[0] for name, column in sent(served.candidates["engineered"]).items()}
    pairs = [part for name, value in values.items() if value is not None for part in ("--set", f"{name}={value}")]
    for where in (["--server", served.address], ["--local", "--registry", served.registry]):
        shown = CliRunner().invoke(score_command, ["engineered", *pairs, "--reasons", "2", "--json", *where])
        assert shown.exit_code == 0, shown.output
        found = json.loads(shown.stdout)["explanation"]
        assert len(found["reasons"]) == 2
        table = CliRunner().invoke(score_command, ["engineered", *pairs, "--reasons", "2", *where])
        assert table.exit_code == 0, table.output
        assert found["reasons"][0]["text"] in table.stdout
    assert CliRunner().invoke(score_command, ["engineered", *pairs, "--reasons", "21"]).exit_code == 2


def test_numbers_of_reasons_are_checked_before_anything_is_sent(served: Served) -> None:
    for wrong in (-1, 21, True, "3"):
        with pytest.raises(scoreline.InvalidRequestError, match="from 0 to 20"):
            served.client.score("engineered", {}, reasons=wrong)  # type: ignore[arg-type]
