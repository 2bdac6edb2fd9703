import gzip
import hashlib
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from scoreline_trainers.data.tables import read_table, table_digest, write_table
from scoreline_trainers.errors import DataError

FRAME = pl.DataFrame({"x": [1, 2], "c": ["a", None]})


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    write_table(FRAME, tmp_path / name)
    frame, digest = read_table(tmp_path / name)
    assert frame.equals(FRAME)
    assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_a_gzip_csv_is_read_and_its_whole_length_decides_the_types(tmp_path: Path) -> None:
    rows = "".join(f"{number}\n" for number in range(5000)) + "1.00E+05\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(("x\n" + rows).encode()))
    assert read_table(tmp_path / "t.csv.gz")[0]["x"][-1] == 100_000.0


@pytest.mark.parametrize("header", ["a,y,y", "y,a,y", '"y",a,y', ",y,"])
def test_a_csv_with_two_columns_of_one_name_is_refused(tmp_path: Path, header: str) -> None:
    for name, pack in (("t.csv", bytes), ("t.csv.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(f"{header}\n1,0,0\n2,1,1\n".encode()))
        with pytest.raises(DataError, match=f"{name} has duplicate columns 'y?': give each another name"):
            read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "cannot read .*none.csv: No such file or directory; pass the file with --data"),
        ("t.xlsx", b"", "cannot read t.xlsx: use .csv, .tsv, .*.parquet: save the sheet as CSV"),
        ("t.parquet", b"PAR1 no", "t.parquet is not a readable table"),
        ("t.csv", b"", "t.csv is not a readable table"),
        (
            "t.csv",
            "a,b\nS\u00fcd,1\n".encode("latin-1"),
            "t.csv is not UTF-8: add `encoding: cp1252` to the recipe, or save it as UTF-8",
        ),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "t.csv is not a readable table: a row has more fields than the header"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / name)


def test_only_known_endings_are_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write t\.txt: name a \.parquet or \.csv file"):
        write_table(FRAME, tmp_path / "t.txt")


def test_equal_tables_have_equal_digests() -> None:
    halves = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    assert table_digest(FRAME) == table_digest(halves) != table_digest(FRAME[:1])


def test_tables_that_differ_in_their_durations_alone_have_different_digests() -> None:
    one, other = (pl.DataFrame({"d": [timedelta(days=days)]}) for days in (1, 2))
    assert table_digest(one) != table_digest(other)


def test_tables_that_differ_in_their_lists_alone_have_different_digests() -> None:
    one, other = (FRAME.with_columns(pl.Series("near", lists)) for lists in ([["a"], []], [[], ["a"]]))
    assert table_digest(one) == table_digest(one.clone()) != table_digest(other)
    assert table_digest(FRAME.with_columns(pl.Series("near", [[1], [2]]))) != table_digest(FRAME)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_the_header_has_most_of(tmp_path: Path, separator: str) -> None:
    (tmp_path / "t.csv").write_text(separator.join(("a", '"b,c;"', "d")) + "\n" + separator.join(("1", "x", "2.5")))
    frame, _ = read_table(tmp_path / "t.csv")
    assert frame.to_dict(as_series=False) == {"a": [1], "b,c;": ["x"], "d": [2.5]}


def test_a_separator_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b,c~d\n1~2\n")
    assert read_table(tmp_path / "t.csv", separator="~")[0].columns == ["a;b,c", "d"]


def test_a_header_behind_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("\ufeffa;b\n1;2\n".encode())
    assert read_table(tmp_path / "t.csv")[0].columns == ["a", "b"]


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n")[:-6])
    with pytest.raises(DataError, match=r"t\.csv\.gz is not a readable gzip file"):
        read_table(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(("first", "separator"), [("sep=;", ";"), ('"sep=\t"', "\t"), ("SEP=|\r", "|")])
def test_the_line_by_which_excel_names_the_separator_is_no_header(tmp_path: Path, first: str, separator: str) -> None:
    (tmp_path / "t.csv").write_text(f"{first}\na{separator}b,c\n1{separator}2\n", newline="")
    assert read_table(tmp_path / "t.csv")[0].to_dict(as_series=False) == {"a": [1], "b,c": [2]}


@pytest.mark.parametrize(("encoding", "marked"), [("latin-1", False), ("cp1252", False), ("utf-16", True)])
def test_other_encodings_are_read_where_they_are_named_or_marked(tmp_path: Path, encoding: str, marked: bool) -> None:
    (tmp_path / "t.csv").write_bytes("st\u00e4dt,n\nK\u00f6ln,1\n".encode(encoding))
    frame, _ = read_table(tmp_path / "t.csv", encoding=None if marked else encoding)
    assert frame.to_dict(as_series=False) == {"st\u00e4dt": ["K\u00f6ln"], "n": [1]}


@pytest.mark.parametrize(("encoding", "message"), [("utf-99", "no encoding 'utf-99'"), ("ascii", "`encoding: cp1252`")])
def test_an_encoding_that_does_not_fit_is_refused(tmp_path: Path, encoding: str, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(b"a\nK\xf6ln\n")
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.csv", encoding=encoding)


def test_decimal_commas_are_read_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1,5;x\n-2;y\n")
    assert read_table(tmp_path / "t.csv", decimal=",")[0]["a"].to_list() == [1.5, -2.0]


def test_quoted_line_ends_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'a,b\r\n"x\ny",1\r\nz,2\r\n')
    assert read_table(tmp_path / "t.csv")[0].to_dict(as_series=False) == {"a": ["x\ny", "z"], "b": [1, 2]}
