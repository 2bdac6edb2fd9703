"""Reads CSV files as spreadsheets and databases write them: any separator, decimal commas, other encodings."""

import codecs
import csv
import re
from dataclasses import dataclass
from io import StringIO
from typing import Literal

import polars as pl

from scoreline_trainers.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"
"""The separator of columns that any run of spaces and tabs separates."""

Decimal = Literal[".", ","]

_HEADER_BYTES = 2**20
_MARGINS = re.compile(rb"^[ \t]+|[ \t]+(?=\r?$)", re.MULTILINE)
_RUNS = re.compile(rb"[ \t]+")
_NUMERAL = re.compile(r"\s*[+-]?\d+([.,]\d+)?\s*")
_LINES = 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Excel's of Western Europe; latin-1 has a character for every byte.
_GUESSES = ("utf-8", "cp1252", "latin-1")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a CSV file is written. What is None is found by looking at it.

    Attributes:
        separator: between columns, or WHITESPACE.
        decimal: before the decimals of a number.
        encoding: by Python's name.
        names: of the columns of a file without a header.
    """

    separator: str | None = None
    decimal: Decimal = "."
    encoding: str | None = None
    names: tuple[str, ...] = ()


def read_csv(raw: bytes, form: CsvFormat) -> pl.DataFrame:
    """The table of a CSV file's bytes; an Excel line ``sep=;`` before the header names its separator.

    Raises:
        DataError: the bytes are not in the encoding, a column name occurs twice, the header is the only line, or there
            are more or fewer columns than names.
        polars.exceptions.PolarsError: the rows do not fit the header.
    """
    text, named = _without_separator_line(_as_utf8(raw, form.encoding))
    separator = form.separator or named or separator_of(text)
    if separator == WHITESPACE:
        text, separator = _RUNS.sub(b"\t", _MARGINS.sub(b"", text)), "\t"
    if form.names:
        text = _with_header(text, form.names, separator)
    header = _header(text, separator)
    # Polars would call the second "x" "x_duplicated_0", and a copy of the label would become a feature.
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError("", f"has duplicate columns {twice!r}: give each another name")
    # The whole file decides the types: real files hold their first "1.00E+05" on line 20,000.
    return pl.read_csv(text, separator=separator, infer_schema_length=None, decimal_comma=form.decimal == ",")


def separator_of(text: bytes) -> str:
    """The separator that makes most columns of the header; of several, the first."""
    _, named = _without_separator_line(text)
    return named or max(SEPARATORS, key=lambda separator: len(_header(text, separator)))


def found_format(raw: bytes) -> CsvFormat:
    """How a CSV file is written, by looking at its bytes; the decimal sign is that of numbers, see ``numerals``.

    Raises:
        DataError: the first line holds numbers alone, and so no names.
    """
    encoding = encoding_of(raw)
    text = raw.decode(encoding).encode()
    separator = separator_of(text)
    header = _header(_without_separator_line(text)[0], separator)
    if len(header) == 1 and _in_runs(text):
        separator = WHITESPACE
        header = text.partition(b"\n")[0].decode().split()
    if len(header) > 1 and all(_NUMERAL.fullmatch(name) for name in header):
        raise DataError("", f"has no header: its first line is {', '.join(header[:4])}; put names of the columns there")
    return CsvFormat(separator, encoding=None if encoding == "utf-8" else encoding)


def _in_runs(text: bytes) -> bool:
    """Whether runs of spaces cut the first lines into equally many columns, at least two."""
    lines = [line.split() for line in text[:_HEADER_BYTES].splitlines()[:_LINES] if line.strip()]
    return len(lines) > 1 and len(lines[0]) > 1 and len({len(line) for line in lines}) == 1


def encoding_of(raw: bytes) -> str:
    """The encoding of a file's bytes: by its byte order mark, UTF-8 where they are valid, else a Western one."""
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    return marked or next(name for name in _GUESSES if _decodes(raw, name))


def _as_utf8(raw: bytes, encoding: str | None) -> bytes:
    """The bytes as UTF-8 without a byte order mark."""
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    used = encoding or marked or "utf-8"
    if used == "utf-8":
        if not _decodes(raw, used):
            raise DataError("", f"is not UTF-8: add `encoding: {encoding_of(raw)}` to the recipe, or save it as UTF-8")
        return raw
    try:
        return raw.decode(used).encode().removeprefix(codecs.BOM_UTF8)
    except LookupError as error:
        raise DataError("", f"cannot be read: there is no encoding {used!r}; try cp1252, latin-1 or utf-16") from error
    except UnicodeDecodeError as error:
        raise DataError("", f"is not written in {used}: add `encoding: {encoding_of(raw)}` to the recipe") from error


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _without_separator_line(text: bytes) -> tuple[bytes, str | None]:
    """The table behind a first line ``sep=;``, which Excel reads and writes, and the separator that it names."""
    line, _, rest = text.partition(b"\n")
    line = line.rstrip(b"\r").strip(b'"')
    if line.lower().startswith(b"sep=") and len(line) == len(b"sep=;"):
        return rest, line[-1:].decode()
    return text, None


def _with_header(text: bytes, names: tuple[str, ...], separator: str) -> bytes:
    """The text behind a line of ``names``. Raises DataError where its first line has another number of columns."""
    first = _header(text, separator)
    if len(first) != len(names):
        raise DataError("", f"has {len(first)} columns in its first line, and 'names' are {len(names)}")
    line = StringIO(newline="")
    csv.writer(line, delimiter=separator, lineterminator="\n").writerow(names)
    return line.getvalue().encode() + text.removeprefix(codecs.BOM_UTF8)


def _header(text: bytes, separator: str) -> list[str]:
    start = text[:_HEADER_BYTES].decode("utf-8-sig", "replace")
    return next(csv.reader(StringIO(start, newline=""), delimiter=separator), [])
