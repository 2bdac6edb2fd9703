"""``scoreline journal`` as people and scripts use it."""

import csv
import json
import os
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.journal.commands import journal
from scoreline_server.journal.reading.follower import Follower
from scoreline_server.journal.reading.reader import journal_files
from scoreline_server.journal.writing.slimming import slim
from scoreline_server.journal.writing.writer import Journal
from scoreline_server.scoring.catalog import Catalog
from tests.printing import printing
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import ROUTE, apply
from tests.server.toys import CITY, FEATURES, publish_linear, publish_sequence
from tests.server.wire import entity, named


def run(*arguments: object) -> Result:
    return CliRunner().invoke(journal, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "registry-journal"


@pytest.fixture
def catalog(registry: Registry) -> Catalog:
    """Two routes that have little in common."""
    publish_linear(registry, "linear", (1.0, 0, 0, 0), features=(*FEATURES, CITY), aliases=("champion",))
    apply(registry, ROUTE.replace("debt: number", "debt: number, city: category"))
    publish_sequence(registry, "history", aliases=("champion",))
    apply(registry, "route: late\nschema: {like: history@champion}\nrules: [{split: {history@champion: 100}}]\n")
    return catalog_of(registry)


def write(journal: Journal, catalog: Catalog, *requests: pb.ScoreRequest) -> list[pb.ScoreResponse]:
    answers, seen = scored(catalog, *requests)
    for batch in seen:
        journal(batch)
    return answers


@pytest.fixture
def answers(catalog: Catalog, folder: Path) -> list[pb.ScoreResponse]:
    """A journal of three calls: two rows of credit, the same again, one of late; all with one request id."""
    writer = journal_in(folder)
    credit = named(entity("a", income=1.0, city='o"slo, "', context={"x": 1}), entity("b"))
    late = named(entity("h", steps=[{"paid": 1.0}, {"late": 2.0}]), route="late")
    credit.request_id = late.request_id = "r1"
    told = [*write(writer, catalog, credit), *write(writer, catalog, credit), *write(writer, catalog, late)]
    writer.close()
    return told


def test_tables_of_all_kinds_say_the_same(answers: list[pb.ScoreResponse], folder: Path, tmp_path: Path) -> None:
    for kind in ("parquet", "csv", "jsonl"):
        done = run("export", folder, "--out", tmp_path / f"t.{kind}")
        assert done.exit_code == 0
        assert done.output == f"5 rows in {tmp_path / f't.{kind}'}\n"
    parquet = pq.read_table(tmp_path / "t.parquet").to_pylist()
    with (tmp_path / "t.csv").open(newline="") as file:
        texts = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["prediction_id"] for row in parquet] == [row["prediction_id"] for row in texts]
    assert parquet[0]["prediction_id"] == answers[0].scores[0].prediction_id
    assert parquet[0]["score"] == answers[0].scores[0].score
    for row, text, line in zip(parquet, texts, lines, strict=True):
        assert {name for name, value in row.items() if value is not None} == set(line)
        for name in ("entity_id", "arm", "error", "feature.city", "context", "model_digest"):
            assert (row[name] or "") == text[name] == line.get(name, "")
        for name in ("feature.income", "score", "version", "missing"):
            assert row[name] == line.get(name)
        assert row["step.paid"] == line.get("step.paid")
        assert f"{row['time']:%Y-%m-%dT%H:%M:%S}" == line["time"][:19] == text["time"][:19]
    assert parquet[0]["feature.city"] == 'o"slo, "'
    assert [row["step.paid"] for row in parquet] == [None] * 4 + [[1.0, None]]


