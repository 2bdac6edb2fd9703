"""Tables: reading, writing and identifying them."""

import gzip
import hashlib
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import polars as pl
from polars import selectors as cs

from scoreline_registry.errors import first_line
from scoreline_trainers.data.reading.csv_files import CsvFormat, Decimal, found_format, read_csv
from scoreline_trainers.data.reading.numerals import decimal_of
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import nearest_or_all

_TEXT = (".csv", ".tsv", ".txt")
READABLE = (*_TEXT, *(f"{ending}.gz" for ending in _TEXT), ".parquet")

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_IN_WORDS_OF_CSV = {
    "invalid utf-8": "it is not UTF-8: name its `encoding` in the recipe",
    "found more fields than defined": "a row has more fields than the header: quote values that hold the separator",
}
_OTHER_KINDS = {
    ".xlsx": ": save the sheet as CSV",
    ".xls": ": save the sheet as CSV",
    ".json": ": write it as Parquet or CSV",
    ".jsonl": ": write it as Parquet or CSV",
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


def read_table(
    path: Path,
    *,
    separator: str | None = None,
    decimal: Decimal = ".",
    encoding: str | None = None,
    names: tuple[str, ...] = (),
) -> tuple[pl.DataFrame, str]:
    """Reads a CSV (plain or gzip) or Parquet file.

    Args:
        path: of the file.
        separator: between the columns of a CSV file; None for the one of SEPARATORS that its header has most of.
        decimal: before the decimals of the numbers in a CSV file.
        encoding: of a CSV file by Python's name; None for UTF-8, or UTF-16 with a byte order mark.
        names: of the columns of a CSV file without a header.

    Returns:
        The table and the sha256 of the file's bytes in hex.

    Raises:
        DataError: the file is not there, of another kind, or damaged.
    """
    raw = read_bytes(path)
    return _parse(path, raw, CsvFormat(separator, decimal, encoding, names)), hashlib.sha256(raw).hexdigest()


def read_unknown(path: Path, *, separator: str | None = None) -> tuple[pl.DataFrame, CsvFormat]:
    """Reads a file of which nothing is known, and says how it is written. Raises DataError."""
    raw = read_bytes(path)
    if path.name.endswith(".parquet"):
        frame = _parse(path, raw, CsvFormat())
        return frame, CsvFormat(decimal=decimal_of(frame))
    try:
        found = found_format(plain_text(raw))
    except DataError as error:
        raise DataError("", f"{path.name} {error}") from error
    found = replace(found, separator=separator or found.separator)
    frame = _parse(path, raw, found)
    decimal = decimal_of(frame)
    if decimal == ".":
        return frame, found
    # With points read as decimals, "1.234" would be a number near 1.
    found = replace(found, decimal=decimal)
    return _parse(path, raw, found), found


def read_bytes(path: Path) -> bytes:
    """The bytes of a file with a table. Raises DataError where there is none, or one of another kind."""
    if path.is_dir() or (path.exists() and not path.name.endswith(READABLE)):
        raise DataError("", f"cannot read {path.name}: use {', '.join(READABLE)}{_OTHER_KINDS.get(path.suffix, '')}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError("", f"cannot read {path}: {error.strerror}; pass the file with --data") from error
    if raw.startswith(_ZIP):
        raise DataError("", f"{path.name} is a spreadsheet or another archive under this name: save the sheet as CSV")
    return raw


def plain_text(raw: bytes) -> bytes:
    """The bytes of a CSV file that may be compressed by gzip. Raises DataError for damaged ones."""
    try:
        return gzip.decompress(raw) if raw.startswith(_GZIP) else raw
    except (EOFError, OSError, zlib.error) as error:
        raise DataError("", f"is not a readable gzip file: {first_line(error)}") from error


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Writes ``frame`` as the file's ending says, .csv or .parquet.

    Raises:
        DataError: another ending, or lists in a CSV file.
    """
    if path.name.endswith(".parquet"):
        frame.write_parquet(path)
    elif path.name.endswith(".csv"):
        nested = next((name for name, dtype in frame.schema.items() if dtype.is_nested()), None)
        if nested is not None:
            raise DataError(nested, "holds lists, which CSV files cannot: name a .parquet file")
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
    frame.with_columns(texts).with_columns(cs.duration().dt.total_nanoseconds()).select(
        ~(cs.nested() | cs.binary())
    ).write_csv(buffer)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _names_ids(dtype: pl.List) -> bool:
    return dtype.inner == pl.String or dtype.inner.is_numeric()


def require(frame: pl.DataFrame, *names: str) -> None:
    """Raises DataError for the first of these columns that the table lacks, with the nearest one and all it has."""
    for name in names:
        if name not in frame.columns:
            raise DataError(name, f"is not in the table; {nearest_or_all(name, frame.columns, verb='it has')}")


def _parse(path: Path, raw: bytes, form: CsvFormat) -> pl.DataFrame:
    try:
        if path.name.endswith(".parquet"):
            return pl.read_parquet(BytesIO(raw))
        return read_csv(plain_text(raw), form)
    except pl.exceptions.PolarsError as error:
        raise DataError("", f"{path.name} is not a readable table: {_reason(error)}") from error
    except DataError as error:
        raise DataError("", f"{path.name} {error}") from error


def _reason(error: Exception) -> str:
    """The first line of what a reader says; in words of CSV files where Polars speaks of its own."""
    text = first_line(error)
    return next((words for known, words in _IN_WORDS_OF_CSV.items() if known in text), text)
