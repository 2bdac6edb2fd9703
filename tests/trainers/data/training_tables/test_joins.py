from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scoreline_trainers.data.training_tables.assembly import TrainingTable, training_table
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DataError

ROWS = "id,when,amount\n3,2024-03-01,7\n1,2024-01-10,5\n2,2024-02-01,6\n1,2024-02-10,8\n"
LABELS = "customer,left\n1,0\n2,1\n3,0\n"
SEGMENTS = "id,since,segment\n1,2024-01-01,new\n1,2024-02-10,old\n2,2024-02-02,new\n3,2023-01-01,new\n"


def made(folder: Path, spec: Mapping[str, Any], **files: str) -> TrainingTable:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return training_table(Sources.model_validate(spec), folder=folder)


def test_a_label_table_is_joined_by_key_and_the_order_of_rows_is_kept(tmp_path: Path) -> None:
    join = {"file": "labels.csv", "by": {"id": "customer"}}
    table = made(tmp_path, {"table": "rows.csv", "joins": [join]}, rows=ROWS, labels=LABELS)
    assert table.frame.columns == ["id", "when", "amount", "left"]
    assert table.frame["id"].to_list() == [3, 1, 2, 1]
    assert table.frame["left"].to_list() == [0, 0, 1, 0]


@pytest.mark.parametrize(("how", "found"), [("left", ["new", "new", None, "old"]), ("inner", ["new", "new", "old"])])
def test_the_newest_row_that_is_not_after_the_rows_time_is_joined(
    tmp_path: Path, how: str, found: list[str | None]
) -> None:
    join = {"file": "segments.csv", "by": "id", "as_of": "since", "how": how}
    spec = {"table": {"file": "rows.csv", "time": "when"}, "joins": [join]}
    table = made(tmp_path, spec, rows=ROWS, segments=SEGMENTS)
    assert table.frame["segment"].to_list() == found
    assert table.frame.columns == ["id", "when", "amount", "segment"]


def test_a_row_older_than_the_greatest_age_counts_as_missing(tmp_path: Path) -> None:
    join = {"file": "segments.csv", "by": "id", "as_of": "since", "max_age_days": 30}
    spec = {"table": {"file": "rows.csv", "time": "when"}, "joins": [join]}
    assert made(tmp_path, spec, rows=ROWS, segments=SEGMENTS).frame["segment"].to_list() == [None, "new", None, "old"]


def test_columns_are_chosen_and_prefixed(tmp_path: Path) -> None:
    rows = {"file": "rows.csv", "where": "id <= 2"}
    join = {"file": "more.csv", "by": "id", "columns": ["amount"], "prefix": "limit_", "scale": {"amount": 0.01}}
    table = made(tmp_path, {"table": rows, "joins": [join]}, rows=ROWS, more="id,amount,x\n1,500,a\n2,700,b\n")
    assert table.frame.columns == ["id", "when", "amount", "limit_amount"]
    assert table.frame["limit_amount"].to_list() == [5.0, 7.0, 5.0]


@pytest.mark.parametrize(("keep", "score"), [("first", 10), ("last", 20)])
def test_of_a_repeated_key_the_row_that_is_asked_for_is_joined(tmp_path: Path, keep: str, score: int) -> None:
    join = {"file": "scores.csv", "by": "id", "keep": keep, "how": "inner"}
    table = made(tmp_path, {"table": "rows.csv", "joins": [join]}, rows=ROWS, scores="id,score\n1,10\n1,20\n")
    assert table.frame["score"].to_list() == [score, score]


@pytest.mark.parametrize(
    ("join", "message"),
    [
        (
            {"by": "id", "columns": ["x"]},
            r"column 'id' of more.csv has duplicate keys: 1 \(1 in all\)",
        ),
        ({"by": "id", "keep": "last", "columns": ["left"]}, "more.csv: column 'left' is not in the table"),
        ({"by": "id", "keep": "last", "columns": ["amount"]}, "column 'amount' of more.csv is in the table already"),
        ({"by": {"id": "name"}, "columns": ["x"]}, "column 'id' holds Int64 and 'name' of more.csv holds String"),
        ({"by": "idd"}, "column 'idd' is not in the table; did you mean 'id'"),
        ({"by": "id", "as_of": "x", "columns": ["name"]}, "more.csv: 'as_of' needs the 'time' of the table's rows"),
    ],
)
def test_a_join_that_does_not_fit_is_one_clear_error(tmp_path: Path, join: dict[str, object], message: str) -> None:
    spec = {"table": "rows.csv", "joins": [{"file": "more.csv", **join}]}
    with pytest.raises(DataError, match=message):
        made(tmp_path, spec, rows=ROWS, more="id,name,amount,x\n1,a,1,2024-01-01\n1,b,2,2024-01-02\n")


def test_values_are_replaced_and_repeated_rows_dropped_and_counted(tmp_path: Path) -> None:
    rows = {"file": "rows.csv", "replace": {"status": {"C": 0, "X": None}}, "unique": ["id", "month"]}
    table = made(tmp_path, {"table": rows}, rows="id,month,status\n1,1,C\n1,2,3\n1,2,3\n2,1,X\n")
    assert table.frame["status"].to_list() == [0.0, 3.0, None]
    assert table.notes == ("rows.csv: 1 rows with a repeated id, month dropped",)


def test_columns_between_runs_of_spaces_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text(" id  day amount\r\n 1  19970101   3.5\n 02 19970102 4  \n")
    frame = made(tmp_path, {"table": {"file": "rows.txt", "separator": "whitespace"}}).frame
    assert frame.rows() == [(1, 19970101, 3.5), (2, 19970102, 4.0)]


def test_the_digest_changes_with_a_file_and_with_the_description(tmp_path: Path) -> None:
    first = made(tmp_path, {"table": "rows.csv"}, rows=ROWS).digest
    assert made(tmp_path, {"table": "rows.csv"}).digest == first
    assert made(tmp_path, {"table": {"file": "rows.csv", "where": "id > 0"}}).digest != first
    assert made(tmp_path, {"table": "rows.csv"}, rows=ROWS + "4,2024-01-01,3\n").digest != first


def test_a_file_is_found_by_an_environment_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    monkeypatch.setenv("TABLES", str(tmp_path))
    assert len(training_table(Sources.model_validate({"table": "${TABLES}/rows.csv"}), folder=Path()).frame) == 4
    monkeypatch.delenv("TABLES")
    with pytest.raises(DataError, match=r"the file is \${TABLES}/rows.csv: set TABLES"):
        training_table(Sources.model_validate({"table": "${TABLES}/rows.csv"}), folder=Path())


def test_parquet_and_csv_make_the_same_table(tmp_path: Path) -> None:
    csv = made(tmp_path, {"table": "rows.csv"}, rows=ROWS).frame
    csv.write_parquet(tmp_path / "rows.parquet")
    assert made(tmp_path, {"table": "rows.parquet"}).frame.equals(csv)
