"""``scoreline replay`` as people and scripts use it."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.commands import replay_command
from tests.server.analysis.replay.replays import THIS, journal_calls, publish_split, requests_of
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.wire import entity, named


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The journal that the registry's server writes by default."""
    return tmp_path / "registry-journal"


@pytest.fixture
def split(registry: Registry) -> Registry:
    publish_split(registry)
    return registry


def run(tmp_path: Path, *arguments: object) -> Result:
    return CliRunner().invoke(
        replay_command, ["--registry", str(tmp_path / "registry"), *(str(argument) for argument in arguments)]
    )


def journal_with_a_wrong_score(registry: Registry, folder: Path) -> str:
    """Journals 20 rows, one of them with a score that is 0.25 too high; returns its prediction id."""
    journal = journal_in(folder, facts=THIS)
    (answer,), (batch,) = scored(catalog_of(registry), named(*(entity(f"c{at}", income=0.5) for at in range(20))))
    batch.results.scores[7] += np.float32(0.25)
    journal(batch)
    journal.close()
    return answer.scores[7].prediction_id


def test_equal_scores_exit_with_0(split: Registry, folder: Path, tmp_path: Path) -> None:
    journal_calls(folder, split, requests_of(30, seed=1))
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    report = json.loads(run(tmp_path, "--json").output)
    assert (report["mode"], report["beyond"], report["errors"]) == ("as decided", 0, [])
    scores = report["scores"]
    assert scores["equal"] == scores["rows"] > 50
    assert f"{scores['rows']} of {scores['rows']} scores are equal bit for bit\n" in done.output
    assert done.output.endswith("no row differs by more than is allowed\n")


def test_a_difference_is_shown_and_exits_with_1_unless_it_is_allowed(
    split: Registry, folder: Path, tmp_path: Path
) -> None:
    prediction = journal_with_a_wrong_score(split, folder)
    done = run(tmp_path)
    assert done.exit_code == 1
    assert "19 of 20 scores are equal bit for bit\n" in done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith(prediction)]
    assert line.split()[1] == "c7"
    assert done.output.endswith("1 rows differ by more than is allowed\n")
    assert run(tmp_path, "--allow", 0.3).exit_code == 0


def test_rows_are_written_with_both_scores(split: Registry, folder: Path, tmp_path: Path) -> None:
    prediction = journal_with_a_wrong_score(split, folder)
    for kind in ("parquet", "csv", "jsonl"):
        done = run(tmp_path, "--out", tmp_path / f"rows.{kind}", "--allow", 1)
        assert done.exit_code == 0, done.output
        assert f"every row is in {tmp_path / f'rows.{kind}'}\n" in done.output
    rows = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert [row["prediction_id"] for row in csv.DictReader(file)] == [row["prediction_id"] for row in rows]
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [line["score"] for line in lines] == [row["score"] for row in rows]
    (wrong,) = [row for row in rows if row["difference"]]
    assert wrong["prediction_id"] == prediction
    assert wrong["difference"] == pytest.approx(-0.25)
    assert wrong["difference"] == wrong["replayed_score"] - wrong["score"]
    assert {row["replayed_model"] for row in rows} == {row["model"] for row in rows}


def test_another_version_is_compared_with_what_was_served(split: Registry, folder: Path, tmp_path: Path) -> None:
    journal_calls(folder, split, requests_of(30, seed=2))
    done = run(tmp_path, "--with", "linear@2", "--route", "credit")
    assert done.exit_code == 0, done.output
    assert "rows scored again, with linear@2\n" in done.output
    for heading in ("QUANTILE  0  0.01", "CUT-OFF", "BAND  REPLAYED", "PREDICTION"):
        assert any(" ".join(heading.split()) in " ".join(line.split()) for line in done.output.splitlines()), heading
    assert done.output.endswith("the rows may differ: they were not scored as they were decided\n")


def test_rows_are_selected_by_time_and_route(split: Registry, folder: Path, tmp_path: Path) -> None:
    journal_calls(folder, split, requests_of(5, seed=3))
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    assert run(tmp_path, "--until", tomorrow, "--route", "credit").exit_code == 0
    for other in (("--since", tomorrow), ("--route", "other"), ("--until", "2020-01-01")):
        done = run(tmp_path, *other)
        assert done.exit_code == 1
        assert done.output.endswith("no row was selected: look at --route, --since and --until\n")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--as-of", 4, "--with", "linear@2"), 2, "give --as-of or --with, not both"),
        (("--as-of", 99), 1, "revision '99' is not in the registry"),
        (("--with", "linear@9"), 1, "linear@9"),
        (("--with", "linear"), 2, "linear"),
        (("/nowhere",), 2, "/nowhere"),
        (("--allow", "nan"), 2, "--allow is the largest difference that is no failure, not nan"),
        (("--out", "rows.xls"), 2, "ends in none of .parquet, .csv and .jsonl"),
        (("--as-of", 1), 1, "route 'credit' is not in the registry"),
    ],
)
def test_mistakes_are_named_in_one_line(
    split: Registry, folder: Path, tmp_path: Path, arguments: tuple[object, ...], code: int, text: str
) -> None:
    journal_calls(folder, split, requests_of(3, seed=4))
    done = run(tmp_path, *arguments)
    assert done.exit_code == code
    assert text in done.output.splitlines()[-1]
