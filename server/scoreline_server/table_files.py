"""Columns of Parquet, CSV and JSON Lines files, part by part, so that a file of any size is read in little memory."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from scoreline.errors import InvalidRequestError

if TYPE_CHECKING:
    from _csv import Reader

Part: TypeAlias = Mapping[str, Sequence[Any]]
"""Some rows by column, all of one length; None or an empty text where a value is missing."""

_ROWS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Nanoseconds(int):
    """A time in ns since 1970, of a column whose type says that it holds times."""


def column_names(path: Path) -> list[str]:
    """The columns of a file; those of JSON Lines are the keys of all its lines.

    Raises InvalidRequestError where it is none of the three formats.
    """
    return _reader(path).names(path)


def parts(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    """Some columns of a file, 10,000 rows at a time. Raises InvalidRequestError for a file that cannot be read."""
    return _reader(path).parts(path, columns)


def time_of(column: str, value: Any) -> Nanoseconds:
    """The time of a cell. A text is ISO 8601, in UTC unless it says otherwise.

    Raises InvalidRequestError that names the column for any other value; a bare number says no unit.
    """
    if isinstance(value, Nanoseconds):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        shown = repr(value)[:40]
        problem = f"{column}: takes a column of times, or texts such as 2026-11-01T12:30:00Z, not {shown}"
        raise InvalidRequestError(problem, reason="WRONG_TYPE") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return Nanoseconds(((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000)


def is_missing(value: Any) -> bool:
    """Whether a cell is empty."""
    return value is None or (isinstance(value, str) and not value)


class _Reader(NamedTuple):
    """How the files of a format are read."""

    names: Callable[[Path], list[str]]
    parts: Callable[[Path, Sequence[str]], Iterator[Part]]


def _reader(path: Path) -> _Reader:
    found = _READERS.get(path.suffix)
    if found is None:
        raise InvalidRequestError(f"{path} ends in none of {', '.join(_READERS)}", reason="WRONG_TYPE")
    return found


def _parquet_names(path: Path) -> list[str]:
    with _parquet(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


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


def _json_names(path: Path) -> list[str]:
    return list(dict.fromkeys(name for row in _json_rows(path) for name in row))


def _json_parts(path: Path, columns: Sequence[str]) -> Iterator[Part]:
    lines = _json_rows(path)
    while rows := list(islice(lines, _ROWS)):
        yield {name: [row.get(name) for row in rows] for name in columns}


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a file with one in each line; empty lines are left out."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidRequestError(f"{path}, line {number}: not JSON: {error}", reason="WRONG_TYPE") from error
            if not isinstance(row, dict):
                raise InvalidRequestError(f"{path}, line {number}: not a JSON object", reason="WRONG_TYPE")
            yield row


_READERS: Mapping[str, _Reader] = {
    ".parquet": _Reader(_parquet_names, _parquet_parts),
    ".csv": _Reader(_csv_header, _csv_parts),
    ".jsonl": _Reader(_json_names, _json_parts),
}
