"""Finds out what a label is: yes or no, an amount, or one of several classes."""

import polars as pl

from scoreline_trainers.data.names import whole_texts
from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.document import LabelProfile, Task, ValueCount
from scoreline_trainers.profiling.reading import ReadColumn

YES = frozenset(
    {"yes", "true", "y", "t", "on", "bad", "positive", "pos", "churn", "churned", "default", "defaulted", "fraud"}
    | {"gone", "left", "lost", "late", "delinquent", "converted", "bought", "purchase", "purchased", "won", "accepted"}
    | {"spam", "anomaly", "died", "dead", "failed", "failure", "ja", "oui", "si", "da"}
)

_MOST_CLASSES = 20
_LISTED = 6
_PAIRS = ({"0", "1"}, {"-1", "1"})


def label_profile(column: ReadColumn, *, positive: str | None = None) -> LabelProfile:
    """What the label holds, and which value counts as 1.

    Args:
        column: the label's.
        positive: the value that counts as 1; without one it is found.

    Raises:
        DataError: the label is missing in a row, has one value, or never the one named.
    """
    if column.kind in ("nested", "date"):
        held = "dates" if column.kind == "date" else column.type
        raise DataError(column.name, f"is the label and holds {held}: take a column of classes or amounts")
    _check_known(column)
    named = texts_of(column).alias("value").value_counts(sort=True, name="rows")
    values = tuple(ValueCount(value=str(row["value"]), rows=row["rows"]) for row in named.iter_rows(named=True))
    _check_values(column, values, positive)
    task, reason = _task(column, values, positive)
    if task != "binary":
        return LabelProfile(name=column.name, task=task, values=values[:_MOST_CLASSES], reason=reason)
    chosen, why = (positive, "named") if positive is not None else _positive(values)
    rows = next(each.rows for each in values if each.value == chosen)
    return LabelProfile(
        name=column.name,
        task=task,
        values=values[:_MOST_CLASSES],
        positive=chosen,
        rate=rows / len(column.values),
        reason=f"{reason}; {chosen!r} is the positive: {why}",
    )


def texts_of(column: ReadColumn) -> pl.Series:
    """The values as a recipe names them; whole numbers that were read as floats are written as integers."""
    return whole_texts(column.values)


def _check_known(column: ReadColumn) -> None:
    count = column.values.null_count()
    if count:
        written = ", ".join(map(repr, list(column.null_texts)[:3])) or "empty"
        raise DataError(
            column.name,
            f"is the label and missing in {count:,} of {len(column.values):,} rows ({written}): remove or fill them",
        )


def _check_values(column: ReadColumn, values: tuple[ValueCount, ...], positive: str | None) -> None:
    listed = ", ".join(repr(each.value) for each in values[:_LISTED]) + ", ..." * (len(values) > _LISTED)
    if positive is not None and all(each.value != positive for each in values):
        raise DataError(column.name, f"is the label and never {positive!r}; it holds {listed}")
    if len(values) == 1:
        raise DataError(
            column.name, f"is the label and has one value only, {listed}: nothing can be learned; add rows of others"
        )


def _task(column: ReadColumn, values: tuple[ValueCount, ...], positive: str | None) -> tuple[Task, str]:
    count = len(values)
    if count == 2 or positive is not None:
        return "binary", f"{count} values"
    if column.kind == "number" and (count > _MOST_CLASSES or column.values.dtype.is_float()):
        return "regression", f"{count:,} distinct numbers, so an amount"
    if count > _MOST_CLASSES:
        raise DataError(
            column.name,
            f"is the label and has {count:,} different texts: name the one that counts as 1 with --positive, or take "
            "another column",
        )
    return "multiclass", f"{count} values, so a class of several; --positive VALUE makes yes and no of them"


def _positive(values: tuple[ValueCount, ...]) -> tuple[str, str]:
    """The value of two that counts as 1, and why."""
    found = {each.value for each in values}
    if found in _PAIRS:
        return "1", f"the label is {min(found)} or 1"
    named = [each.value for each in values if each.value.strip().lower() in YES]
    if len(named) == 1:
        return named[0], "it says yes"
    rarer = values[-1]
    if rarer.rows == values[0].rows:
        return max(each.value for each in values), "both are equally frequent, and it is the greater"
    return rarer.value, "it is the rarer"
