"""The commands, run as a person runs them."""

import json
import re
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result

from scoreline_registry.registry import Registry
from scoreline_trainers import families
from scoreline_trainers.commands.data import data
from scoreline_trainers.commands.training import train
from scoreline_trainers.families import BUILT_IN
from tests.trainers.tables import SMALL, people

RECIPE = {
    "name": "income",
    "data": "people.csv",
    "label": "label",
    "features": "auto",
    "family": "logistic",
    "config": SMALL["logistic"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    people(400).write_csv(tmp_path / "people.csv")
    (tmp_path / "income.yaml").write_text(yaml.safe_dump(RECIPE))
    Registry.create(tmp_path / "registry")
    return tmp_path


def run(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


def test_synth_writes_a_table(tmp_path: Path) -> None:
    out = tmp_path / "c.csv"
    result = run(data, "synth", "propensity", "--rows", 30, "--seed", 1, "--out", out, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["rows"] == 30
    assert len(out.read_text().splitlines()) == 31


def test_synth_into_a_file_of_unknown_kind_fails_in_one_line(tmp_path: Path) -> None:
    result = run(data, "synth", "propensity", "--rows", 3, "--out", tmp_path / "c.txt")
    assert (result.exit_code, result.stderr) == (1, "Error: cannot write c.txt: name a .parquet or .csv file\n")


def test_train_publishes_and_says_so_as_json(folder: Path) -> None:
    result = run(train, folder / "income.yaml", "--registry", folder / "registry", "--json", "--author", "me")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["model"], report["version"], report["aliases"]) == ("income", 1, ["champion"])
    assert report["max_difference"] < 1e-6
    assert Registry.open(folder / "registry").manifest("income", 1).metrics == report["metrics"]


def test_train_prints_a_table_and_takes_other_data_and_aliases(folder: Path) -> None:
    people(300, seed=5).write_parquet(folder / "other.parquet")
    words = ("--registry", folder / "registry", "--data", folder / "other.parquet", "--alias", "a", "--alias", "b")
    result = run(train, folder / "income.yaml", *words)
    assert result.exit_code == 0, result.stderr
    assert "published income@1 (a, b)" in result.stdout
    assert "240 to train, 60 to validate" in result.stdout
    assert re.search(r"^age +number +yes +0\.0% +\S+ to \S+$", result.stdout, re.MULTILINE)
    assert re.search(r"^city +category +no +\S+% +6 names: berlin, ", result.stdout, re.MULTILINE)
    assert "export and prove" in result.stderr


def test_train_reads_semicolons_text_labels_and_na_and_says_what_it_made_of_them(folder: Path) -> None:
    table = people(400).with_columns(
        pl.col("income").cast(pl.String).fill_null("NA"),
        pl.col("label").replace_strict({0: "stays", 1: "leaves"}).alias("label"),
    )
    table.with_row_index("").write_csv(folder / "people.csv", separator=";")
    changed = {**RECIPE, "positive": "leaves", "features": ["auto", {"name": "age", "min": 18}]}
    changed |= {"score": {"bands": {"low": 0, "high": 0.5}}}
    (folder / "income.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    result = run(train, folder / "income.yaml", "--registry", folder / "registry")
    assert result.exit_code == 0, result.stderr
    assert re.search(
        r"^warning: column 'income': 'NA' in \d+ of 400 rows \(\S+%\) is read as missing$", result.stderr, re.MULTILINE
    )
    assert re.search(r"^income +number +no ", result.stdout, re.MULTILINE)
    assert re.search(r"^high +0\.5 +\d+ +\S+%$", result.stdout, re.MULTILINE)
    manifest = Registry.open(folder / "registry").manifest("income", 1)
    assert {feature.name: feature.min for feature in manifest.inputs.features}["age"] == 18
    assert manifest.training is not None
    assert manifest.training.data == "people.csv"


def test_a_dry_run_publishes_nothing(folder: Path) -> None:
    result = run(train, folder / "income.yaml", "--registry", folder / "none", "--dry-run")
    assert result.exit_code == 0
    assert "income was not published (--dry-run)" in result.stdout
    assert not (folder / "none").exists()


def test_a_mistyped_registry_is_refused_before_anything_is_trained(folder: Path) -> None:
    result = run(train, folder / "income.yaml", "--registry", folder / "registri")
    assert result.exit_code == 1
    assert result.stderr == (f"Error: there is no registry at {folder / 'registri'}: make one with `scoreline init`\n")
    assert not (folder / "registri").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"familly": 1}, "Error: recipe income.yaml: familly: unknown key; did you mean 'family'?\n"),
        ({"features": ["nope"]}, "Error: column 'nope' is not in the table; it has income, age, visits, city, plan"),
        ({"label": "visits"}, "Error: column 'visits' is the label and must be 0 or 1 in every row; it holds"),
        ({"label": "plan"}, "Error: column 'plan' is the label and missing in 25 of 400 rows (row 5, 32, 50, ...): "),
        ({"data": "none.csv"}, "none.csv: No such file or directory; pass the file with --data\n"),
    ],
)
def test_a_recipe_that_cannot_run_fails_in_one_line(folder: Path, change: dict[str, object], message: str) -> None:
    (folder / "income.yaml").write_text(yaml.safe_dump({**RECIPE, **change}))
    result = run(train, folder / "income.yaml", "--registry", folder / "registry")
    assert result.exit_code == 1
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error")]) == 1


