"""Tables: reading, writing and identifying them."""

import hashlib
from io import BytesIO
from pathlib import Path

import polars as pl
from polars import selectors as cs

from scoreline_trainers.errors import DataError

READABLE = (".csv", ".csv.gz", ".parquet")


def as_frame(table: object) -> pl.DataFrame:
    """Takes over anything that speaks the Arrow PyCapsule interface (``__arrow_c_stream__``), without a copy if it can.

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


def read_table(path: Path) -> tuple[pl.DataFrame, str]:
    """Reads a CSV (plain or gzip) or Parquet file.

    Returns:
        The table and the sha256 of the file's bytes in hex.

    Raises:
        DataError: the file is not there, of another kind, or damaged.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError("", f"cannot read {path}: {error.strerror}; pass the file with --data") from error
    return _parse(path, raw), hashlib.sha256(raw).hexdigest()


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Writes ``frame`` as the file's ending says, .csv or .parquet. Raises DataError for another ending."""
    if path.name.endswith(".parquet"):
        frame.write_parquet(path)
    elif path.name.endswith(".csv"):
        frame.write_csv(path)
    else:
        raise DataError("", f"cannot write {path.name}: name a .parquet or .csv file")


def table_digest(frame: pl.DataFrame) -> str:
    """Identifies a table that came from no file: sha256 in hex over its flat columns and its lists of ids as CSV.

    CSV, because equal values give equal text however their memory is laid out.
    """
    buffer = BytesIO()
    ids = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List) and _names_ids(dtype)]
    texts = (pl.col(name).cast(pl.List(pl.String)).list.join("\n") for name in ids)
    frame.with_columns(texts).select(~(cs.nested() | cs.binary())).write_csv(buffer)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _names_ids(dtype: pl.List) -> bool:
    return dtype.inner == pl.String or dtype.inner.is_numeric()


def _check_header(path: Path, raw: bytes) -> None:
    """Polars would call the second "x" "x_duplicated_0", and a copy of the label would become a feature."""
    names = pl.read_csv(raw, has_header=False, n_rows=1, infer_schema=False, truncate_ragged_lines=True).row(0)
    twice = next((name or "" for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError("", f"{path.name} has two columns {twice!r}: give every column a name of its own")


def _parse(path: Path, raw: bytes) -> pl.DataFrame:
    if not path.name.endswith(READABLE):
        raise DataError("", f"cannot read {path.name}: use {', '.join(READABLE)}")
    try:
        if path.name.endswith(".parquet"):
            return pl.read_parquet(BytesIO(raw))
        _check_header(path, raw)
        # The whole file decides the types: real files hold their first "1.00E+05" on line 20,000.
        return pl.read_csv(raw, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise DataError("", f"{path.name} is not a readable table: {error}".splitlines()[0]) from error
