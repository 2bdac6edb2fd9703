"""Reads texts that mean "no value", such as ``NA``, as missing values.

A CSV file writes a missing number as ``NA``, ``?`` or ``-``, and one such cell makes text of the whole column. Where
everything else in a column is a number, these texts are read as missing. In a column of names they stay: ``NA`` may be
Namibia. A recipe's ``null_values`` lists other texts and holds for every column.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.data.reading.numerals import as_plain
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import as_yaml

NULL_TEXTS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "none", "?", "-", "--", ".")
"""As spreadsheets, databases, R, SAS and pandas write them."""

DECIMAL_COMMA = 'these numbers have a decimal comma: add `decimal: ","` to the recipe'

_SHOWN = 3
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, slots=True)
class NullsRead:
    """How many cells of ``column`` were read as missing, by their text."""

    column: str
    counts: Mapping[str, int]


def without_null_texts(
    frame: pl.DataFrame,
    null_values: Sequence[str] | None = None,
    *,
    ids: Collection[str] = (),
    decimal: Decimal = ".",
) -> tuple[pl.DataFrame, tuple[NullsRead, ...]]:
    """Replaces texts that mean "no value" by nulls; what is left of a column becomes numbers where all of it is.

    Args:
        frame: a table as read.
        null_values: the texts, in every column; None for NULL_TEXTS in columns that otherwise hold numbers.
        ids: columns whose texts are names and stay as they are.
        decimal: before the decimals of numbers.
    """
    read: list[NullsRead] = []
    for name, dtype in frame.schema.items():
        if dtype != pl.String or name in ids:
            continue
        texts = NULL_TEXTS if null_values is None else null_values
        found = frame[name].str.strip_chars().is_in(list(texts)).fill_null(value=False)
        if not found.any():
            continue
        kept = frame[name].zip_with(~found, pl.Series([None], dtype=pl.String))
        numbers = as_numbers(kept, decimal)
        if numbers is None and null_values is None:
            continue
        read.append(NullsRead(name, _counts(frame[name].filter(found))))
        frame = frame.with_columns((kept if numbers is None else numbers).alias(name))
    return frame, tuple(read)


def as_numbers(texts: pl.Series, decimal: Decimal = ".") -> pl.Series | None:
    """A column of text as whole numbers or floats; None where some text is no number, or none is known.

    Thousands separators, percent signs and signs of currencies are no part of the number, see ``reading.numerals``.
    """
    if texts.null_count() == len(texts):
        return None
    plain = _cast(texts) if decimal == "." else None
    return _cast(as_plain(texts, decimal), texts) if plain is None else plain


def _cast(plain: pl.Series, texts: pl.Series | None = None) -> pl.Series | None:
    """Plain numbers as Int64 or Float64; None where fewer are numbers than ``texts`` has values."""
    known = (plain if texts is None else texts).null_count()
    for dtype in (pl.Int64, pl.Float64):
        numbers = plain.str.strip_chars().cast(dtype, strict=False)
        if numbers.null_count() == known:
            return numbers
    return None


def numbers_in(texts: pl.Series, claim: str) -> pl.Series:
    """A column of text as numbers. Raises DataError that names the other texts; ``claim`` begins the message."""
    numbers = as_numbers(texts)
    if numbers is None:
        others = not_numbers(texts)
        advice = f"`null_values: {as_yaml([next(iter(others))])}` in the recipe reads it as missing"
        if has_decimal_commas(others):
            advice = DECIMAL_COMMA
        raise DataError(texts.name, f"{claim} but holds text: {shown(others, len(texts))}; {advice}")
    return numbers


def has_decimal_commas(texts: Collection[str]) -> bool:
    """Whether texts that are no numbers are numbers with a decimal comma, all but those that mean "no value"."""
    rest = [text for text in texts if text.strip() not in NULL_TEXTS]
    return bool(rest) and all(_DECIMAL_COMMA.fullmatch(text.strip()) for text in rest)


def not_numbers(texts: pl.Series) -> Mapping[str, int]:
    """How often each text that is no number occurs, most frequent first."""
    known = texts.drop_nulls()
    others = known.filter(known.str.strip_chars().cast(pl.Float64, strict=False).is_null())
    return _counts(others.filter(as_plain(others, ".").is_null()))


def shown(counts: Mapping[str, int], rows: int) -> str:
    """The most frequent texts and the share of all ``rows`` rows that hold one of them, for a message."""
    texts = ", ".join(repr(text) for text in list(counts)[:_SHOWN]) + (", ..." if len(counts) > _SHOWN else "")
    count = sum(counts.values())
    return f"{texts} in {count:,} of {rows:,} rows ({count / rows:.1%})"


def _counts(texts: pl.Series) -> dict[str, int]:
    counted = texts.alias("text").value_counts(sort=True, name="rows")
    return dict(zip(counted["text"].to_list(), counted["rows"].to_list(), strict=True))
