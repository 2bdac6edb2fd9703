"""Encodes the label of a table: as 0 and 1, as an amount, or as one of several classes."""

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Positive, Task
from scoreline_trainers.data.names import whole_texts
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import as_yaml, nearest

Labels = npt.NDArray[np.int8]

MAX_CLASSES = 100

_SHOWN = 6
_YES, _NO = ("true", "yes", "y", "on", "t"), ("false", "no", "n", "off", "f")


def encoded_label(values: pl.Series, task: Task, positive: Positive | None = None) -> pl.Series:
    """The label as its task needs it: Int8 of 0 and 1, Float64, or an Enum of the classes. Raises DataError."""
    if task == "regression":
        return amount_label(values)
    return binary_label(values, positive) if task == "binary" else named_classes(values, positive)


def amount_label(values: pl.Series) -> pl.Series:
    """The label of a regression as Float64 [N]. Raises DataError for one that is missing or no finite number."""
    _refuse_missing(values)
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise DataError(values.name, f"is the label of a regression and holds {values.dtype}, not numbers")
    found = values.cast(pl.Float64)
    if not found.is_finite().all():
        raise DataError(values.name, "is the label of a regression and holds values that are not finite")
    return found


def named_classes(values: pl.Series, positive: Positive | None = None) -> pl.Series:
    """The label as an Enum [N] of its classes, in order of their values, but ``positive`` last.

    Raises:
        DataError: a label is missing, there are not 2 to MAX_CLASSES classes, or none is ``positive``.
    """
    _refuse_missing(values)
    names = whole_texts(values)
    distinct = whole_texts(values.unique().sort()).to_list()
    if not 2 <= len(distinct) <= MAX_CLASSES:
        raise DataError(values.name, f"is the label and has {len(distinct):,} classes, not 2 to {MAX_CLASSES}")
    unfit = next((name for name in distinct if not 1 <= len(name) <= 200 or name != name.strip()), None)
    if unfit is not None:
        raise DataError(values.name, f"is the label, and {unfit!r} cannot name a class: use 1 to 200 characters")
    if positive is not None:
        last = _found(positive, names)
        distinct = [name for name in distinct if name != last] + [last]
    return names.cast(pl.Enum(distinct)).alias(values.name)


def class_label(values: pl.Series | None, rows: int) -> tuple[Labels, tuple[str, ...]]:
    """An encoded label as int8 [N] with the names of its classes, which only an Enum has; 0 without one."""
    if values is None or values.dtype == pl.Float64:
        return np.zeros(rows, np.int8), ()
    if isinstance(values.dtype, pl.Enum):
        return values.to_physical().to_numpy().astype(np.int8), tuple(values.dtype.categories)
    return values.to_numpy().astype(np.int8), ()


def amounts(values: pl.Series | None) -> Float64 | None:
    """An encoded label of a regression as float64 [N]."""
    return None if values is None else values.to_numpy().astype(np.float64)


def row_weights(values: pl.Series) -> Float64:
    """A column of weights as float64 [N]. Raises DataError for one that is missing or not above 0."""
    if not values.dtype.is_numeric():
        raise DataError(values.name, f"is the weight of rows and holds {values.dtype}, not numbers")
    found = values.cast(pl.Float64)
    if found.null_count() or not (found.is_finite() & (found > 0)).all():
        raise DataError(values.name, "is the weight of rows and must be a number above 0 in every row")
    return found.to_numpy()


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
    names = whole_texts(values)
    return (names == _found(positive, names)).cast(pl.Int8).alias(values.name)


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


def positive_text(values: pl.Series, positive: Positive) -> str:
    """The text of ``positive`` as the label's column writes it. Raises DataError where no row has it."""
    return _found(positive, whole_texts(values))


def _found(positive: Positive, names: pl.Series) -> str:
    """The value's text among ``names``. Raises DataError where it is not there."""
    wanted = _name(positive, names)
    if wanted not in names:
        distinct = names.unique().sort().to_list()
        hint = nearest(wanted, distinct) or f"it holds {_listed(distinct)}"
        raise DataError(names.name, f"is the label and never has the value {wanted!r} of 'positive': {hint}")
    return wanted


def _refuse_missing(values: pl.Series) -> None:
    missing = (values.is_null() | values.is_nan()) if values.dtype.is_float() else values.is_null()
    count = int(missing.sum())
    if count:
        rows = ", ".join(str(row + 1) for row in missing.arg_true().head(3).to_list()) + (", ..." * (count > 3))
        raise DataError(
            values.name,
            f"is the label and missing in {count:,} of {len(values):,} rows (row {rows}): remove or fill these rows",
        )


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
