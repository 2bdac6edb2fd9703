"""Computes window features for many rows at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.data.events.features import WindowFeature
from scoreline_trainers.data.events.log import Log, Part, Rows, Span
from scoreline_trainers.data.events.ranges import mean_over, pairs, ratio, reduced, std_over
from scoreline_trainers.data.sources.times import DAY


def window_table(
    log: Log, rows: Rows, features: Sequence[WindowFeature], *, observe_days: float | None = None
) -> pl.DataFrame:
    """The features of each row as columns: counts are whole numbers, all others float32 and missing without a value.

    Args:
        log: the events.
        rows: N rows.
        features: what is computed.
        observe_days: nothing further back than that is read.

    Raises:
        DataError: a column is missing or holds no numbers.
    """
    # Sums over overlapping ranges are fast where these ascend.
    order = np.lexsort((rows.moments, rows.codes))
    engine = _Engine(log, rows.take(order), observe_days)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return pl.DataFrame([_column(each, engine.values(each)[back]) for each in features])


def _column(feature: WindowFeature, values: Float64) -> pl.Series:
    if feature.aggregate in ("count", "distinct"):
        return pl.Series(feature.name, values.astype(np.int32))
    return pl.Series(feature.name, values.astype(np.float32)).fill_nan(None)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A column's values with NaN as 0, 1 where they are known, and the values less each entity's first."""

    values: Float64
    known: Float64
    shifted: Float64


class _Engine:
    """The features of some rows; spans, parts and columns that several features share are made once."""

    def __init__(self, log: Log, rows: Rows, observe_days: float | None) -> None:
        self._log, self._rows, self._observe = log, rows, observe_days
        self._spans: dict[tuple[float | None, float], Span] = {}
        self._parts: dict[tuple[str, ...], Part] = {}
        self._columns: dict[tuple[str, tuple[str, ...]], _Known] = {}

    def values(self, feature: WindowFeature) -> Float64:
        """float64 [N], NaN where missing."""
        compute = _AGGREGATES[feature.aggregate.removesuffix("_change")]
        window = compute(self, feature, self._span(feature.days, feature.delay_days))
        if not feature.aggregate.endswith("_change"):
            return window
        days = feature.days or 0.0
        return window - compute(self, feature, self._span(days, feature.delay_days + days))

    def _span(self, days: float | None, ends_days_before: float) -> Span:
        """The window, no further back than observed."""
        key = (days, ends_days_before)
        if key not in self._spans:
            span = self._log.span(self._rows, days=days, ends_days_before=ends_days_before)
            if self._observe is not None:
                floor = self._log.span(self._rows, days=self._observe).start
                span = Span(np.maximum(span.start, floor), np.maximum(span.stop, floor))
            self._spans[key] = span
        return self._spans[key]

    def _part(self, where: tuple[str, ...]) -> Part | None:
        if where and where not in self._parts:
            self._parts[where] = Part.of(self._log, where)
        return self._parts.get(where)

    def _met(self, feature: WindowFeature, span: Span) -> Span:
        part = self._part(feature.where)
        return span if part is None else part.span(span)

    def _kept(self, feature: WindowFeature, values: Float64) -> Float64:
        part = self._part(feature.where)
        return values if part is None else values[part.kept]

    def _known(self, feature: WindowFeature) -> _Known:
        column = feature.column or ""
        key = (column, feature.where)
        if key not in self._columns:
            values = self._log.numbers(column)
            # Deviations from the entity's first value lose no digits, and what comes after a cut cannot change them.
            base = np.nan_to_num(values[self._log.firsts[:-1]])[self._log.codes]
            kept, base = self._kept(feature, values), self._kept(feature, base)
            known = ~np.isnan(kept)
            self._columns[key] = _Known(
                np.where(known, kept, 0), known.astype(np.float64), np.where(known, kept - base, 0)
            )
        return self._columns[key]

    def count(self, feature: WindowFeature, span: Span) -> Float64:
        return self._met(feature, span).count.astype(np.float64)

    def share(self, feature: WindowFeature, span: Span) -> Float64:
        return ratio(self.count(feature, span), span.count.astype(np.float64))

    def days_since_last(self, feature: WindowFeature, span: Span) -> Float64:
        met = self._met(feature, span)
        return self._days_since(feature, met.stop - 1, met)

    def days_since_first(self, feature: WindowFeature, span: Span) -> Float64:
        met = self._met(feature, span)
        return self._days_since(feature, met.start, met)

    def _days_since(self, feature: WindowFeature, event: Int64, met: Span) -> Float64:
        times = np.append(self._kept(feature, self._log.times.astype(np.float64)), 0.0)
        return np.where(met.count > 0, (self._rows.moments - times[event]) / DAY, np.nan)

    def gaps(self, feature: WindowFeature, span: Span, over: Callable[[Float64, Span], Float64]) -> Float64:
        """``over`` the days between the events of each window."""
        times = self._kept(feature, self._log.times.astype(np.float64))
        met = self._met(feature, span)
        return over(np.diff(times, prepend=0.0) / DAY, Span(np.minimum(met.start + 1, met.stop), met.stop))

    def total(self, feature: WindowFeature, span: Span) -> Float64:
        return reduced(np.add, self._known(feature).values, self._met(feature, span), empty=0)

    def known(self, feature: WindowFeature, span: Span) -> Float64:
        return reduced(np.add, self._known(feature).known, self._met(feature, span), empty=0)

    def mean(self, feature: WindowFeature, span: Span) -> Float64:
        return ratio(self.total(feature, span), self.known(feature, span))

    def extreme(self, feature: WindowFeature, span: Span, ufunc: np.ufunc) -> Float64:
        column = self._known(feature)
        beyond = -np.inf if ufunc is np.maximum else np.inf
        values = np.where(column.known > 0, column.values, beyond)
        found = reduced(ufunc, values, self._met(feature, span), empty=beyond)
        return np.where(np.isinf(found), np.nan, found)

    def std(self, feature: WindowFeature, span: Span) -> Float64:
        met, column, known = self._met(feature, span), self._known(feature), self.known(feature, span)
        mean = ratio(reduced(np.add, column.shifted, met, empty=0), known)
        square = ratio(reduced(np.add, column.shifted**2, met, empty=0), known)
        # Exactly 0 where nothing varies, which rounding would make a little more.
        varies = self.extreme(feature, span, np.maximum) > self.extreme(feature, span, np.minimum)
        return np.where(known > 0, np.where(varies, np.sqrt(np.maximum(square - mean**2, 0)), 0.0), np.nan)

    def last(self, feature: WindowFeature, span: Span) -> Float64:
        met = self._met(feature, span)
        values = np.append(self._kept(feature, self._log.numbers(feature.column or "")), np.nan)
        return np.where(met.count > 0, values[met.stop - 1], np.nan)

    def distinct(self, feature: WindowFeature, span: Span) -> Float64:
        """An event counts where the one before it of equal value is outside the window."""
        part = self._part(feature.where)
        codes, names = self._log.codes, self._log.names(feature.column or "")
        if part is not None:
            codes, names = codes[part.kept], names[part.kept]
        before, met = _place_before(codes, names), self._met(feature, span)
        found = np.zeros(len(self._rows))
        for row, event in pairs(met):
            new = (before[event] < met.start[row]) & (names[event] >= 0)
            found += np.bincount(row[new], minlength=len(found))
        return found


