"""Times of a table as microseconds since 1970 in UTC, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import polars as pl
from pydantic import AfterValidator, model_validator

from scoreline_trainers.data.batch import Int64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.reading.dates import format_of
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError

SECOND = 1_000_000
DAY = 86_400 * SECOND
NUMBERED = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}
"""Units of times that are whole numbers on a scale of their own: months back from today, days since a start."""

_UNIX = {"second": SECOND, "millisecond": 1_000}
_ISO = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")
_SHOWN = 3

TimeUnit = Literal["second", "millisecond", "day", "week", "month"]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone: name one such as 'Europe/Berlin' or 'UTC'")
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
"""A name of the IANA database."""


class SourceSpec(Spec):
    """The base of every part of ``data``. Lists are taken where tuples are declared."""

    @model_validator(mode="before")
    @classmethod
    def _tuples(cls, given: object) -> object:
        return _with_tuples(given)


def _with_tuples(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_tuples(each) for key, each in value.items()}
    return tuple(_with_tuples(each) for each in value) if isinstance(value, list) else value


class TimeSpec(SourceSpec):
    """How the times of a file are written.

    ``time_format`` is that of strptime, for text and for whole numbers such as 20240131. ``time_zone`` is that of times
    without an offset. ``time_unit`` is the unit of times that are numbers: "second" and "millisecond" count from 1970;
    "day", "week" and "month" are whole numbers on a scale of their own, on which a month has 30 days.
    """

    time_format: str | None = None
    time_zone: Zone | None = None
    time_unit: TimeUnit | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The scale of all times of one training table: dates in ``zone``, or whole numbers of ``unit``."""

    zone: str = "UTC"
    unit: str | None = None

    def column(self, moments: Int64, name: str) -> pl.Series:
        """Microseconds as a column of the table: local times without an offset, or whole numbers of the unit."""
        if self.unit is not None:
            return pl.Series(name, moments // NUMBERED[self.unit])
        return _local(moments, self.zone).alias(name)

    def local(self, moments: Int64) -> pl.Series:
        """Microseconds as local times; whole numbers of a unit are placed from 1970 on."""
        return _local(moments, self.zone)

    def moment(self, value: str | int) -> int:
        """A moment of a recipe, an ISO date or a whole number, as microseconds. Raises ValueError."""
        if isinstance(value, int):
            if self.unit is None:
                raise ValueError(f"{value} is a number, and the times are dates: write 2024-01-31")
            return value * NUMBERED[self.unit]
        if self.unit is not None:
            raise ValueError(f"{value!r} is a date, and the times are whole numbers of a {self.unit}")
        moment = datetime.fromisoformat(value)
        return microseconds_of(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.zone)))


def check_date(value: str | int) -> None:
    """Raises ValueError where a moment of a recipe is text and no ISO date."""
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no date: write 2024-01-31") from error


def microseconds_of(moment: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return round((moment - datetime.fromtimestamp(0, tz=ZoneInfo("UTC"))).total_seconds() * SECOND)


def calendar_of(specs: Sequence[TimeSpec], zone: str) -> Calendar:
    """The scale that all of ``specs`` share. Raises DataError where numbers of a unit meet dates or another unit."""
    units = {spec.time_unit if spec.time_unit in NUMBERED else None for spec in specs}
    if len(units) > 1:
        shown = ", ".join(sorted(f"whole numbers of a {unit}" if unit else "dates" for unit in units))
        raise DataError("", f"the files have times on different scales: {shown}")
    return Calendar(zone, next(iter(units), None))


def moments(frame: pl.DataFrame, name: str, spec: TimeSpec, zone: str) -> Int64:
    """The times of column ``name`` as int64 [N], microseconds since 1970 in UTC.

    Args:
        frame: the table.
        name: of the column.
        spec: how they are written.
        zone: the time zone of times without an offset where ``spec`` has none.

    Raises:
        DataError: a time is missing or cannot be read; the message shows some of them.
    """
    require(frame, name)
    column = frame[name]
    _refuse_missing(column)
    zone = spec.time_zone or zone
    if column.dtype.is_numeric() and spec.time_format is None:
        return _numbered(column, spec)
    if column.dtype.is_integer():
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        column = _parsed(column, spec.time_format)
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if not isinstance(column.dtype, pl.Datetime):
        raise DataError(name, f"is a time and holds {column.dtype}: dates, text or numbers are read")
    return _in_utc(column, zone)


def resolution(values: Int64, calendar: Calendar) -> int:
    """How long the newest moment lasts, in microseconds: a unit, a day where no time of day is known, or nothing."""
    if calendar.unit is not None:
        return NUMBERED[calendar.unit]
    midnight = calendar.local(values).dt.time() == time()
    return DAY if midnight.all() else 0


def _numbered(column: pl.Series, spec: TimeSpec) -> Int64:
    if spec.time_unit is None:
        advice = "`time_unit: second` for Unix time, `time_unit: month` for numbered months"
        raise DataError(column.name, f'holds numbers: write `time_format: "%Y%m%d"` for 20240131, {advice}')
    if spec.time_unit in NUMBERED and column.dtype.is_float() and (column % 1 != 0).any():
        raise DataError(column.name, f"holds fractions of a {spec.time_unit}: whole numbers are read")
    factor = {**_UNIX, **NUMBERED}[spec.time_unit]
    if column.dtype.is_integer():
        return column.cast(pl.Int64).to_numpy() * factor
    return np.round(column.cast(pl.Float64).to_numpy() * factor).astype(np.int64)


def _parsed(texts: pl.Series, form: str | None) -> pl.Series:
    """Texts as dates or times, by ``form`` or by the format that reads all of them."""
    texts = texts.str.strip_chars()
    found = form or format_of(texts)
    tried = [_read_as(texts, each) for each in ((found,) if found else _ISO)]
    best = min(tried, key=lambda column: column.null_count())
    if best.null_count():
        wrong = best.is_null()
        shown = ", ".join(repr(text) for text in texts.filter(wrong).unique(maintain_order=True).head(_SHOWN))
        rows = ", ".join(str(row + 1) for row in wrong.arg_true().head(_SHOWN))
        advice = f"by `time_format: {form!r}`" if form else 'write their format, such as `time_format: "%d.%m.%Y"`'
        count = best.null_count()
        raise DataError(
            texts.name,
            f"holds {count:,} times of {len(texts):,} that cannot be read: {shown} (row {rows}); {advice}",
        )
    return best


def _read_as(texts: pl.Series, form: str) -> pl.Series:
    timed = any(mark in form for mark in ("%H", "%I", "%s", "%T", "%R"))
    if not timed:
        return texts.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    return texts.str.to_datetime(form, strict=False, time_unit="us")


def _in_utc(column: pl.Series, zone: str) -> Int64:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None and zone != "UTC":
        # The hour that summer time leaves out is read as the hour after; of the repeated hour, the first is meant.
        aware = column.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        shifted = column.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        column = aware.fill_null(shifted)
    return column.dt.epoch("us").to_numpy().astype(np.int64)


def _local(values: Int64, zone: str) -> pl.Series:
    times = pl.Series(values).cast(pl.Datetime("us", "UTC"))
    return times.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _refuse_missing(column: pl.Series) -> None:
    missing = column.is_null()
    if missing.any():
        rows = ", ".join(str(row + 1) for row in missing.arg_true().head(_SHOWN))
        count = int(missing.sum())
        raise DataError(column.name, f"is a time and missing in {count:,} of {len(column):,} rows (row {rows})")
