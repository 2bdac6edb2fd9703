"""Encodes the label of a table as 0 and 1."""

import polars as pl

from scoreline_trainers.data.columns import Positive
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import as_yaml, nearest

_SHOWN = 6
_YES, _NO = ("true", "yes", "y", "on", "t"), ("false", "no", "n", "off", "f")


def binary_label(values: pl.Series, positive: Positive | None = None) -> pl.Series:
    """The label as Int8 [N], 0 or 1.

    Args:
        values: the label's column; without ``positive`` it holds 0 and 1 alone.
        positive: the value that counts as 1; all others count as 0.

    Raises:
        DataError: a label is missing, or no value is ``positive``.
    """
    _refuse_missing(values)
    if positive is None:
        return _as_it_is(values)
    names = _names(values)
    wanted = _name(positive, names)
    if wanted not in names:
        distinct = names.unique().sort().to_list()
        hint = nearest(wanted, distinct) or f"it holds {_listed(distinct)}"
        raise DataError(values.name, f"is the label and never has the value {wanted!r} of 'positive': {hint}")
    return (names == wanted).cast(pl.Int8).alias(values.name)


def _as_it_is(values: pl.Series) -> pl.Series:
    distinct = values.unique().sort().to_list()
    if set(distinct) <= {0, 1}:
        return values.cast(pl.Int8)
    example = as_yaml(distinct[-1])
    raise DataError(
        values.name,
        f"is the label and must be 0 or 1 in every row; it holds {_listed(distinct)}; "
        f"where another value means 1, name it: `positive: {example}`",
    )


def _refuse_missing(values: pl.Series) -> None:
    missing = (values.is_null() | values.is_nan()) if values.dtype.is_float() else values.is_null()
    count = int(missing.sum())
    if count:
        rows = ", ".join(str(row + 1) for row in missing.arg_true().head(3).to_list()) + (", ..." * (count > 3))
        raise DataError(
            values.name,
            f"is the label and missing in {count:,} of {len(values):,} rows (row {rows}): remove or fill these rows",
        )


def _names(values: pl.Series) -> pl.Series:
    """The values as text; whole numbers that were read as floats are written as integers."""
    if values.dtype.is_float() and not (values % 1 != 0).any():
        return values.cast(pl.Int64).cast(pl.String)
    return values.cast(pl.String)


def _name(positive: Positive, names: pl.Series) -> str:
    """The value's text as the column writes it; ``positive: yes`` is true to YAML, and "yes" to the table."""
    if isinstance(positive, bool):
        same = _YES if positive else _NO
        return next((name for name in names.unique().sort() if name.lower() in same), same[0])
    if isinstance(positive, float) and positive.is_integer():
        return str(int(positive))
    return str(positive)


def _listed(values: list[object]) -> str:
    return ", ".join(repr(value) for value in values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
