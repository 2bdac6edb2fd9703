"""Reads dates that tables hold as text or as whole numbers."""

from itertools import product

import polars as pl

from scoreline_trainers.data.nulls import NULL_TEXTS
from scoreline_trainers.errors import DataError

EPOCH_SECONDS, EPOCH_MILLISECONDS = "epoch seconds", "epoch milliseconds"

_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%Y%m%d"),
)
_TIMES = (" %H:%M:%S%.f", "T%H:%M:%S%.f", " %H:%M", "T%H:%M", " %I:%M:%S %p", " %I:%M %p")
_ZONES = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M:%S%.f UTC")
_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%m.%Y", "%b-%Y", "%b %Y", "%B %Y", "%b-%y")
FORMATS = (*_DAYS, *(day + time for day, time in product(_DAYS, _TIMES)), *_ZONES, *_MONTHS)
"""By ``strptime``, with Polars' ``%.f`` for fractions of a second; of several that fit, the first."""

_TRIED = 200
_YEARS = (1900, 2150)


def formats_of(values: pl.Series) -> tuple[str, ...]:
    """The formats by which every value of a column is a date; several where days and months cannot be told apart.

    Args:
        values: text, or whole numbers such as 20240131.
    """
    texts = _texts(values)
    if texts is None:
        return ()
    known = texts.drop_nulls().unique(maintain_order=True)
    if not len(known) or not known.head(_TRIED).str.contains(r"\d").all():
        return ()
    candidates = [each for each in FORMATS if _fits(known.head(_TRIED), each)]
    return tuple(each for each in candidates if _fits(known, each))


def format_of(values: pl.Series) -> str | None:
    """The format of a column of dates; of several, one by which the rows are sorted, else the first."""
    found = formats_of(values)
    in_order = (each for each in found if len(found) > 1 and parsed(values, each).drop_nulls().is_sorted())
    return next(in_order, found[0] if found else None)


def parsed(values: pl.Series, form: str) -> pl.Series:
    """A column as Datetime without time zone, in UTC where the dates name one. Raises DataError."""
    if form in (EPOCH_SECONDS, EPOCH_MILLISECONDS):
        factor = 1_000 if form == EPOCH_MILLISECONDS else 1_000_000
        return (values.cast(pl.Int64) * factor).cast(pl.Datetime("us"))
    texts = _texts(values)
    if texts is None:
        raise DataError(values.name, f"is to be read as dates by {form!r} but holds {values.dtype}")
    dates = _parse(texts, form)
    wrong = texts.filter(dates.is_null() & texts.is_not_null())
    if len(wrong):
        raise DataError(
            values.name,
            f"holds {wrong[0]!r} in {len(wrong):,} of {len(texts):,} rows, which is no date by {form!r}: mend 'dates' "
            "in the recipe",
        )
    return dates


def _texts(values: pl.Series) -> pl.Series | None:
    """The values as text; None for types that hold no dates."""
    if values.dtype == pl.String:
        texts = values.str.strip_chars()
        return texts.zip_with(~texts.is_in(list(NULL_TEXTS)), pl.Series([None], dtype=pl.String)).alias(values.name)
    if not values.dtype.is_integer():
        return None
    low, high = (year * 10_000 for year in _YEARS)
    within = values.null_count() < len(values) and low <= _whole(values.min()) <= _whole(values.max()) <= high
    return values.cast(pl.String) if within else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _fits(texts: pl.Series, form: str) -> bool:
    dates = _parse(texts, form)
    years = dates.dt.year()
    return dates.null_count() == 0 and bool(years.is_between(*_YEARS).all())


def _parse(texts: pl.Series, form: str) -> pl.Series:
    if "%d" not in form:
        # A month is read as its first day.
        texts, form = ("01 " + texts).alias(texts.name), f"%d {form}"
    dates = texts.str.to_datetime(form, strict=False, time_unit="us", ambiguous="earliest")
    zone = getattr(dates.dtype, "time_zone", None)
    return dates if zone is None else dates.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