def test_train_without_a_recipe_is_bad_usage() -> None:
    result = run(train)
    assert result.exit_code == 2
    assert "--list shows the packaged ones" in result.stderr


def test_the_list_names_recipes_and_families() -> None:
    listed = json.loads(run(train, "--list", "--json").stdout)
    assert "propensity-lightgbm" in {recipe["recipe"] for recipe in listed["recipes"]}
    extras = {family["family"]: family["extra"] for family in listed["families"]}
    assert extras.keys() >= BUILT_IN.keys()
    assert (extras["lightgbm"], extras["transformer"]) == ("trainers", "deep")
    learned = {family["family"]: family["learns"] for family in listed["families"]}
    assert (learned["lightgbm"], learned["linear"]) == ("binary, regression", "regression")
    assert "delinquency-lstm" in run(train, "--list").stdout


def test_a_missing_extra_disables_its_families_with_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(families, "find_spec", lambda module: None if module == "torch" else ModuleSpec(module, None))
    listed = json.loads(run(train, "--list", "--json").stdout)["families"]
    states = {family["family"]: family["state"] for family in listed if family["family"] in BUILT_IN}
    lacking = {name for name, source in BUILT_IN.items() if "torch" in source.needs}
    assert {name for name, source in BUILT_IN.items() if source.extra == "deep"} == lacking
    assert states == {
        name: "needs torch: pip install 'scoreline[deep]'" if name in lacking else "ready" for name in BUILT_IN
    }
    refused = run(train, "delinquency-lstm", "--registry", str(tmp_path / "registry"))
    assert refused.exit_code == 1
    assert refused.stderr == "Error: family 'lstm' needs torch: pip install 'scoreline[deep]'\n"


BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import {module}
"""


@pytest.mark.parametrize(
    ("module", "blocked"),
    [
        ("scoreline_trainers", ("numpy", "onnx", "polars", "pydantic")),
        (
            "scoreline_trainers.commands.training",
            ("numpy", "onnx", "onnxruntime", "polars", "sklearn", "lightgbm", "torch"),
        ),
        (
            "scoreline_trainers.reporting.card",
            ("polars", "pyarrow", "onnx", "onnxruntime", "sklearn", "scipy", "matplotlib"),
        ),
        ("scoreline_trainers.commands.reporting", ("numpy", "onnx", "onnxruntime", "polars", "matplotlib")),
        ("scoreline_trainers.commands.retraining", ("numpy", "onnx", "onnxruntime", "polars", "matplotlib")),
        ("scoreline_trainers.publishing.external", ("numpy", "onnx", "onnxruntime", "polars", "sklearn")),
        ("scoreline_trainers.commands.publishing", ("numpy", "onnx", "onnxruntime", "polars", "sklearn")),
        (
            "scoreline_trainers.publishing.inspection",
            ("polars", "pyarrow", "sklearn", "scipy", "lightgbm", "torch", "skl2onnx"),
        ),
        (
            "scoreline_trainers.training.run",
            ("sklearn", "lightgbm", "torch", "optuna", "skl2onnx", "onnxmltools", "pyarrow"),
        ),
        ("scoreline_trainers.families.logistic", ("lightgbm", "torch")),
        ("scoreline_trainers.families.trees.lightgbm", ("sklearn", "torch", "xgboost", "catboost")),
        ("scoreline_trainers.families.trees.xgboost", ("torch", "lightgbm", "catboost")),
        ("scoreline_trainers.families.trees.catboost", ("torch", "lightgbm", "xgboost")),
        ("scoreline_trainers.families.anomaly.isolation_forest", ("torch", "lightgbm", "xgboost", "catboost")),
        ("scoreline_trainers.families.anomaly.profile_deviation", ("torch", "lightgbm", "xgboost", "catboost")),
        (
            "scoreline_trainers.families.networks.transformer",
            ("sklearn", "lightgbm", "xgboost", "catboost", "onnxscript"),
        ),
    ],
)
def test_nothing_imports_more_than_its_extra_brings(module: str, blocked: tuple[str, ...]) -> None:
    code = BLOCKED.format(module=module, blocked=blocked)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_tables_that_belong_together_are_written_to_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "made"
    done = CliRunner().invoke(data, ["synth", "churn", "--customers", "30", "--out", str(out)])
    assert done.exit_code == 0, done.output
    tables = {"customers", "clicks", "referrals", "offers", "labels", "responses"}
    assert {path.stem for path in out.iterdir()} == tables
    again = CliRunner().invoke(data, ["synth", "churn", "--out", str(out)])
    assert again.exit_code != 0
    assert "exists already" in again.output
