"""``scoreline recipe``, run as a person runs it."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result

from scoreline_trainers.commands.recipes import recipe
from scoreline_trainers.commands.training import train
from scoreline_trainers.training.recipe import packaged_recipes
from tests.trainers.tables import people


def run(*words: object, command: object = recipe) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    # So few positives that a regression, which is quick, is the family of choice.
    frame = people(600).with_columns(label=pl.col("label") * (pl.col("label").cum_sum() < 48))
    label = frame["label"].to_numpy()
    noisy = np.where(np.arange(600) % 100 == 7, 1 - label, label)
    frame = frame.with_columns(shadow=pl.Series(noisy), constant=pl.lit(1))
    frame.write_csv(tmp_path / "tables" / "people.csv")
    return tmp_path / "tables" / "people.csv"


def test_what_is_written_trains_as_it_is(file: Path) -> None:
    out = file.parents[1] / "people.yaml"
    written = run(file, "--label", "label", "--out", out)
    assert written.exit_code == 0, written.stderr
    assert yaml.safe_load(out.read_text())["data"] == "tables/people.csv"
    assert "warning: 'shadow' predicts the label alone" in written.stdout
    assert f"wrote {out}; train it with: scoreline train {out}" in written.stdout
    trained = run(out, "--dry-run", "--json", command=train)
    assert trained.exit_code == 0, trained.stderr
    assert json.loads(trained.stdout)["metrics"]["auc"] > 0.6


def test_the_order_of_the_words_does_not_matter(file: Path) -> None:
    short, long = run("--label", "label", file), run("new", file, "--label", "label")
    assert short.exit_code == long.exit_code == 0
    assert short.stdout == long.stdout
    assert yaml.safe_load(short.stdout)["exclude"] == ["shadow", "constant"]


def test_everything_is_there_as_json(file: Path) -> None:
    found = json.loads(run(file, "--label", "label", "--json").stdout)
    assert found["recipe"]["label"] == "label"
    assert yaml.safe_load(found["yaml"]) == found["recipe"]
    assert [column["name"] for column in found["profile"]["columns"]][-2:] == ["shadow", "constant"]
    assert any(finding["kind"] == "leak" for finding in found["profile"]["findings"])


def test_roles_and_the_name_can_be_given(file: Path) -> None:
    options = ("--label", "label", "--positive", "0", "--unit", "visits", "--name", "other")
    made = yaml.safe_load(run(file, *options).stdout)
    assert (made["name"], made["positive"], made["unit"]) == ("other", "0", "visits")


def test_a_file_is_replaced_by_force_alone(file: Path) -> None:
    out = file.with_suffix(".yaml")
    out.write_text("mine")
    refused = run(file, "--label", "label", "--out", out)
    assert (refused.exit_code, out.read_text()) == (1, "mine")
    assert "exists already" in refused.stderr
    assert run(file, "--label", "label", "--out", out, "--force").exit_code == 0


def test_a_missing_label_is_one_line_that_says_what_to_do(file: Path) -> None:
    refused = run(file)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "name the label, the column to predict: --label NAME, such as" in refused.stderr


def test_packaged_recipes_are_listed_and_shown() -> None:
    listed = [each["recipe"] for each in json.loads(run("list", "--json").stdout)]
    assert listed == list(packaged_recipes())
    assert listed[0] in run("list").stdout
    shown = run("show", listed[0])
    assert shown.stdout == packaged_recipes()[listed[0]].read_text("utf-8")
    refused = run("show", "propensity-lightgbn")
    assert (refused.exit_code, "did you mean 'propensity-lightgbm'?" in refused.stderr) == (1, True)
