"""The filters of templates: money, numbers, percentages and dates as a language writes them. Pure."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import NumberPattern, get_currency_precision

MAX_VALUE = 500
"""The characters of a value that a message takes; the rest is cut off."""

MAX_DECIMALS = 6
_LARGEST = 1e15

DATE_FORMATS = ("short", "medium", "long", "full")

# Control characters, separators of lines, marks that turn the direction of writing, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """A value as a message shows it: in one line, at most ``MAX_VALUE`` characters."""
    return _UNSAFE.sub("", text[:MAX_VALUE])


def unsafe_in(text: str) -> str | None:
    """The first character of a template's text that no message may have; None where there is none."""
    found = _UNSAFE.search(text.replace("\n", ""))
    return found[0] if found else None


def filters_of(locale: Locale, currency: str | None) -> dict[str, Callable[..., str]]:
    """The filters that depend on the language; ``money`` only where there is a currency."""
    decimal = locale.decimal_formats[None]
    filters: dict[str, Callable[..., str]] = {
        "number": partial(_number, decimal, locale),
        "percent": partial(_percent, locale.percent_formats[None], locale),
        "date": partial(_date, locale),
    }
    if currency:
        pattern = locale.currency_formats["standard"]
        filters["money"] = partial(_money, pattern, locale, currency, get_currency_precision(currency))
    return filters


def shown_value(locale: Locale) -> Callable[[Any], str]:
    """Writes a value that no filter has written: a number by the language's decimal sign, a flag as true or false."""
    decimal = locale.decimal_formats[None]

    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return _number(decimal, locale, value)
        return clean(str(value))

    return shown


def _money(
    pattern: NumberPattern, locale: Locale, currency: str, usual: int, value: Any, decimals: int | None = None
) -> str:
    digits = usual if decimals is None else decimals
    text: str = pattern.apply(
        _rounded(value, digits), locale, currency=currency, currency_digits=False, force_frac=(digits, digits)
    )
    return text


def _number(pattern: NumberPattern, locale: Locale, value: Any, decimals: int | None = None) -> str:
    fraction = None if decimals is None else (decimals, decimals)
    text: str = pattern.apply(
        _rounded(value, pattern.frac_prec[1] if decimals is None else decimals), locale, force_frac=fraction
    )
    return text


def _percent(pattern: NumberPattern, locale: Locale, value: Any, decimals: int = 0) -> str:
    text: str = pattern.apply(_rounded(value, decimals + 2), locale, force_frac=(decimals, decimals))
    return text


def _date(locale: Locale, value: Any, length: str = "medium") -> str:
    return str(format_date(_day(value), format=length, locale=locale))


def _day(value: Any) -> date:
    """The day of an ISO 8601 text, or of a number of seconds since 1970, UTC."""
    if isinstance(value, str):
        return datetime.fromisoformat(value[:MAX_VALUE].strip()).date()
    return datetime.fromtimestamp(_finite(value), UTC).date()


def _rounded(value: Any, decimals: int) -> float:
    """A number to be written with so many decimals; 0 in place of one that would be written as -0."""
    number = _finite(value)
    return number if round(number, decimals) else 0.0


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{clean(str(value))!r} is not a number")
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(f"{value} is too large to be written")
    return value
