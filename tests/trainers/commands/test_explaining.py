"""``scoreline explain``: what a version's inputs contribute, from the registry alone."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result

from scoreline_registry.registry import Registry
from scoreline_trainers.commands.explaining import explain
from scoreline_trainers.commands.training import train
from tests.trainers.tables import people

RECIPE: dict[str, Any] = {
    "name": "income",
    "data": "people.csv",
    "label": "label",
    "features": ["income", "age", "city", "plan"],
    "unit": "person",
    "family": "lightgbm",
    "config": {"n_estimators": 10},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with income@1, which has an explanation, and income@2, which has none."""
    root = tmp_path_factory.mktemp("explained")
    frame = people(300).with_row_index("person").with_columns(pl.format("p{}", "person").alias("person"))
    frame.write_csv(root / "people.csv")
    frame.drop("label").write_parquet(root / "new.parquet")
    Registry.create(root / "registry")
    for number, skip in enumerate((False, True)):
        path = root / f"{number}.yaml"
        path.write_text(yaml.safe_dump({**RECIPE, "explain": {"skip": skip}}), encoding="utf-8")
        done = CliRunner().invoke(train, [str(path), "--registry", str(root / "registry")])
        assert done.exit_code == 0, done.output
    return root


def run(folder: Path, *words: object) -> Result:
    return CliRunner().invoke(explain, [*map(str, words), "--registry", str(folder / "registry")])


def found(folder: Path, *words: object) -> dict[str, Any]:
    done = run(folder, *words, "--json")
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_the_ranking_of_the_version_is_printed(folder: Path) -> None:
    done = run(folder, "income@1", "--top", 2)
    assert done.exit_code == 0, done.output
    assert "income@1: exact (trees), 60 validation rows compared with 100 training rows" in done.stdout
    assert "MEAN CONTRIBUTION" in done.stdout
    assert "plan" not in done.stdout.partition("TOGETHER")[0]


def test_json_holds_the_whole_explanation(folder: Path) -> None:
    document = found(folder, "income@1")
    assert (document["model"], document["version"], document["exact"]) == ("income", 1, True)
    assert {each["name"] for each in document["ranking"]} == set(RECIPE["features"])


@pytest.mark.parametrize("chosen", [("--row", 7), ("--entity", "p7")])
def test_one_row_adds_up(folder: Path, chosen: tuple[str, object]) -> None:
    row = found(folder, "income@1", "--data", folder / "new.parquet", *chosen)
    assert (row["row"], row["link"]) == (7, "log odds")
    total = row["base"] + row["others"] + sum(each["contribution"] for each in row["contributions"])
    assert total == pytest.approx(row["margin"], abs=1e-5)
    (age,) = (each for each in row["contributions"] if each["name"] == "age")
    assert age["value"] == pytest.approx(pl.read_parquet(folder / "new.parquet")["age"][7], rel=1e-6)


def test_a_row_is_printed_as_a_sum(folder: Path) -> None:
    done = run(folder, "income@1", "--data", folder / "new.parquet", "--row", 0, "--top", 2)
    assert done.exit_code == 0, done.output
    for words in ("income@1, row 0: score", "all others", "base value", "log odds"):
        assert words in done.stdout


def test_contributions_of_all_rows_are_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "contributions.parquet"
    done = run(folder, "income@1", "--data", folder / "new.parquet", "--out", out)
    assert done.exit_code == 0, done.output
    frame = pl.read_parquet(out)
    assert len(frame) == 300
    assert frame["person"].to_list()[:2] == ["p0", "p1"]
    parts = ("base_value", *(f"contribution_{name}" for name in RECIPE["features"]))
    wrong = frame.select((pl.sum_horizontal(*parts) - pl.col("margin")).abs().max()).item()
    assert wrong < 1e-5


def test_new_rows_are_ranked(folder: Path) -> None:
    document = found(folder, "income@1", "--data", folder / "new.parquet")
    assert document["rows"] == 300
    assert document["ranking"][0]["importance"] > 0


def test_a_version_without_an_explanation_is_explained_against_a_table(folder: Path) -> None:
    refused = run(folder, "income@2")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "Error: income@2 was published without an explanation: name rows with --data, and others with --reference\n",
    )
    data = ("--data", folder / "new.parquet", "--row", 3)
    missing = run(folder, "income@2", *data)
    assert missing.exit_code == 1
    assert "has no reference.npz: name a table to compare with by --reference" in missing.stderr
    row = found(folder, "income@2", *data, "--reference", folder / "people.csv")
    assert row["contributions"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--row", 900], "there is no row 900: the table has 300, the first is 0"),
        (["--entity", "nobody"], "no row has person 'nobody'"),
    ],
)
def test_rows_that_are_not_there_fail_in_one_line(folder: Path, words: list[object], message: str) -> None:
    done = run(folder, "income@1", "--data", folder / "new.parquet", *words)
    assert (done.exit_code, done.stderr) == (1, f"Error: {message}\n")


@pytest.mark.parametrize(
    "words", [["--row", 1], ["--out", "x.csv"], ["--data", "new.parquet", "--row", 1, "--entity", "p1"]]
)
def test_options_that_do_not_go_together_are_bad_usage(
    folder: Path, words: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run(folder, "income@1", *words).exit_code == 2
