"""Tables: reading, writing and identifying them."""

import csv
import gzip
import hashlib
import zlib
from io import BytesIO, StringIO
from pathlib import Path

import polars as pl
from polars import selectors as cs

from scoreline_registry.errors import first_line
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all

READABLE = (".csv", ".csv.gz", ".parquet")
SEPARATORS = (",", ";", "\t", "|")

_GZIP = b"\x1f\x8b"
_HEADER_BYTES = 2**20
_IN_WORDS_OF_CSV = {
    "invalid utf-8": "it is not UTF-8: save it with that encoding",
    "found more fields than defined": "a row has more fields than the header: quote values that hold the separator",
}


def as_frame(table: object) -> pl.DataFrame:
    """A Polars frame of any object with the Arrow PyCapsule interface, ``__arrow_c_stream__``.

    Raises:
        DataError: the object is no Arrow table.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if not hasattr(table, "__arrow_c_stream__"):
        raise DataError(
            "", f"a {type(table).__name__} is not a table: pass anything with the Arrow PyCapsule interface"
        )
    return pl.DataFrame(table)


def read_table(path: Path, *, separator: str | None = None) -> tuple[pl.DataFrame, str]:
    """Reads a CSV (plain or gzip) or Parquet file.

    Args:
        path: of the file.
        separator: between the columns of a CSV file; None for the one of SEPARATORS that its header has most of.

    Returns:
        The table and the sha256 of the file's bytes in hex.

    Raises:
        DataError: the file is not there, of another kind, or damaged.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError("", f"cannot read {path}: {error.strerror}; pass the file with --data") from error
    return _parse(path, raw, separator), hashlib.sha256(raw).hexdigest()


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Writes ``frame`` as the file's ending says, .csv or .parquet. Raises DataError for another ending."""
    if path.name.endswith(".parquet"):
        frame.write_parquet(path)
    elif path.name.endswith(".csv"):
        frame.write_csv(path)
    else:
        raise DataError("", f"cannot write {path.name}: name a .parquet or .csv file")


def table_digest(frame: pl.DataFrame) -> str:
    """Identifies a table that was read from no file: sha256 in hex over its flat columns and its lists of ids as CSV.

    CSV, because equal values give equal text however their memory is laid out.
    """
    buffer = BytesIO()
    ids = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List) and _names_ids(dtype)]
    texts = (pl.col(name).cast(pl.List(pl.String)).list.join("\n") for name in ids)
    frame.with_columns(texts).select(~(cs.nested() | cs.binary())).write_csv(buffer)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _names_ids(dtype: pl.List) -> bool:
    return dtype.inner == pl.String or dtype.inner.is_numeric()


def require(frame: pl.DataFrame, *names: str) -> None:
    """Raises DataError for the first of these columns that the table lacks, with the nearest one and all it has."""
    for name in names:
        if name not in frame.columns:
            raise DataError(name, f"is not in the table; {nearest_or_all(name, frame.columns, verb='it has')}")


def _parse(path: Path, raw: bytes, separator: str | None) -> pl.DataFrame:
    if path.is_dir() or not path.name.endswith(READABLE):
        raise DataError("", f"cannot read {path.name}: use {', '.join(READABLE)}")
    try:
        if path.name.endswith(".parquet"):
            return pl.read_parquet(BytesIO(raw))
        plain = gzip.decompress(raw) if raw.startswith(_GZIP) else raw
        separator = separator or _separator(plain)
        _check_header(path, _header(plain, separator))
        # The whole file decides the types: real files hold their first "1.00E+05" on line 20,000.
        return pl.read_csv(plain, separator=separator, infer_schema_length=None)
    except (pl.exceptions.PolarsError, EOFError, OSError, zlib.error) as error:
        raise DataError("", f"{path.name} is not a readable table: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of what a reader says; in words of CSV files where Polars speaks of its own."""
    text = first_line(error)
    return next((words for known, words in _IN_WORDS_OF_CSV.items() if known in text), text)


def _separator(plain: bytes) -> str:
    """The separator that makes most columns of the header; of several, the first."""
    return max(SEPARATORS, key=lambda separator: len(_header(plain, separator)))


def _header(plain: bytes, separator: str) -> list[str]:
    text = plain[:_HEADER_BYTES].decode("utf-8-sig", "replace")
    return next(csv.reader(StringIO(text, newline=""), delimiter=separator), [])


def _check_header(path: Path, names: list[str]) -> None:
    """Polars would call the second "x" "x_duplicated_0", and a copy of the label would become a feature."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError("", f"{path.name} has duplicate columns {twice!r}: give each another name")
