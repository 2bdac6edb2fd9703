"""Splits by time: newest rows, walk-forward folds and the gaps before them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Float64, RowIndices
from scoreline_trainers.errors import DataError

_DAY_SECONDS = 86_400
_LARGEST_DAY = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """When each row was observed: float64 [N] days, in which equal values are one moment."""

    days: Float64

    @classmethod
    def of(cls, time: pl.Series | None, *, in_days: bool) -> "Moments":
        """Reads a time column: dates, times, ISO texts, or numbers, which count days.

        Args:
            time: the column.
            in_days: whether days are measured; otherwise any column that can be put in order will do.

        Raises:
            DataError: there is no such column, it has missing values, or days cannot be measured in it.
        """
        if time is None:
            raise DataError("", "a validation by time needs the recipe to name a 'time' column")
        check_known(time)
        return cls(_days(time) if in_days else time.rank("dense").to_numpy().astype(np.float64))

    def newest(self, rows: RowIndices, count: int) -> tuple[RowIndices, float]:
        """At least ``count`` of ``rows``, ascending, and the moment from which they are."""
        days = self.days[rows]
        start = float(np.sort(days)[len(days) - count])
        return rows[days >= start], start

    def between(self, rows: RowIndices, start: float, end: float) -> RowIndices:
        """Those of ``rows`` from ``start`` on and before ``end``."""
        days = self.days[rows]
        return rows[(days >= start) & (days < end)]

    def windows(self, rows: RowIndices, folds: int) -> Iterator[tuple[float, float]]:
        """Start and end of ``folds`` validation windows with about equally many of ``rows``.

        As many rows are before the first window as are in each. Windows that would start at one moment are one.
        """
        days = np.sort(self.days[rows])
        places = [len(days) * fold // (folds + 1) for fold in range(1, folds + 1)]
        starts = np.unique(days[places])
        starts = starts[starts > days[0]]
        yield from zip(starts.tolist(), [*starts[1:].tolist(), np.inf], strict=True)


def check_known(time: pl.Series) -> None:
    """Raises DataError for a time column with missing values, or NaN, which would count as the newest."""
    if time.null_count() or (time.dtype.is_float() and time.is_nan().any()):
        raise DataError(time.name, "has missing values, so rows cannot be split by it")


def _days(time: pl.Series) -> Float64:
    if time.dtype == pl.String:
        try:
            time = time.str.to_datetime(strict=True)
        except pl.exceptions.PolarsError as error:
            raise DataError(time.name, "holds texts that are no ISO dates, so no days can be measured") from error
    if time.dtype.is_temporal():
        return time.cast(pl.Datetime("us")).cast(pl.Int64).to_numpy() / (1e6 * _DAY_SECONDS)
    days = time.cast(pl.Float64).to_numpy()
    if len(days) and np.abs(days).max() > _LARGEST_DAY:
        raise DataError(time.name, "holds numbers too large to count days: make it a column of dates")
    return days
