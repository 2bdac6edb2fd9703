"""Reads the columns of a table as what they are: numbers, dates, categories, text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from scoreline_trainers.data.encoding import MAX_INFERRED_NAMES
from scoreline_trainers.data.nulls import NULL_TEXTS, as_numbers
from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.data.reading.dates import EPOCH_MILLISECONDS, EPOCH_SECONDS, format_of, parsed
from scoreline_trainers.data.reading.numerals import as_plain, unit_of
from scoreline_trainers.profiling.document import ColumnKind, Flag
from scoreline_trainers.profiling.names import BIRTH, OBSERVED, names_an_id, unit_named, words

_TRIED = 1000
_LARGEST = float(np.finfo(np.float32).max)
_FEW_NAMES = 50
# 2001 to 2096 in seconds.
_EPOCH = (1_000_000_000, 4_000_000_000)


@dataclass(frozen=True, slots=True, eq=False)
class ReadColumn:
    """A column with its values as what they are.

    Attributes:
        values: numbers, Datetime, Boolean or String; null where there is no value.
        type: as the table stores it.
        kind: how its values are read.
        date_format: of dates that are stored as something else.
        null_texts: texts that mean "no value", with the rows that have them.
        unit: of amounts, by their signs or their name.
        flags: what was seen while reading.
    """

    values: pl.Series
    type: str
    kind: ColumnKind
    date_format: str = ""
    null_texts: Mapping[str, int] = field(default_factory=dict)
    unit: str = ""
    flags: tuple[Flag, ...] = ()

    @property
    def name(self) -> str:
        """Of the column."""
        return self.values.name


def read_column(values: pl.Series, decimal: Decimal = ".") -> ReadColumn:
    """Reads one column of a table."""
    stored = str(values.dtype)
    if values.null_count() == len(values):
        return ReadColumn(values, stored, "empty")
    if values.dtype == pl.String:
        return _text(values, decimal)
    if values.dtype.is_numeric():
        return _number(values)
    if values.dtype in (pl.Date, pl.Datetime):
        return ReadColumn(_plain_dates(values), stored, "date")
    if values.dtype in (pl.Categorical, pl.Enum):
        return ReadColumn(values.cast(pl.String), stored, "category")
    return ReadColumn(values, stored, "boolean" if values.dtype == pl.Boolean else "nested")


def _plain_dates(values: pl.Series) -> pl.Series:
    if getattr(values.dtype, "time_zone", None):
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return values.cast(pl.Datetime("us"))


def _number(values: pl.Series) -> ReadColumn:
    stored, found = str(values.dtype), words(values.name)
    if values.dtype.is_float():
        values = values.fill_nan(None)
        if values.null_count() == len(values):
            return ReadColumn(values, stored, "empty")
    if values.dtype.is_integer() and values.dtype != pl.UInt64:
        form = format_of(values)
        if form is None and not (OBSERVED | BIRTH).isdisjoint(found) and not names_an_id(values.name):
            form = _epoch(values)
        if form is not None:
            return ReadColumn(parsed(values, form), stored, "date", date_format=form)
    finite, flags = _finite(values)
    return ReadColumn(finite, stored, "number", unit=unit_named(values.name), flags=flags)


def _finite(values: pl.Series) -> tuple[pl.Series, tuple[Flag, ...]]:
    """Numbers without those that are infinite in float32, and whether there are any."""
    finite = values.cast(pl.Float64).abs() <= _LARGEST
    if finite.all():
        return values, ()
    return values.zip_with(finite.fill_null(value=True), pl.Series([None], dtype=values.dtype)), ("infinite",)


def _epoch(values: pl.Series) -> str | None:
    whole = values.cast(pl.Int64)
    if whole.is_between(*_EPOCH).all():
        return EPOCH_SECONDS
    return EPOCH_MILLISECONDS if (whole // 1000).is_between(*_EPOCH).all() else None


def _text(values: pl.Series, decimal: Decimal) -> ReadColumn:
    stored = str(values.dtype)
    found = values.str.strip_chars().is_in(list(NULL_TEXTS)).fill_null(value=False)
    kept = values.zip_with(~found, pl.Series([None], dtype=pl.String)).alias(values.name)
    if kept.null_count() == len(kept):
        return ReadColumn(kept, stored, "empty", null_texts=_counted(values.filter(found)))
    nulls = _counted(values.filter(found))
    noted: tuple[Flag, ...] = ("null_texts",) if nulls else ()
    tried = kept.drop_nulls().head(_TRIED)
    numbers = None if as_numbers(tried, decimal) is None else as_numbers(kept, decimal)
    if numbers is not None and not _are_codes(tried):
        unit = unit_of(tried.unique().to_list()) or unit_named(values.name)
        finite, infinite = _finite(numbers)
        flags = (*noted, *_signs(tried), *infinite)
        return ReadColumn(finite, stored, "number", null_texts=nulls, unit=unit, flags=flags)
    form = None if numbers is not None else format_of(kept)
    if form is not None:
        return ReadColumn(parsed(kept, form), stored, "date", date_format=form, null_texts=nulls, flags=noted)
    return _names(values.zip_with(values != "", pl.Series([None], dtype=pl.String)).alias(values.name), decimal)


def _names(values: pl.Series, decimal: Decimal) -> ReadColumn:
    """A column of names or free text, in which texts that mean "no value" are names like the others."""
    known = values.drop_nulls()
    distinct = known.unique()
    numerals = as_plain(known, decimal)
    share = 1 - numerals.null_count() / len(numerals)
    flags: tuple[Flag, ...] = ("mixed",) if share > 1 / 2 and not _are_codes(known) else ()
    many = len(distinct) > _FEW_NAMES
    free = many and (len(distinct) > len(values) / 2 or len(distinct) > 10 * MAX_INFERRED_NAMES)
    return ReadColumn(values, "String", "text" if free or not _are_names(distinct) else "category", flags=flags)


def _are_names(distinct: pl.Series) -> bool:
    """Whether texts may be the names of a category in a contract."""
    trimmed = (distinct.str.strip_chars() == distinct) & distinct.str.len_chars().is_between(1, 200)
    return bool(trimmed.all()) and not distinct.str.contains(r"\p{C}").any()


def _are_codes(texts: pl.Series) -> bool:
    """Whether texts of digits are names, such as "007": some begin with 0."""
    return bool(texts.str.contains(r"^\s*0\d+\s*$").any())


def _signs(texts: pl.Series) -> tuple[Flag, ...]:
    plain = texts.str.strip_chars().cast(pl.Float64, strict=False)
    written = texts.filter(plain.is_null())
    if not len(written):
        return ()
    commas = bool(written.str.contains(r"^[\s+-]*\d+,\d+\s*$").all())
    return ("decimal_comma",) if commas else ("signs",)


def _counted(texts: pl.Series) -> dict[str, int]:
    counted = texts.alias("text").value_counts(sort=True)
    return dict(zip(counted["text"].to_list(), counted["count"].to_list(), strict=True))
