"""The profile of a table: its columns, its label, the roles of its columns, and findings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.document import ColumnProfile, Flag, LabelProfile, TableProfile
from scoreline_trainers.profiling.findings import all_findings
from scoreline_trainers.profiling.labels import label_profile, texts_of
from scoreline_trainers.profiling.leaks import TOO_GOOD, Sign, alone, amount_alone, given_away
from scoreline_trainers.profiling.measures import column_profile, numbers_of
from scoreline_trainers.profiling.names import names_the_later
from scoreline_trainers.profiling.reading import ReadColumn, read_column
from scoreline_trainers.profiling.roles import Roles, find_roles

_SAMPLE = 50_000
_SUSPICIOUS = 0.75


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How one column relates to the label.

    Attributes:
        auc: of the column alone on rows held out; of amounts, the share of variance that it explains.
        sign: which of its rows have the label almost always, and how many.
        named: whether its name is that of a fact known later, and it tells much of the label.
    """

    auc: float | None = None
    sign: tuple[Sign, int] | None = None
    named: bool = False

    @property
    def is_leak(self) -> bool:
        """Whether the column gives the label away."""
        return (self.auc is not None and self.auc >= TOO_GOOD) or self.sign is not None or self.named


def profile(
    frame: pl.DataFrame,
    *,
    label: str | None = None,
    positive: str | None = None,
    time: str | None = None,
    unit: str | None = None,
    decimal: Decimal = ".",
    seed: int = 0,
) -> TableProfile:
    """Looks at a table as it was read.

    Args:
        frame: the table.
        label: the column that a model is to predict.
        positive: its value that counts as 1; without one it is found.
        time: the column that says when a row was observed; without one it is found.
        unit: the column that says whom a row is about; without one it is found.
        decimal: before the decimals of numbers that the table holds as text.
        seed: of the rows in which leaks are looked for where the table has more than 50,000.

    Raises:
        DataError: the table has no rows, a named column is not in it, or its label cannot be learned.
    """
    if frame.is_empty():
        raise DataError("", "the table has no rows")
    require(frame, *filter(None, (label, time, unit)))
    columns = [read_column(each, decimal) for each in frame.get_columns()]
    by_name = {column.name: column for column in columns}
    target = None if label is None else label_profile(by_name[label], positive=positive)
    roles = find_roles(columns, label=label, time=time, unit=unit)
    suspicions = {} if target is None else _suspicions(columns, target, roles, seed)
    profiles = tuple(_flagged(column_profile(column), roles, label, suspicions) for column in columns)
    found = TableProfile(
        rows=len(frame),
        columns=profiles,
        label=target,
        duplicate_rows=_duplicates(frame),
        shape=roles.shape,
        unit=roles.unit,
        units=roles.units,
        time=roles.time,
        ordered_by=roles.ordered_by,
    )
    late = _dates_after(by_name, roles)
    return found.model_copy(
        update={"findings": all_findings(found, _signs(suspicions), late, _in_runs(columns, label))}
    )


def suspicion(column: ReadColumn, target: LabelProfile, labels: pl.Series, rows: pl.Series) -> Suspicion:
    """How a column relates to the label in the given rows; ``labels`` are the label's values there, as read."""
    taken = ReadColumn(column.values.gather(rows), column.type, column.kind)
    names = column.kind in ("category", "text")
    values = numbers_of(taken)
    if target.task == "regression":
        explained = amount_alone(values, labels.cast(pl.Float64).to_numpy(), category=names)
        return Suspicion(explained)
    if target.task == "multiclass":
        each = [
            alone(values, (labels == value.value).to_numpy().astype(np.int8), category=names) for value in target.values
        ]
        known = [found for found in each if found is not None]
        return Suspicion(min(known) if known else None)
    label = (labels == target.positive).to_numpy().astype(np.int8)
    unnamed = column.kind == "text"
    found = None if unnamed else alone(values, label, category=names)
    named = found is not None and found >= _SUSPICIOUS and names_the_later(column.name)
    return Suspicion(found, given_away(values, label, category=column.kind != "number"), named)


def _suspicions(columns: Sequence[ReadColumn], target: LabelProfile, roles: Roles, seed: int) -> dict[str, Suspicion]:
    label = next(column for column in columns if column.name == target.name)
    order = np.random.default_rng(seed).permutation(len(label.values))[:_SAMPLE]
    rows = pl.Series(np.sort(order))
    labels = (label.values if target.task == "regression" else texts_of(label)).gather(rows)
    spent = {target.name, roles.unit, roles.order}
    looked_at = [column for column in columns if column.name not in spent and column.kind not in ("empty", "nested")]
    return {
        column.name: suspicion(column, target, labels, rows) for column in looked_at if column.values.n_unique() > 1
    }


def _flagged(column: ColumnProfile, roles: Roles, label: str | None, suspicions: dict[str, Suspicion]) -> ColumnProfile:
    found = suspicions.get(column.name, Suspicion())
    named: dict[str, Flag] = {roles.order: "step", roles.unit: "unit", roles.time: "time", label or "": "label"}
    flags = [*column.flags, *([named[column.name]] if column.name and column.name in named else [])]
    if found.is_leak and column.name not in (roles.time, roles.unit):
        flags.append("leak" if found.auc is not None and found.auc >= TOO_GOOD else "after_the_event")
    if column.name in roles.varying:
        flags.append("varying")
    auc = None if found.auc is None else round(found.auc, 4)
    return column.model_copy(update={"flags": tuple(flags), "label_auc": auc})


def _signs(suspicions: dict[str, Suspicion]) -> dict[str, tuple[Sign, int]]:
    return {name: found.sign for name, found in suspicions.items() if found.sign is not None}


def _duplicates(frame: pl.DataFrame) -> int:
    flat = frame.select(name for name, dtype in frame.schema.items() if not dtype.is_nested())
    return len(flat) - flat.n_unique() if flat.width else 0


def _dates_after(columns: dict[str, ReadColumn], roles: Roles) -> dict[str, int]:
    """How many rows have a date after they were observed, by column."""
    if not roles.time:
        return {}
    when = columns[roles.time].values
    others = (each for each in columns.values() if each.kind == "date" and each.name != roles.time)
    counted = {each.name: int((each.values > when).sum()) for each in others} if when.dtype.is_temporal() else {}
    return {name: count for name, count in counted.items() if count}


def _in_runs(columns: Sequence[ReadColumn], label: str | None) -> tuple[str, ...]:
    """Columns whose equal values stand together in the file, though the rows are not sorted by them."""
    looked_at = [each for each in columns if each.kind in ("number", "category") and each.name != label]
    return tuple(each.name for each in looked_at if _stands_together(each.values))


def _stands_together(values: pl.Series) -> bool:
    rows = len(values)
    if not 3 <= values.n_unique() <= rows / 20 or values.is_sorted() or values.is_sorted(descending=True):
        return False
    shares = values.alias("value").value_counts(name="rows")["rows"] / rows
    expected = rows * (1 - float((shares**2).sum()))
    changes = int((values != values.shift(1)).sum())
    return changes < expected / 20
