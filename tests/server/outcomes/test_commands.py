"""``scoreline outcomes`` as people and scripts use it: files in by a server or into a folder; what is there."""

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import scoreline
from scoreline import Outcome
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.outcomes.block import OutcomeBlock
from scoreline_server.outcomes.commands import outcomes
from scoreline_server.outcomes.follower import OutcomeFollower, rows_of
from scoreline_server.outcomes.log import OutcomeLog
from scoreline_server.outcomes.reader import outcome_files, read_outcomes
from tests.server.journals import FACTS

ZEROS = "0" * 24
DAY = 86_400 * 10**9
NOVEMBER = 1_793_491_200 * 10**9
"""The first of November 2026 in ns since 1970."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(outcomes, [str(argument) for argument in arguments])


@pytest.fixture
def address(credit: Registry, server: Server) -> str:
    """The address of a server with the route ``credit``."""
    del credit
    return server.address


@pytest.fixture
def scores(address: str) -> scoreline.Scores:
    """Three scored rows."""
    with scoreline.Client(address) as client:
        return client.score_many("credit", {"income": [1.0, 2.0, 3.0]}, entity_ids=["a", "b", "c"])


def kept(folder: Path) -> list[dict[str, Any]]:
    return [row for block in read_outcomes([folder]) for row in rows_of(block)]


def test_a_csv_is_reported_to_a_server(address: str, scores: scoreline.Scores, journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    lines = ["prediction_id,defaulted,seen,comment"]
    lines += [f"{scores.prediction_id[0]},true,2026-11-01,x", f"{scores.prediction_id[1]},0,2026-11-01T12:00:00+12:00,"]
    lines += [f"{scores.prediction_id[2]},,2026-11-01,", "", f"{ZEROS}-0,1,2026-11-01,"]
    file.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    done = run("import", file, "--route", "credit", "--name", "default", "--column", "value=defaulted",
               "--column", "observed_at=seen", "--server", address)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "3 outcomes kept, 0 rows refused, 1 rows without a value left out" in done.output
    assert f"1 prediction ids are not in this host's journal (kept all the same): {ZEROS}-0" in done.output
    rows = kept(journal)
    assert [(row["prediction_id"], row["name"], row["value"]) for row in rows] == [
        (scores.prediction_id[0], "default", 1), (scores.prediction_id[1], "default", 0), (f"{ZEROS}-0", "default", 1),
    ]  # fmt: skip
    assert [row["observed_at"] for row in rows] == [NOVEMBER, NOVEMBER, NOVEMBER]


def test_a_parquet_of_units_and_windows_goes_into_the_journal_of_a_registry(
    credit: Registry, tmp_path: Path, journal: Path
) -> None:
    file = tmp_path / "spend.parquet"
    table = pa.table({
        "customer": pa.array([17, 18]),
        "spend": pa.array([12.5, 0.0], pa.float32()),
        "name": pa.array(["spend", "spend"]).dictionary_encode(),
        "weight": pa.array([None, 0.5]),
        "observed_at": pa.array([NOVEMBER + 1, NOVEMBER], pa.timestamp("ns", "Europe/Berlin")),
        "since": pa.array([date(2026, 10, 1), date(2026, 10, 2)]),
    })  # fmt: skip
    pq.write_table(table, file)
    done = run("import", file, "--route", "credit", "--by", "unit", "--column", "unit=customer",
               "--column", "value=spend", "--within", "30d", "--registry", tmp_path / "registry", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "accepted": 2, "without_value": 0, "unchecked": False, "unknown": [], "refused": [],
    }  # fmt: skip
    first, second = kept(journal)
    assert (first["unit"], first["value"], first["weight"], second["weight"]) == ("17", 12.5, 1.0, 0.5)
    assert (first["since"], first["until"]) == (NOVEMBER + 1 - 30 * DAY, NOVEMBER + 1)
    assert first["observed_at"] == NOVEMBER + 1


def test_lines_of_json_are_rows_and_an_absent_key_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    rows = [{"prediction_id": f"{ZEROS}-0", "value": 1, "observed_at": "2026-11-01T12:30:00+01:00"},
            {"prediction_id": f"{ZEROS}-1", "value": True}, {"prediction_id": f"{ZEROS}-2"}]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, rows)))
    done = run("import", file, "--route", "credit", "--name", "x", "--journal", tmp_path / "j", "--json")
    report = json.loads(done.stdout)
    assert (report["accepted"], report["without_value"]) == (1, 1)
    [refused] = report["refused"]
    assert (refused["row"], refused["message"]) == (2, "observed_at: is missing")
    [row] = kept(tmp_path / "j")
    assert row["observed_at"] == NOVEMBER + (11 * 60 + 30) * 60 * 10**9


def test_wrong_rows_fail_alone_and_the_exit_code_says_so(tmp_path: Path) -> None:
    ahead = f"{datetime.fromtimestamp(time.time() + 4 * 86_400, UTC):%Y-%m-%d}"
    file = tmp_path / "labels.csv"
    rows = ["unit,name,value,since,until,observed_at", "a,spend,1,2026-01-01,2026-02-01,2026-03-01",
            "b,spend,nan,2026-01-01,2026-02-01,2026-03-01", "c,spend,1,2026-02-01,2026-01-01,2026-03-01",
            "d,spend,one,2026-01-01,2026-02-01,2026-03-01", "e,spend,1,yesterday,2026-02-01,2026-03-01",
            f"f,spend,1,2026-01-01,2026-02-01,{ahead}", ",spend,1,2026-01-01,2026-02-01,2026-03-01",
            "h,sp\tend,1,2026-01-01,2026-02-01,2026-03-01", "i,spend,2,2026-01-01,2026-02-01,2026-03-01"]  # fmt: skip
    file.write_text("\n".join(rows))
    done = run("import", file, "--route", "credit", "--journal", tmp_path / "j", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["accepted"] == 2
    assert [(one["row"], one["message"].partition(":")[0]) for one in report["refused"]] == [
        (2, "value"), (3, "until"), (4, "value"), (5, "since"), (6, "observed_at"), (7, "unit"), (8, "name"),
    ]  # fmt: skip
    assert [row["unit"] for row in kept(tmp_path / "j")] == ["a", "i"]
    plain = run("import", file, "--route", "credit", "--journal", tmp_path / "j")
    assert "row 4: value: takes a number, not 'one'" in plain.stderr


def test_columns_of_unexpected_types_fail_row_by_row(tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    right = {"unit": "a", "value": 1.0, "observed_at": datetime(2026, 1, 1, tzinfo=UTC), "weight": 1.0}
    for field, wrong in (("observed_at", 1_793_491_200), ("unit", 1.5), ("value", [1.0]), ("weight", "heavy")):
        row = {**right, field: wrong}
        pq.write_table(pa.table({name: [value] for name, value in row.items()}), file)
        done = run("import", file, "--route", "credit", "--name", "x", "--within", "1d", "--journal", tmp_path / "j",
                   "--json")  # fmt: skip
        [refused] = json.loads(done.stdout)["refused"]
        assert refused["message"].startswith(f"{field}: takes"), refused
    assert kept(tmp_path / "j") == []


def test_the_rows_of_a_large_file_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    rows = [f"{n:024x}-0,{'x' if n in {3, 25_000} else n % 2}" for n in range(25_001)]
    file.write_text("prediction_id,value\n" + "\n".join(rows))
    done = run("import", file, "--route", "credit", "--name", "default", "--journal", tmp_path / "j", "--json")
    report = json.loads(done.stdout)
    assert [one["row"] for one in report["refused"]] == [4, 25_001]
    assert report["accepted"] == len(report["unknown"]) == 24_999
    assert [len(block) for block in read_outcomes([tmp_path / "j"])] == [9_999, 10_000, 5_000]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--name", "x", "--column", "value=nope"],
            "there is no column 'nope' for value; there is 'prediction_id', 'v'",
        ),
        (["--name", "x"], "there is no column 'value': name it with --column"),
        (["--column", "value=v"], "there is no column 'name': name it with --column; or give --name"),
        (["--name", "x", "--column", "value=v", "--by", "unit"], "there is no column 'unit'"),
        (["--name", "x", "--column", "value=v", "--within", "3d"], "a window goes with units"),
    ],
)
def test_columns_that_are_missing_are_named(tmp_path: Path, arguments: list[str], says: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"prediction_id,v\n{ZEROS}-0,1\n")
    done = run("import", file, "--route", "credit", "--journal", tmp_path / "j", *arguments)
    assert says in str(done.exception)
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--column", "value"], "write FIELD=COLUMN"),
        (["--column", "score=x"], "the fields are prediction_id"),
        (["--within", "30"], "such as 45s, 30m, 2h or 7d"),
        (["--journal", "j", "--registry", "r"], "not both"),
        (["--registry", "nowhere"], "there is no folder for a journal beside nowhere"),
    ],
)
def test_wrong_options_are_bad_usage(tmp_path: Path, arguments: list[str], says: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"prediction_id,value\n{ZEROS}-0,1\n")
    done = run("import", file, "--route", "credit", "--name", "x", *arguments)
    assert done.exit_code == 2, done.output
    assert says in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"prediction_id,value\n1,2,3\n", "line 2: has 3 fields, the header has 2"),
        ("a.csv", b"value,value\n", "duplicate column 'value'"),
        ("a.csv", b"prediction_id,value\n\xff,1\n", "not CSV in UTF-8"),
        ("a.csv", b"", "there is no column 'value'"),
        ("a.parquet", b"PAR1", "is not Parquet"),
        ("a.jsonl", b'{"value": 1}\n\n{"value"\n', "line 3: not JSON"),
        ("a.jsonl", b"[1]\n", "line 1: not a JSON object"),
        ("a.txt", b"", "ends in none of .parquet, .csv, .jsonl"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = run("import", tmp_path / name, "--route", "credit", "--name", "x", "--journal", tmp_path / "j")
    if says == "there is no column 'value'":
        says = "there is no column"
    assert isinstance(done.exception, scoreline.InvalidRequestError)
    assert says in str(done.exception)


def test_status_counts_what_has_a_row_in_the_journal(
    address: str, scores: scoreline.Scores, journal: Path, registry: Registry, tmp_path: Path
) -> None:
    now = time.time_ns()
    with scoreline.Client(address) as client:
        ids = [*scores.prediction_id[:2], scores.prediction_id[0][:25] + "9", f"{ZEROS}-0"]
        client.report_outcomes("credit", [Outcome("default", 0, prediction_id=each, observed_at=5) for each in ids])
        client.report_outcomes("credit", [Outcome("default", 1, prediction_id=ids[0], observed_at=now)])
        windows = [("a", now - DAY, now + DAY), ("a", 1, 2), ("nobody", 1, now + DAY)]
        client.report_outcomes(
            "credit", [Outcome("spend", 2, unit=unit, since=since, until=until) for unit, since, until in windows]
        )
    done = run("status", "--registry", tmp_path / "registry", "--json")
    assert done.exit_code == 0, done.output
    [route] = json.loads(done.stdout)["routes"]
    assert (route["route"], route["reported"], route["replaced"]) == ("credit", 8, 1)
    default, spend = route["names"]
    assert (default["by"], default["outcomes"], default["matched"], default["mean"]) == ("prediction", 4, 2, 0.25)
    assert (default["first_observed"], default["last_observed"]) == (5, now)
    # The route has no split, so its rows have no unit but the entity id.
    assert (spend["by"], spend["outcomes"], spend["matched"]) == ("unit", 3, 1)
    plain = run("status", journal)
    assert "1 of 8 were repeated or corrected later" in plain.output


def test_status_names_a_torn_tail(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        log.append("credit", [Outcome("a", 1, prediction_id=f"{ZEROS}-0")])
    [path] = outcome_files([tmp_path])
    with path.open("ab") as file:
        file.write(OutcomeBlock.of("credit", 1, [Outcome("b", 1, unit="u", since=1, until=2)]).block()[:-1])
    done = run("status", tmp_path)
    assert done.exit_code == 0
    assert "torn tail" in done.stderr
    assert "credit" in done.stdout
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 1
    path.write_bytes(damaged + OutcomeBlock.of("credit", 1, [Outcome("b", 1, unit="u", since=1, until=2)]).block())
    done = run("status", tmp_path, "--json")
    assert done.exit_code == 1
    assert "damaged, bytes" in json.loads(done.stdout)["faults"][0]


def test_tail_prints_the_last_reported_and_hides_control_characters(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        for number in range(30):
            log.append("credit", [Outcome("a", number, unit=f"u{number}\x1b[2J", since=1, until=2, observed_at=3)] * 2)
        log.append("fraud", [Outcome("b", 1, prediction_id=f"{ZEROS}-0")])
    lines = run("tail", tmp_path, "-n", 3, "--route", "credit").stdout.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["28", "29", "29"]
    assert "\x1b" not in "".join(lines)
    rows = [json.loads(line) for line in run("tail", tmp_path, "-n", 2, "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == ["a", "b"]
    assert rows[0]["until"] == "1970-01-01T00:00:00.000000Z"
    assert run("tail", tmp_path, "-n", 0).stdout.count("\n") == 1


def test_a_follower_goes_on_with_what_is_reported_later(tmp_path: Path) -> None:
    with OutcomeLog(tmp_path, FACTS) as log:
        log.append("credit", [Outcome("a", 1, unit="u", since=1, until=2)])
        follower = OutcomeFollower([tmp_path], None)
        assert [row["name"] for row in follower.newest(10)] == ["a"]
        log.append("credit", [Outcome("b", 1, unit="u", since=1, until=2)])
        with OutcomeLog(tmp_path, FACTS) as other:
            other.append("fraud", [Outcome("c", 1, unit="u", since=1, until=2)])
        assert sorted(row["name"] for row in follower.news()) == ["b", "c"]
        assert list(follower.news()) == []
