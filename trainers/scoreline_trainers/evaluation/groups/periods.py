"""Figures by period of time."""

from datetime import date, datetime

import numpy as np
import polars as pl

from scoreline_trainers.evaluation.document import OverTime, PeriodFigures, PeriodLength
from scoreline_trainers.evaluation.groups.figures import group_figures
from scoreline_trainers.evaluation.scored import Scored

# The longest span, in days, that is cut into periods of each length.
_LONGEST: tuple[tuple[PeriodLength, float], ...] = (("day", 31), ("week", 183), ("month", 3 * 366), ("quarter", 3660))

_EVERY: dict[PeriodLength, str] = {"day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}

STEPS = 10
"""Periods of a time that is a number."""


def figures_over_time(scored: Scored, *, period: PeriodLength | None = None) -> OverTime | None:
    """Periods in order of time; those without rows are left out.

    The period is the given one or fits the span: days up to a month, weeks up to half a year, months up to three
    years, quarters up to ten. A time that is a number is cut into ten ranges of equal length, or has a period for each
    of up to ten values. None where no row has a time.
    """
    if scored.time is None:
        return None
    time = _moments(scored.time)
    known = np.flatnonzero(time.is_not_null().to_numpy())
    if not len(known):
        return None
    scored, time = scored.take(known), time.drop_nulls()
    length: PeriodLength = "value" if time.dtype.is_numeric() else period or period_of(time)
    starts = _number_starts(time) if length == "value" else time.dt.truncate(_EVERY[length])
    periods = tuple(
        _figures(_name(start, length), _iso(start), scored.take((starts == start).to_numpy()))
        for start in starts.unique().sort().to_list()
    )
    return OverTime(column=scored.time.name if scored.time is not None else "", period=length, periods=periods)


def period_of(time: pl.Series) -> PeriodLength:
    """The length of period that fits the span of dates or moments."""
    first, last = time.min(), time.max()
    span = (last - first).total_seconds() / 86_400  # type: ignore[operator,union-attr]
    return next((length for length, longest in _LONGEST if span <= longest), "year")


def _moments(time: pl.Series) -> pl.Series:
    """The column as dates, moments or numbers; null where it is none of them."""
    if time.dtype == pl.String:
        try:
            return time.str.to_datetime(strict=False)
        except pl.exceptions.PolarsError:
            return pl.Series(time.name, [None] * len(time), pl.Datetime)
    if time.dtype.is_float():
        return time.fill_nan(None)
    if time.dtype in (pl.Date, pl.Datetime):
        return time
    return time.to_physical().cast(pl.Float64, strict=False)


def _number_starts(time: pl.Series) -> pl.Series:
    """The start of each row's range of numbers."""
    if time.n_unique() <= STEPS:
        return time
    values = time.cast(pl.Float64).to_numpy()
    edges = np.linspace(values.min(), values.max(), STEPS + 1)[:-1]
    return pl.Series(time.name, edges[np.searchsorted(edges, values, side="right") - 1])


def _name(start: date | float, length: PeriodLength) -> str:
    if not isinstance(start, date):
        return f"{start:.6g}"
    if length == "quarter":
        return f"{start.year}-Q{(start.month + 2) // 3}"
    if length == "week":
        year, week, _ = start.isocalendar()
        return f"{year}-W{week:02}"
    return start.strftime({"year": "%Y", "month": "%Y-%m"}.get(length, "%Y-%m-%d"))


def _iso(start: date | float) -> str:
    if isinstance(start, datetime):
        return start.date().isoformat()
    return start.isoformat() if isinstance(start, date) else f"{start:.6g}"


def _figures(name: str, start: str, scored: Scored) -> PeriodFigures:
    return PeriodFigures(start=start, **dict(group_figures(name, scored)))
