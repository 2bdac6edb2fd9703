"""Reads the texts of a table by its recipe: missing values, numbers written for people, and dates."""

from dataclasses import dataclass

import polars as pl

from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.nulls import NullsRead, as_numbers, without_null_texts
from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.data.reading.dates import format_of, parsed

_TRIED = 1000


@dataclass(frozen=True, slots=True)
class NumbersRead:
    """A column of text that was read as numbers, with one text of it."""

    column: str
    example: str


@dataclass(frozen=True, slots=True, eq=False)
class TextsRead:
    """A table whose texts were read, and which columns changed by it."""

    frame: pl.DataFrame
    nulls: tuple[NullsRead, ...]
    numbers: tuple[NumbersRead, ...]


def read_texts(frame: pl.DataFrame, columns: Columns) -> TextsRead:
    """Reads dates where the recipe needs their order, texts that mean "no value", and numbers with signs.

    Raises:
        DataError: a column of ``dates`` holds something else.
    """
    frame = _with_dates(frame, columns)
    frame, nulls = without_null_texts(frame, columns.null_values, ids=columns.id_columns, decimal=columns.decimal)
    categories = {spec.name for spec in columns.described if spec.kind == "category"}
    names = {*categories, *columns.id_columns, *([columns.label] if columns.positive is not None else [])}
    read: list[NumbersRead] = []
    for name in frame.select(pl.col(pl.String)).columns:
        numbers = None if name in names else _signed_numbers(frame[name], columns.decimal)
        if numbers is not None:
            read.append(NumbersRead(name, str(frame[name].drop_nulls()[0])))
            frame = frame.with_columns(numbers)
    return TextsRead(frame, nulls, tuple(read))


def _signed_numbers(texts: pl.Series, decimal: Decimal) -> pl.Series | None:
    """A column as numbers where plain text it is not; text of plain digits, such as codes, stays text."""
    known = texts.head(_TRIED).drop_nulls()
    if known.str.strip_chars().cast(pl.Float64, strict=False).null_count() == 0:
        return None
    return None if as_numbers(known, decimal) is None else as_numbers(texts, decimal)


def _with_dates(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The table with dates in the columns of ``dates``, and in those of text that rows are sorted by."""
    for name, form in columns.dates.items():
        if name in frame.columns and not frame[name].dtype.is_temporal():
            frame = frame.with_columns(parsed(frame[name], form))
    order = columns.sequence.order if columns.sequence else None
    for name in frame.select(pl.col(pl.String)).columns:
        found = format_of(frame[name]) if name in (columns.time, order) else None
        if found is not None:
            frame = frame.with_columns(parsed(frame[name], found))
    return frame
