"""``scoreline retrain``: its exit codes for a scheduler, and what it publishes."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from scoreline_registry.registry import Registry
from scoreline_trainers.commands.retraining import DUE, WORSE, retrain
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table
from tests.trainers.training.retraining.world import RECIPE, applications, publish

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with the champion of ``credit``, trained on 1 January 2026 by its manifest."""
    folder = tmp_path_factory.mktemp("registry")
    publish(Registry.create(folder), {**RECIPE, "retrain": {**RECIPE["retrain"], "max_age_days": 100_000}})
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """Runs the command with a table, and the options that follow."""

    def command(frame: pl.DataFrame, *options: str) -> Result:
        path = tmp_path / "new.parquet"
        frame.write_parquet(path)
        return CliRunner().invoke(retrain, ["credit", "--data", str(path), "--registry", str(trained), *options])

    return command


def newest(registry: Path) -> int:
    return max(Registry.open(registry).latest().models["credit"].numbers)


def test_a_check_says_by_its_exit_code_whether_a_challenger_is_due(run: Run, trained: Path) -> None:
    calm = run(applications(range(100, 160), seed=1), "--check")
    assert (calm.exit_code, calm.stdout.splitlines()[-1]) == (0, "nothing is due for credit@1")
    drifted = run(applications(range(100, 160), seed=1, flipped=True), "--check")
    assert drifted.exit_code == DUE == 10
    assert drifted.stdout.splitlines()[-1].startswith("credit@1 is due: AUC 0.")
    assert newest(trained) == 1


def test_nothing_is_trained_where_nothing_is_due(run: Run, trained: Path) -> None:
    result = run(applications(range(100, 160), seed=1))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "nothing is due for credit@1")
    assert newest(trained) == 1


def test_a_dry_run_trains_compares_and_publishes_nothing(run: Run, trained: Path) -> None:
    result = run(applications(range(100, 180), seed=1, flipped=True), "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "credit was not published (--dry-run)")
    assert "on 160 newest rows" in result.stdout.lower()
    assert newest(trained) == 1


def test_a_challenger_that_is_worse_is_published_by_force_only(run: Run, trained: Path) -> None:
    """Labels that turned round after all rows that the challenger could learn from."""
    frame = pl.concat([applications(range(100, 160), seed=1, flipped=True), applications(range(160, 180), seed=2)])
    refused = run(frame, "--now", "--json")
    assert refused.exit_code == WORSE == 11
    document = json.loads(refused.stdout)
    assert document["version"] is None
    assert document["comparison"]["worse"] is True
    assert newest(trained) == 1
    assert "--force publishes it" in run(frame, "--now").stdout.splitlines()[-1]


def test_a_challenger_is_published_under_its_alias_and_moves_no_other(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")
    publish(registry, RECIPE)
    applications(range(100, 180), seed=1, flipped=True).write_parquet(tmp_path / "applications.parquet")
    options = ["credit@champion", "--data", str(tmp_path), "--registry", str(tmp_path / "registry"), "--author", "cron"]
    result = CliRunner().invoke(retrain, [*options, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["champion"], document["due"], document["version"]) == ("credit@1", True, 2)
    model = registry.latest().models["credit"]
    assert model.aliases == {"champion": 1, "challenger": 2}
    assert model.entry(2).author == "cron"
    assert model.entry(2).message.startswith("retrained credit@1: ")


def test_a_forced_challenger_is_published_although_worse(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")
    publish(registry, RECIPE)
    frame = pl.concat([applications(range(100, 160), seed=1, flipped=True), applications(range(160, 180), seed=2)])
    frame.write_parquet(tmp_path / "new.parquet")
    options = ["credit", "--data", str(tmp_path / "new.parquet"), "--registry", str(tmp_path / "registry")]
    result = CliRunner().invoke(retrain, [*options, "--now", "--force", "--alias", "trial"])
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "published credit@2")
    assert registry.latest().models["credit"].aliases == {"champion": 1, "trial": 2}


def test_a_model_without_a_champion_is_one_line(trained: Path, tmp_path: Path) -> None:
    applications(range(10)).write_parquet(tmp_path / "new.parquet")
    options = ["nobody", "--data", str(tmp_path / "new.parquet"), "--registry", str(trained)]
    result = CliRunner().invoke(retrain, options)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_a_folder_stands_for_the_files_of_a_table_that_is_made_of_several(tmp_path: Path) -> None:
    """The new files have the names that the recipe knows."""
    spec = {"table": "applications.parquet", "joins": [{"file": "regions.parquet", "by": "region"}]}
    recipe = Recipe.parse({**RECIPE, "data": spec, "features": ["income", "debt", "wage"]})
    wages = pl.DataFrame({"region": ["north", "south"], "wage": [1.0, 2.0]})
    for name, days, flipped in (("old", range(100), False), ("new", range(100, 180), True)):
        (tmp_path / name).mkdir()
        applications(days, flipped=flipped).write_parquet(tmp_path / name / "applications.parquet")
        wages.write_parquet(tmp_path / name / "regions.parquet")
    registry = Registry.create(tmp_path / "registry")
    frame, digest = recipe_table(recipe, folder=tmp_path / "old")
    publish_candidate(train(recipe, frame, data_sha256=digest), recipe, registry, author="anna")
    options = ["credit", "--registry", str(tmp_path / "registry"), "--json"]
    same = CliRunner().invoke(retrain, [*options, "--data", str(tmp_path / "old"), "--now"])
    assert same.exit_code == 1
    assert same.stderr.splitlines()[-1].startswith("Error: credit@1 has learned from all rows up to 2026-04-10")
    result = CliRunner().invoke(retrain, [*options, "--data", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["version"] == 2
