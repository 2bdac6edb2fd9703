"""The filters of templates: money, numbers, percentages and dates as a language writes them. Pure."""

import math
import re
from collections.abc import Callable
from copy import copy
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

_SPACES = re.compile(" {2,}")
# Control characters, separators of lines, marks that turn the direction of writing, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """A value as a message shows it: in one line, at most ``MAX_VALUE`` characters."""
    return _UNSAFE.sub("", text[:MAX_VALUE])


def one_space(text: str) -> str:
    """A message without spaces at its ends and with one between words, where conditions have left more."""
    return _SPACES.sub(" ", text).strip()


def unsafe_in(text: str) -> str | None:
    """The first character of a template's text that no message may have; None where there is none."""
    found = _UNSAFE.search(text.replace("\n", ""))
    return found[0] if found else None


def filters_of(locale: Locale, currency: str | None) -> dict[str, Callable[..., str]]:
    """The filters that depend on the language; ``money`` only where there is a currency."""
    filters: dict[str, Callable[..., str]] = {
        "number": _Numbers(locale.decimal_formats[None], locale),
        "percent": _Numbers(locale.percent_formats[None], locale, usual=0, factor=100),
        "date": partial(_date, locale),
    }
    if currency:
        pattern, digits = locale.currency_formats["standard"], get_currency_precision(currency)
        filters["money"] = _Numbers(pattern, locale, usual=digits, currency=currency)
    return filters


def shown_value(locale: Locale) -> Callable[[Any], str]:
    """Writes a value that no filter has written: a number by the language's decimal sign, a flag as true or false."""
    number = _Numbers(locale.decimal_formats[None], locale)

    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        return number(value) if isinstance(value, int | float) else clean(str(value))

    return shown


class _Numbers:
    """Writes numbers by a pattern of a language, with ``usual`` decimals where none are asked for.

    Without ``usual`` there are as many as the number has, up to the most of the pattern.
    """

    def __init__(
        self,
        pattern: NumberPattern,
        locale: Locale,
        *,
        usual: int | None = None,
        factor: int = 1,
        currency: str | None = None,
    ) -> None:
        self._locale, self._factor, self._currency = locale, factor, currency
        self._patterns = {decimals: _with_decimals(pattern, decimals) for decimals in range(MAX_DECIMALS + 1)}
        self._usual = pattern if usual is None else self._patterns[usual]

    def __call__(self, value: Any, decimals: int | None = None) -> str:
        pattern = self._usual if decimals is None else self._patterns[decimals]
        number = _finite(value)
        if not round(number * self._factor, pattern.frac_prec[1]):
            number = 0.0  # no -0
        text: str = pattern.apply(number, self._locale, currency=self._currency, currency_digits=False)
        return text


def _with_decimals(pattern: NumberPattern, decimals: int) -> NumberPattern:
    """A pattern that writes just so many decimals."""
    changed = copy(pattern)
    changed.frac_prec = (decimals, decimals)
    return changed


def _date(locale: Locale, value: Any, length: str = "medium") -> str:
    return str(format_date(_day(value), format=length, locale=locale))


def _day(value: Any) -> date:
    """The day of an ISO 8601 text, or of a number of seconds since 1970, UTC."""
    if isinstance(value, str):
        return datetime.fromisoformat(value[:MAX_VALUE].strip()).date()
    return datetime.fromtimestamp(_finite(value), UTC).date()


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{clean(str(value))!r} is not a number")
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(f"{value} is too large to be written")
    return value
