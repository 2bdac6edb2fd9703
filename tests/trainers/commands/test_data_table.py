"""``scoreline data table`` and ``scoreline train`` on a recipe over an event log, run as a person runs them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result

from scoreline_trainers.commands.data import table
from scoreline_trainers.commands.training import train

STEPS = {"every": "day", "sequence_length": 3, "features": [{"aggregate": "count"}]}


def run(*words: object, command: object = table) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    who = draw.integers(0, 40, 900) ** 2 // 40
    orders = pl.DataFrame(
        {"customer": who, "day": draw.integers(0, 120, 900), "amount": draw.gamma(2, 10, 900).round(2)}
    )
    orders.write_csv(tmp_path / "orders.csv")
    log = {"file": "orders.csv", "entity": "customer", "time": "day", "time_unit": "day", "windows_days": [7, 30]}
    document = {
        "name": "orders",
        "data": {"cuts": {"every": 7, "first": 28, "last": 119}, "events": log, "label": {"within_days": 7}},
        "features": "auto",
        "family": "logistic",
        "validation": {"kind": "time", "gap_days": 6},
    }
    (tmp_path / "orders.yaml").write_text(yaml.safe_dump(document))
    return tmp_path / "orders.yaml"


def test_the_training_table_is_written_with_what_was_left_out(recipe: Path) -> None:
    out = recipe.parent / "table.parquet"
    made = run(recipe, "--out", out)
    assert made.exit_code == 0, made.output
    frame = pl.read_parquet(out)
    assert f"wrote {out}: {len(frame):,} rows of customer, cut, label, count_7d, count_30d" in made.stdout
    assert "rows left out: their label window of 7 days is not over" in made.stderr
    again = run(recipe, "--out", out)
    assert again.exit_code == 1
    assert "exists already" in again.output
    facts = json.loads(run(recipe, "--out", out, "--force", "--dry-run", "--json").stdout)
    assert facts["rows"] == len(frame)


def test_lists_are_not_written_as_csv(recipe: Path) -> None:
    document = yaml.safe_load(recipe.read_text())
    document["data"]["events"]["steps"] = STEPS
    recipe.write_text(yaml.safe_dump(document))
    refused = run(recipe, "--out", recipe.parent / "table.csv")
    assert refused.exit_code == 1
    assert "column 'daily_count' holds lists, which CSV files cannot: name a .parquet file" in refused.output


def test_a_model_of_an_event_log_is_trained_and_proved(recipe: Path) -> None:
    trained = run(recipe, "--dry-run", command=train)
    assert trained.exit_code == 0, trained.output
    assert "rows left out: their label window of 7 days is not over" in trained.stderr
    assert "amount_sum_30d" in trained.stdout
    assert "customer " not in trained.stdout