def _place_before(codes: Int64, names: Int64) -> Int64:
    """int64 [E]: the place of the event before each one that has its entity and its name; -1 where there is none."""
    order = np.lexsort((np.arange(len(codes)), names, codes))
    same = (np.diff(codes[order]) == 0) & (np.diff(names[order]) == 0)
    before = np.full(len(codes), -1)
    before[order[1:][same]] = order[:-1][same]
    return before


def _longest(gaps: Float64, span: Span) -> Float64:
    return reduced(np.maximum, gaps, span, empty=np.nan)


_AGGREGATES: Mapping[str, Callable[[_Engine, WindowFeature, Span], Float64]] = {
    "count": _Engine.count,
    "share": _Engine.share,
    "days_since_last": _Engine.days_since_last,
    "days_since_first": _Engine.days_since_first,
    "gap_mean": lambda engine, feature, span: engine.gaps(feature, span, mean_over),
    "gap_std": lambda engine, feature, span: engine.gaps(feature, span, std_over),
    "gap_max": lambda engine, feature, span: engine.gaps(feature, span, _longest),
    "sum": _Engine.total,
    "mean": _Engine.mean,
    "min": lambda engine, feature, span: engine.extreme(feature, span, np.minimum),
    "max": lambda engine, feature, span: engine.extreme(feature, span, np.maximum),
    "std": _Engine.std,
    "last": _Engine.last,
    "distinct": _Engine.distinct,
}
