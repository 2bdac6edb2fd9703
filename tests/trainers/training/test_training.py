"""A recipe from its table into a registry."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.manifest import (
    BASELINE_FILE,
    BOOSTER_FILE,
    CARD_FILE,
    EXPLANATION_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    REASONS_FILE,
    REFERENCE_FILE,
    REPORT_FILE,
)
from scoreline_registry.errors import GateError, RefusedError
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.families.trees.lightgbm import FittedLightGBM
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.progress import Lines
from scoreline_trainers.reporting.document import RunReport, VersionReport
from scoreline_trainers.reporting.verdict import notes_of
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table
from tests.trainers.tables import SMALL, histories, people

NOW = datetime(2026, 1, 1, tzinfo=UTC)

RECIPE: dict[str, Any] = {
    "name": "income",
    "description": "Made-up people.",
    "data": "unused.csv",
    "label": "label",
    "features": ["income", {"name": "age", "min": 18}, "city", {"name": "plan", "kind": "category"}],
    "family": "lightgbm",
    "config": SMALL["lightgbm"],
    "score": {"meaning": "is rich", "bands": {"low": 0, "high": 0.5}},
    "route": {
        "route": "income",
        "schema": {"like": "income@champion"},
        "rules": [{"split": {"income@champion": 100}}],
    },
}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.parse(RECIPE)


@pytest.fixture(scope="module")
def candidate(recipe: Recipe) -> Candidate:
    return train(recipe, people(), clock=lambda: NOW)


@pytest.fixture
def registry() -> Registry:
    return Registry.create(MemoryStorage())


def test_a_version_carries_everything_that_a_server_and_a_reviewer_need(candidate: Candidate) -> None:
    assert candidate.files.keys() == {
        *(MODEL_FILE, GOLDEN_FILE, BASELINE_FILE, CARD_FILE, REPORT_FILE, BOOSTER_FILE),
        *(REFERENCE_FILE, EXPLANATION_FILE, REASONS_FILE),
    }
    manifest = candidate.manifest
    assert (manifest.family, manifest.score.meaning, manifest.created_at) == ("lightgbm", "is rich", NOW)
    assert [feature.name for feature in manifest.inputs.features] == ["income", "age", "city", "plan"]
    assert manifest.parity is not None
    assert manifest.parity.rows >= 2000
    assert manifest.training is not None
    assert manifest.training.rows == 640
    assert manifest.training.recipe is not None
    again = Recipe.parse(manifest.training.recipe)
    assert again.with_defaults() == manifest.training.recipe == Recipe.parse(RECIPE).with_defaults()
    assert manifest.training.recipe["config"]["learning_rate"] == 0.05
    assert (manifest.training.validation_rows, manifest.training.recipe["seed"]) == (160, 0)
    assert {"python", "lightgbm", "onnxruntime"} <= manifest.training.libraries.keys()
    assert 0.5 < manifest.metrics["auc"] <= 1


def test_the_card_says_what_it_takes_to_train_the_model_again(recipe: Recipe) -> None:
    found = train(recipe, people(), data="people.csv", data_sha256="a" * 64, clock=lambda: NOW)
    card = found.files[CARD_FILE].decode()
    for line in (
        "| data | people.csv |",
        f"| data sha256 | {'a' * 64} |",
        "| validation rows | 160 |",
        "| validation | kind random, fraction 0.2 |",
        "| seed | 0 |",
        "| num_leaves | 12 |",
        "| learning_rate | 0.05 |",
        "| band | from | validation rows | with label 1 |",
    ):
        assert line in card
    assert "No problem was found" in card
    assert "- 800 rows; take metrics with their intervals; small models do best" in card
    assert found.manifest.training is not None
    assert (found.manifest.training.data, found.manifest.training.data_sha256) == ("people.csv", "a" * 64)


def test_what_is_suspicious_stands_in_the_report_and_on_the_card(recipe: Recipe) -> None:
    leaking = people().with_columns(pl.col("label").cast(pl.Float64).alias("income"))
    found = train(recipe, leaking)
    first, second, *_ = found.report.warnings
    assert first.startswith("column 'income' predicts the label by itself in the training rows")
    assert second.startswith("the score separates the labels of all validation rows")
    card = found.files[CARD_FILE].decode()
    assert card.count("column 'income': predicts the label alone") == card.count("column 'income'") == 1
    assert all(f"- {warning}\n" in card for warning in found.report.warnings[1:])


def test_the_report_says_how_columns_were_read_and_what_bands_hold(candidate: Candidate) -> None:
    columns = {column.name: column for column in candidate.report.columns}
    assert (columns["age"].kind, columns["age"].required, columns["age"].missing) == ("number", True, 0)
    assert (columns["plan"].kind, columns["plan"].required) == ("category", False)
    assert 0.04 < columns["city"].missing < 0.12
    low, high = candidate.report.bands
    assert low.rows + high.rows == 160
    assert low.rate is not None
    assert high.rate is not None
    assert low.rate < 0.5 < high.rate


def test_golden_rows_are_scored_by_the_published_graph(candidate: Candidate) -> None:
    with np.load(BytesIO(candidate.files[GOLDEN_FILE])) as golden:
        score = OnnxScorer(candidate.files[MODEL_FILE]).score(Batch(features=golden["features"]))
        np.testing.assert_array_equal(score, golden["score"])


def test_publishing_moves_the_alias_and_applies_the_route(
    candidate: Candidate, recipe: Recipe, registry: Registry
) -> None:
    report = publish_candidate(candidate, recipe, registry, author="tester")
    assert (report.version, report.aliases, report.route, report.revision) == (1, ("champion",), "income", 2)
    assert registry.read_file("income", 1, MODEL_FILE) == candidate.files[MODEL_FILE]
    assert registry.latest().models["income"].aliases == {"champion": 1}
    again = publish_candidate(candidate, recipe, registry, author="tester", aliases=("challenger",))
    assert again.version == 2
    assert registry.latest().models["income"].aliases == {"champion": 1, "challenger": 2}
    assert json.loads(json.dumps(again.as_dict()))["version"] == 2


@pytest.mark.parametrize("wrong", [{"rules": [{"split": {"other@champion": 100}}]}, {"schema": {"like": "other@1"}}])
def test_a_route_that_is_refused_says_that_the_version_is_published(
    candidate: Candidate, registry: Registry, wrong: dict[str, Any]
) -> None:
    recipe = Recipe.parse({**RECIPE, "route": {**RECIPE["route"], **wrong}})
    with pytest.raises(RefusedError, match="'other' is not in the registry") as refused:
        publish_candidate(candidate, recipe, registry, author="tester")
    assert str(refused.value).startswith("income@1 is published, but route income was not applied")
    assert list(registry.latest().models["income"].versions) == [1]


def test_equal_recipes_and_tables_give_equal_bytes(candidate: Candidate, recipe: Recipe) -> None:
    first, second = dict(candidate.files), dict(train(recipe, people(), clock=lambda: NOW).files)
    reports = [RunReport.model_validate_json(files.pop(REPORT_FILE)) for files in (first, second)]
    assert first == second
    assert len({report.model_copy(update={"stages": ()}).model_dump_json() for report in reports}) == 1


def test_a_graph_that_differs_is_not_published(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def biased(model: FittedLightGBM, batch: Batch) -> Float64:
        return np.asarray(model.booster.predict(batch.table)) * 0.99

    monkeypatch.setattr(FittedLightGBM, "predict", biased)
    with pytest.raises(GateError, match=r"^version of income: 'score' of the graph and of the native model"):
        train(recipe, people())


def test_the_contract_scores_new_rows_as_the_native_model_does(candidate: Candidate, recipe: Recipe) -> None:
    new = Dataset.from_table(people(200, seed=9), recipe, inputs=candidate.manifest.inputs)
    score = OnnxScorer(candidate.files[MODEL_FILE]).score(new.batch)
    np.testing.assert_allclose(score, candidate.fitted.predict(new.batch), atol=1e-6)


def test_every_stage_is_told_and_fitting_is_timed(recipe: Recipe) -> None:
    ticks: Iterator[int] = iter(range(100))
    lines: list[str] = []
    found = train(
        recipe, people(), progress=Lines(lines.append), clock=lambda: NOW + timedelta(seconds=2 * next(ticks))
    )
    assert [line for line in lines if not line.startswith(" ")] == [
        "encode the table",
        "boost trees",
        "evaluate",
        "export and prove",
        "explain",
        "profile the table",
    ]
    assert found.report.seconds == 2


def test_a_sequence_recipe_goes_the_same_way(registry: Registry) -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    recipe = Recipe.parse(
        {
            "name": "history",
            "data": "unused.csv",
            "label": "label",
            "sequence": {"entity": "person", "order": "day", "features": ["spent", "earned", "calls"]},
            "family": "lstm",
            "config": SMALL["lstm"],
        }
    )
    found = train(recipe, histories())
    assert publish_candidate(found, recipe, registry, author="tester").version == 1
    sequence = registry.manifest("history", 1).inputs.sequence
    assert sequence is not None
    assert (sequence.features, sequence.max_length) == (("spent", "earned", "calls"), 9)
    baseline = json.loads(found.files[BASELINE_FILE])
    assert baseline["steps"].keys() == {"spent", "earned", "calls"}
    assert sum(baseline["lengths"]["counts"]) == 240


def test_generators_and_files_are_tables_with_a_digest(tmp_path: Path) -> None:
    made = Recipe.parse({**RECIPE, "data": {"synthetic": "propensity", "rows": 50, "seed": 1}})
    frame, digest = recipe_table(made, folder=tmp_path)
    assert (len(frame), digest) == (50, recipe_table(made, folder=tmp_path)[1])
    people(20).write_csv(tmp_path / "unused.csv")
    assert len(recipe_table(Recipe.parse(RECIPE), folder=tmp_path)[0]) == 20
    with pytest.raises(RecipeError, match="'weather' is unknown; there are propensity, delinquency"):
        recipe_table(Recipe.parse({**RECIPE, "data": {"synthetic": "weather"}}), folder=tmp_path)


def test_the_report_profiles_the_table_without_values_that_are_not_for_every_reader() -> None:
    frame = people().with_columns(pl.Series("name", [f"person {row}" for row in range(len(people()))]))
    features = ["income", {"name": "age", "sensitive": True}, "plan"]
    found = train(Recipe.parse({**RECIPE, "features": features, "route": None}), frame)
    report = RunReport.model_validate_json(found.files[REPORT_FILE])
    assert report.profile is not None
    columns = {column.name: column for column in report.profile.columns}
    assert columns["income"].histogram
    assert columns["income"].label_auc is not None
    assert columns["plan"].top
    for hidden in ("age", "name", "city"):
        assert (columns[hidden].top, columns[hidden].histogram, columns[hidden].quantiles) == ((), (), None)
    assert "person 7" not in found.files[REPORT_FILE].decode()


def test_a_planted_leak_is_a_problem_in_the_report_only_where_the_model_reads_it(recipe: Recipe) -> None:
    flips = np.random.default_rng(3).random(len(people())) < 0.01
    known_later = pl.Series(
        "collected", np.where(flips, 1 - people()["label"].to_numpy(), people()["label"].to_numpy())
    )
    leaking = people().with_columns(known_later)
    read = Recipe.parse({**RECIPE, "features": [*RECIPE["features"], "collected"], "route": None})
    for used, expected in ((read, True), (recipe, False)):
        found = train(used, leaking)
        run = RunReport.model_validate_json(found.files[REPORT_FILE])
        report = VersionReport(model="income", manifest=found.manifest, run=run)
        problems = [note.text for note in notes_of(report) if note.severity == "problem"]
        assert any("collected" in text for text in problems) == expected
