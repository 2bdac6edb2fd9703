"""Columns of Parquet and CSV files, part by part, so that a file of any size is read in little memory."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scoreline.errors import InvalidRequestError

if TYPE_CHECKING:
    from _csv import Reader

Part: TypeAlias = Mapping[str, Sequence[Any]]
"""Some rows by column, all of one length; None or an empty text where a value is missing."""

_ROWS = 10_000


class Nanoseconds(int):
    """A time in ns since 1970, of a column whose type says that it holds times."""


def column_names(path: Path) -> list[str]:
    """The columns of a file. Raises InvalidRequestError where it is neither Parquet nor CSV."""
    return _parquet(path).schema_arrow.names if _is_parquet(path) else _csv_header(path)


def parts(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    """Some columns of a file, 10,000 rows at a time. Raises InvalidRequestError for a file that cannot be read."""
    return _parquet_parts(path, columns) if _is_parquet(path) else _csv_parts(path, columns)


def _is_parquet(path: Path) -> bool:
    if path.suffix not in {".parquet", ".csv"}:
        raise InvalidRequestError(f"{path} ends in neither .parquet nor .csv", reason="WRONG_TYPE")
    return path.suffix == ".parquet"


def _parquet(path: Path) -> Any:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        return parquet.ParquetFile(path)
    except arrow.ArrowInvalid as error:
        raise InvalidRequestError(f"{path} is not Parquet: {error}", reason="WRONG_TYPE") from error


def _parquet_parts(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    with _parquet(path) as file:
        for batch in file.iter_batches(_ROWS, columns=list(columns)):
            yield {name: _values(batch.column(name)) for name in columns}


def _values(column: Any) -> list[Any]:
    """The values of an Arrow column; times as Nanoseconds, exact."""
    pa = import_module("pyarrow")
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = column.cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
        return [None if time is None else Nanoseconds(time) for time in times]
    values: list[Any] = column.to_pylist()
    return values


def _csv_header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            header = next(csv.reader(file, strict=True), [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"{path} is not CSV in UTF-8: {error}", reason="WRONG_TYPE") from error
    for name, count in Counter(header).items():
        if count > 1:
            raise InvalidRequestError(f"{path}: duplicate column {name!r}", reason="WRONG_TYPE")
    return header


def _csv_parts(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    header = _csv_header(path)
    places = [header.index(name) for name in columns]
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _csv_lines(path, csv.reader(file, strict=True), len(header))
        next(lines, None)
        while rows := list(islice(lines, _ROWS)):
            yield {name: [row[place] for row in rows] for name, place in zip(columns, places, strict=True)}


def _csv_lines(path: Path, reader: "Reader", fields: int) -> Iterator[Sequence[str]]:
    """The lines of a CSV file, the header first; empty ones are left out."""
    try:
        for line in reader:
            if not line:
                continue
            if len(line) != fields:
                problem = f"has {len(line)} fields, the header has {fields}"
                raise InvalidRequestError(f"{path}, line {reader.line_num}: {problem}", reason="WRONG_TYPE")
            yield line
    except (csv.Error, UnicodeDecodeError) as error:
        problem = f"{path}, line {reader.line_num}: not CSV in UTF-8: {error}"
        raise InvalidRequestError(problem, reason="WRONG_TYPE") from error
