"""Reads numbers that are written for people: "1.234,50 EUR", "12 %", "(1,200.00)", "$3"."""

import re
from collections.abc import Collection
from functools import cache

import polars as pl

from scoreline_trainers.data.reading.csv_files import Decimal

_SIGNS = {
    "€": "EUR",
    "$": "USD",
    "US$": "USD",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₺": "TRY",
    "zł": "PLN",
    "R$": "BRL",
}
_CODES = (
    *("EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "PLN", "SEK", "NOK", "DKK", "CZK", "HUF", "BRL", "MXN", "CAD"),
    *("AUD", "NZD", "TRY", "ZAR", "SGD", "HKD", "RUB"),
)
_UNIT = "|".join(re.escape(sign) for sign in sorted((*_SIGNS, *_CODES, "%", "kr", "Fr."), key=len, reverse=True))
_SPACES = " \u00a0\u202f\u2009"
_GROUPS: dict[Decimal, str] = {".": f",'\u2019{_SPACES}", ",": f".'\u2019{_SPACES}"}


def as_plain(texts: pl.Series, decimal: Decimal) -> pl.Series:
    """The same numbers as computers write them; texts that are no numbers become null.

    Signs of currencies and per cent go ("12 %" is 12), thousands separators too; "(5)" and "5-" are negative.
    """
    written = pl.col(texts.name).str.replace_all("\u2212", "-", literal=True).str.strip_chars(f"{_SPACES}\t\r\n")
    before, digits, after = (written.str.extract(_pattern(decimal), group) for group in (1, 2, 3))
    plain = digits.str.replace_all(rf"[{_GROUPS[decimal]}]", "").str.replace(decimal, ".", literal=True)
    negative = (before == "(") | (before == "-") | (after == "-")
    valid = ((before == "(") == (after == ")")) & ((before == "") | (after != "-"))
    number = pl.when(negative).then("-" + plain).otherwise(plain)
    return texts.to_frame().select(pl.when(valid).then(number).alias(texts.name)).to_series()


@cache
def _pattern(decimal: Decimal) -> str:
    """Three groups: a sign or bracket, the digits, and a sign or bracket behind them."""
    group, point, space = _GROUPS[decimal], re.escape(decimal), f"[{_SPACES}]*"
    lakhs = r"|[1-9]\d?(?:,\d{2})+,\d{3}" if decimal == "." else ""
    number = rf"(?:\d+|[1-9]\d{{0,2}}(?:[{group}]\d{{3}})+{lakhs})(?:{point}\d*)?(?:[eE][+-]?\d+)?|{point}\d+"
    unit = rf"(?:{_UNIT})?{space}"
    return rf"^{unit}([(+-]?){space}{unit}({number}){space}{unit}([)-]?){space}{unit}$"


def unit_of(texts: Collection[str]) -> str:
    """The currency's code, or "%", that all these numbers have; empty where they have none or several."""
    found = {_units_in(text) for text in texts}
    return found.pop() if len(found) == 1 else ""


def decimal_of(frame: pl.DataFrame) -> Decimal:
    """The decimal sign of the numbers in a table's columns of text.

    A comma with two digits behind it is a decimal comma; with three it may separate thousands, so that such numbers
    alone decide nothing.
    """
    commas = points = 0
    for values in frame.select(pl.col(pl.String)).get_columns():
        known = values.drop_nulls().head(_LOOKED_AT)
        numbers = known.filter(as_plain(known, ",").is_not_null() | as_plain(known, ".").is_not_null())
        if not len(known) or len(numbers) < len(known) * _MOSTLY:
            continue
        commas += int(numbers.str.contains(r"^\D*(?:0,\d+|\d+,(?:\d{1,2}|\d{4,})|[\d.]+\.\d{3},\d+)\D*$").sum())
        points += int(numbers.str.contains(r"^\D*(?:\d+\.(?:\d{1,2}|\d{4,})|[\d,]+,\d{3}\.\d+)\D*$").sum())
    return "," if commas > points else "."


_LOOKED_AT = 10_000
_MOSTLY = 0.6


def _units_in(text: str) -> str:
    found = re.search(_UNIT, text)
    return _SIGNS.get(found[0], found[0]) if found else ""
