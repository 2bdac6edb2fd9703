"""Figures of one column: counts, quantiles, a histogram."""

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.profiling.document import Bin, ColumnProfile, Flag, Quantiles, ValueCount
from scoreline_trainers.profiling.labels import texts_of
from scoreline_trainers.profiling.names import names_a_code, names_an_id
from scoreline_trainers.profiling.reading import ReadColumn

MANY_NAMES = 100
"""Categories with more names keep their most frequent ones in a first recipe."""

_TOP = 10
_BINS = 20
_CODES = 60
_FEW_CODES = 12
_TAIL = 20
_PLACES = (0, 0.01, 0.25, 0.5, 0.75, 0.99, 1)
_COUNTED = ("category", "boolean", "text")


def column_profile(column: ReadColumn) -> ColumnProfile:
    """What is in a column by itself; its flags say what its values alone tell."""
    values = column.values
    known = values.drop_nulls()
    nested = column.kind == "nested"
    profile = ColumnProfile(
        name=column.name,
        kind=column.kind,
        type=column.type,
        missing=round(values.null_count() / len(values), 6) if len(values) else 0.0,
        unique=0 if nested else known.n_unique(),
        unit=column.unit,
        date_format=column.date_format,
        null_texts=tuple(ValueCount(value=text, rows=rows) for text, rows in column.null_texts.items()),
        flags=(*column.flags, *(() if nested else _flags(column, known))),
    )
    return profile.model_copy(update=_figures(column, known, profile))


def numbers_of(column: ReadColumn) -> Float64:
    """A column as float64 [N], NaN where missing: numbers, days of dates, and the place of a name in their order."""
    values = column.values
    if column.kind in ("category", "text"):
        values = values.rank("dense")
    elif column.kind == "date":
        values = values.dt.timestamp("ms")
    elif column.kind in ("nested", "empty"):
        return np.full(len(values), np.nan)
    numbers: Float64 = values.cast(pl.Float64).to_numpy().astype(np.float64)
    return numbers


def _figures(column: ReadColumn, known: pl.Series, profile: ColumnProfile) -> dict[str, object]:
    if not len(known):
        return {}
    if column.kind == "number":
        return _of_numbers(known)
    if column.kind == "date":
        return {"earliest": _iso(known.min()), "latest": _iso(known.max())}
    return {"top": _top(texts_of(column))} if profile.kind in _COUNTED else {}


def _of_numbers(known: pl.Series) -> dict[str, object]:
    values = known.cast(pl.Float64).to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    places = Quantiles(**dict(zip(Quantiles.model_fields, map(float, np.quantile(values, _PLACES)), strict=True)))
    few = {"top": _top(known.cast(pl.String))} if known.n_unique() <= _TOP else {}
    return {"quantiles": places, "mean": float(values.mean()), "histogram": _histogram(values, places), **few}


def _histogram(values: Float64, places: Quantiles) -> tuple[Bin, ...]:
    if places.p99 <= places.p01:
        return ()
    rows, edges = np.histogram(values, bins=_BINS, range=(places.p01, places.p99))
    low, high = map(float, (edges[0], edges[-1]))
    counts = rows.tolist()
    counts[0] += int((values < low).sum())
    counts[-1] += int((values > high).sum())
    return tuple(
        Bin(low=float(start), high=float(end), rows=int(count))
        for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _top(texts: pl.Series) -> tuple[ValueCount, ...]:
    counted = texts.drop_nulls().alias("value").value_counts(name="rows")
    first = counted.sort(["rows", "value"], descending=[True, False]).head(_TOP)
    return tuple(ValueCount(value=row["value"], rows=row["rows"]) for row in first.iter_rows(named=True))


def _flags(column: ReadColumn, known: pl.Series) -> tuple[Flag, ...]:
    rows, distinct = len(column.values), known.n_unique()
    found: list[Flag] = []
    if distinct == 1 and len(known) == rows:
        found.append("constant")
    if column.kind == "number":
        found += _flags_of_numbers(column, known, distinct)
    elif column.kind in ("category", "text"):
        if distinct == rows and rows > 1:
            found.append("id")
        elif column.kind == "text":
            found.append("nearly_unique")
        elif distinct > MANY_NAMES:
            found.append("many_names")
    elif column.kind == "date" and distinct > 1 and (known.is_sorted() or known.is_sorted(descending=True)):
        found.append("sorted")
    return tuple(found)


def _flags_of_numbers(column: ReadColumn, known: pl.Series, distinct: int) -> list[Flag]:
    rows, found = len(column.values), list[Flag]()
    values = known.cast(pl.Float64)
    whole = not (values % 1 != 0).any()
    if whole and distinct == rows > 1 and _counts_up(known):
        found.append("row_number")
    elif whole and distinct == rows > 1 and names_an_id(column.name):
        found.append("id")
    elif whole and distinct > 2 and _is_code(column.name, distinct):
        found.append("code")
    elif _has_heavy_tail(values):
        found.append("heavy_tail")
    return found


def _counts_up(known: pl.Series) -> bool:
    """Whether the values are those of a counter, in the order of the rows."""
    steps = known.cast(pl.Float64).diff().drop_nulls()
    return bool(len(steps)) and bool((steps == 1).all())


def _is_code(name: str, distinct: int) -> bool:
    return (names_a_code(name) and distinct <= _CODES) or (names_an_id(name) and distinct > _FEW_CODES)


def _has_heavy_tail(values: pl.Series) -> bool:
    median, upper, most = (values.quantile(place) or 0.0 for place in (0.5, 0.75, 0.999))
    return upper > median and most - median > _TAIL * (upper - median)


def _iso(moment: object) -> str:
    return str(moment.isoformat()) if hasattr(moment, "isoformat") else ""
