"""Names of categories, as a table's columns hold them."""

import polars as pl

from scoreline_trainers.errors import DataError

_LARGEST_WHOLE = 2**53


def whole_texts(values: pl.Series) -> pl.Series:
    """Values as text. Floats that are all whole numbers, exact in float64, are written as integers."""
    if values.dtype.is_float():
        known = values.fill_nan(None)
        if not (known.drop_nulls() % 1 != 0).any() and (known.drop_nulls().abs() < _LARGEST_WHOLE).all():
            return known.cast(pl.Int64).cast(pl.String)
    return values.cast(pl.String)


def category_names(values: pl.Series) -> pl.Series:
    """The names as texts. Whole numbers read as floats, as happens beside missing values, are written as integers.

    Raises:
        DataError: the column holds fractions.
    """
    if values.dtype.is_float():
        known = values.fill_nan(None)
        if (known.drop_nulls() % 1 != 0).any():
            raise DataError(values.name, "is a category but holds fractions: declare it a number")
        values = known
    return whole_texts(values)