def test_an_export_is_of_a_route_of_a_time_and_without_retries(
    answers: list[pb.ScoreResponse], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.jsonl"
    assert run("export", folder, "--out", out, "--drop-retries").output.startswith("3 rows")
    assert run("export", folder, "--out", out, "--route", "late").output.startswith("1 rows")
    assert run("export", folder, "--out", out, "--since", "2100-01-01").output.startswith("0 rows")
    assert run("export", folder, "--out", out, "--until", "2100-01-01").output.startswith("5 rows")
    assert run("export", folder, "--out", out, "--shadows").output.startswith("0 rows")
    wrong = run("export", folder, "--out", tmp_path / "t.xlsx")
    assert wrong.exit_code == 2
    assert ".parquet" in wrong.output


def test_the_journal_of_a_registry_is_found(answers: list[pb.ScoreResponse], folder: Path) -> None:
    assert run("verify", "--registry", folder.with_name("registry")).exit_code == 0
    missing = run("verify", "--registry", folder.with_name("other"))
    assert missing.exit_code == 2
    assert "other-journal" in missing.output


def test_verify_tells_a_torn_tail_from_damage(answers: list[pb.ScoreResponse], folder: Path) -> None:
    assert run("verify", folder).output == "1 files, 5 rows, 0 torn tails, 0 damages\n"
    (file,) = journal_files([folder])
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    torn = run("verify", folder)
    assert torn.exit_code == 0
    assert f"{file}: torn tail, bytes " in torn.output
    file.write_bytes(whole[:-3] + b"abc")
    damaged = run("verify", "--json", folder)
    assert damaged.exit_code == 1
    (fault,) = json.loads(damaged.output)["faults"]
    assert (fault["problem"], fault["torn"], fault["end"]) == ("the checksum is wrong", False, len(whole))


def test_commands_read_files_with_and_without_inputs_together(
    answers: list[pb.ScoreResponse], catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    (old,) = journal_files([folder])
    slim(old, time.time())
    newest = journal_in(folder)
    write(newest, catalog, named(entity("new", income=2.0)))
    newest.close()
    assert run("verify", folder).output == "2 files (1 without inputs), 6 rows, 0 torn tails, 0 damages\n"
    assert json.loads(run("verify", "--json", folder).output)["slim"] == 1
    assert run("export", folder, "--out", tmp_path / "rows.csv", "--route", "credit").exit_code == 0
    with (tmp_path / "rows.csv").open() as file:
        incomes = {row["entity_id"]: row["feature.income"] for row in csv.DictReader(file)}
    assert incomes.pop("new") == "2.0"
    assert set(incomes.values()) == {""}


def test_tail_shows_the_newest_rows_of_all_files(
    answers: list[pb.ScoreResponse], catalog: Catalog, folder: Path
) -> None:
    newest = journal_in(folder)
    write(newest, catalog, named(entity("new", income=2.0)))
    newest.close()
    rows = [json.loads(line) for line in run("tail", folder, "--json", "-n", "3").output.splitlines()]
    assert [row["entity_id"] for row in rows] == ["b", "h", "new"]
    assert len(run("tail", folder).output.splitlines()) == 1 + 6
    nothing = run("tail", folder, "--json", "-n", "0")
    assert (nothing.exit_code, nothing.output) == (0, "")
    header, line = run("tail", folder, "-n", "1", "--route", "late").output.splitlines()
    shown = dict(zip(header.split(), line.split(), strict=True))
    assert (shown["prediction_id"], shown["route"]) == (answers[2].scores[0].prediction_id, "late")


def test_tail_follows_what_is_written(
    answers: list[pb.ScoreResponse], catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "scoreline", "journal", "tail", "-f", "-n", "1", "--json", str(folder)]
    with printing(command, tmp_path / "stderr.txt") as program:
        assert json.loads(program.next_line())["entity_id"] == "h"
        writer = journal_in(folder)
        for name in ("one", "two"):
            write(writer, catalog, named(entity(name, income=2.0)))
            assert json.loads(program.next_line())["entity_id"] == name
        writer.close()


def test_files_that_are_too_old_to_matter_are_not_read(
    answers: list[pb.ScoreResponse], catalog: Catalog, folder: Path
) -> None:
    (old,) = journal_files([folder])
    os.utime(old, (time.time() - 1000,) * 2)
    writer = journal_in(folder)
    write(writer, catalog, named(entity("new", income=2.0)))
    writer.close()
    follower = Follower([folder], None)
    (row,) = follower.newest(1)
    assert row["entity_id"] == "new"
    assert follower._passed == {old}
    assert [row["entity_id"] for row in Follower([folder], None).newest(2)] == ["h", "new"]
