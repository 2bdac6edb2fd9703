"""Sums, extremes and pairs over many overlapping ranges of events at once."""

from collections.abc import Iterator

import numpy as np

from scoreline_trainers.data.batch import Float64, Int64, RowIndices
from scoreline_trainers.data.events.log import Span

CHUNK = 4_000_000
"""How many pairs of a row and an event are at hand at once."""


def reduced(ufunc: np.ufunc, values: Float64, span: Span, *, empty: float) -> Float64:
    """float64 [N]: the values of each span reduced, ``empty`` where it has none. Fast where spans ascend."""
    bounds = np.stack([span.start, span.stop], axis=1).ravel()
    found: Float64 = ufunc.reduceat(np.append(values, 0.0), bounds)[::2]
    return np.where(span.count > 0, found, empty)


def ratio(above: Float64, below: Float64) -> Float64:
    """float64 [N]: the quotient, NaN where there is nothing to divide by."""
    found: Float64 = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return found


def mean_over(values: Float64, span: Span) -> Float64:
    """float64 [N]: the mean of each span, NaN where it has none."""
    return ratio(reduced(np.add, values, span, empty=0), span.count.astype(np.float64))


def std_over(values: Float64, span: Span) -> Float64:
    """float64 [N]: the population standard deviation of each span, NaN where it has none."""
    return np.sqrt(np.maximum(mean_over(values**2, span) - mean_over(values, span) ** 2, 0))


def pairs(span: Span, *, chunk: int = CHUNK) -> Iterator[tuple[RowIndices, Int64]]:
    """Every row with every event of its span, as arrays of rows and events, some millions at a time."""
    ends = np.cumsum(span.count)
    first = 0
    while first < len(ends):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + chunk, side="right")))
        count = span.count[first:last]
        row = np.repeat(np.arange(first, last), count)
        within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        yield row, span.start[row] + within
        first = last
