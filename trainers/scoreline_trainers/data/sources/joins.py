"""Joins of tables by key, and by key as of a time."""

from collections.abc import Mapping
from typing import Literal, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from scoreline_trainers.data.batch import Int64
from scoreline_trainers.data.sources.files import Files, FileSpec
from scoreline_trainers.data.sources.times import DAY, TimeSpec, moments
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError

Keep = Literal["refuse", "first", "last"]
"""Which of several rows of one key is meant, in the order of the file; "refuse" is an error."""

MOMENT = "__moment"
_VALID_FROM = "__valid_from"
_ROW = "__row"
_SHOWN = 3


class JoinSpec(FileSpec, TimeSpec):
    """A file whose columns are put beside the rows of a table.

    Attributes:
        by: columns of one name on both sides, or a mapping from the table's columns to the file's.
        as_of: column of the file that says from when a row holds: the newest row that is not after the time of the
            table's row is taken. Without it, each key has one row.
        max_age_days: a row that is older at the time of the table's row counts as missing.
        columns: of the file, all by default.
        prefix: before the names of the joined columns.
        keep: which row of a repeated key is taken.
        how: "left" keeps rows without a match, whose joined columns are missing; "inner" leaves them out.
    """

    by: tuple[str, ...] | dict[str, str]
    as_of: str | None = None
    max_age_days: float | None = Field(default=None, gt=0)
    columns: tuple[str, ...] | None = None
    prefix: str = ""
    keep: Keep = "refuse"
    how: Literal["left", "inner"] = "left"

    @field_validator("by", mode="before")
    @classmethod
    def _one_key(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.by:
            raise ValueError("'by' is empty: name the key's columns")
        if self.as_of is None and self.max_age_days is not None:
            raise ValueError("'max_age_days' goes with 'as_of'")
        if self.as_of is None and (self.time_format or self.time_zone or self.time_unit):
            raise ValueError("'time_format', 'time_zone' and 'time_unit' go with 'as_of'")
        return self

    @property
    def keys(self) -> Mapping[str, str]:
        """The table's columns and those of the file that they equal."""
        return self.by if isinstance(self.by, dict) else {name: name for name in self.by}


def joined(table: pl.DataFrame, spec: JoinSpec, files: Files, *, times: Int64 | None, zone: str) -> pl.DataFrame:
    """``table`` with the columns of a file.

    Args:
        table: rows in any order, which is kept.
        spec: of the join.
        files: reads the file.
        times: of the table's rows, microseconds since 1970; needed by ``as_of``.
        zone: of times without an offset.

    Raises:
        DataError: a key repeats in the file, a column is missing or there already, or keys have different types.
    """
    require(table, *spec.keys)
    file = _file(spec, files, zone)
    file = _same_types(table, file, spec)
    if spec.as_of is None:
        file = one_per_key(file, list(spec.keys), spec.keep, spec.file)
        return table.join(file, on=list(spec.keys), how=spec.how, maintain_order="left")
    if times is None:
        raise DataError("", f"{spec.file}: 'as_of' needs the 'time' of the table's rows: name the column")
    file = one_per_key(file, [*spec.keys, _VALID_FROM], spec.keep, spec.file)
    return join_asof(table, file, times, on=list(spec.keys), max_age_days=spec.max_age_days, inner=spec.how == "inner")


def join_asof(
    table: pl.DataFrame,
    file: pl.DataFrame,
    times: Int64,
    *,
    on: list[str],
    max_age_days: float | None = None,
    inner: bool = False,
) -> pl.DataFrame:
    """``table`` with the newest row of ``file`` of equal ``on`` that is not after each row's time, in unchanged order.

    Args:
        table: the rows.
        file: holds ``__valid_from``, microseconds from which each of its rows holds.
        times: int64 [N], microseconds since 1970.
        on: the key.
        max_age_days: older rows count as missing.
        inner: whether rows without a match are left out.
    """
    found = (
        table.with_row_index(_ROW)
        .with_columns(pl.Series(MOMENT, times))
        .sort(MOMENT)
        .join_asof(
            file.sort(_VALID_FROM),
            left_on=MOMENT,
            right_on=_VALID_FROM,
            by=on,
            strategy="backward",
            tolerance=None if max_age_days is None else round(max_age_days * DAY),
            coalesce=False,
            check_sortedness=False,
        )
        .sort(_ROW)
    )
    kept = found.filter(pl.col(_VALID_FROM).is_not_null()) if inner else found
    return kept.drop(_ROW, MOMENT, _VALID_FROM)


def one_per_key(frame: pl.DataFrame, keys: list[str], keep: Keep, file: str) -> pl.DataFrame:
    """One row for each key. Raises DataError that names repeated keys where ``keep`` is "refuse"."""
    if keep != "refuse":
        return frame.unique(keys, keep=keep, maintain_order=True)
    repeated = frame.select(keys).filter(frame.select(keys).is_duplicated()).unique(maintain_order=True)
    if repeated.is_empty():
        return frame
    named = [name for name in keys if name != _VALID_FROM]
    shown = ", ".join(repr(value) for value in repeated[named[0]].head(_SHOWN))
    raise DataError(
        named[0],
        f"of {file} has duplicate keys: {shown}{', ...' if len(repeated) > _SHOWN else ''} "
        f"({len(repeated):,} in all); write `keep: last` or `keep: first`, or remove the rows",
    )


def _file(spec: JoinSpec, files: Files, zone: str) -> pl.DataFrame:
    """The columns of the file under the table's names of the keys, with ``__valid_from`` where it is as of a time."""
    theirs = list(spec.keys.values())
    needed = None if spec.columns is None else [*theirs, *spec.columns, *filter(None, [spec.as_of])]
    frame = files.read(spec, columns=needed, ids=theirs)
    require(frame, *theirs)
    taken = spec.columns if spec.columns is not None else frame.columns
    values = [pl.col(name).alias(spec.prefix + name) for name in taken if name not in (*theirs, spec.as_of)]
    keys = [pl.col(their).alias(our) for our, their in spec.keys.items()]
    made = frame.select(*keys, *values)
    if spec.as_of is None:
        return made.drop_nulls(list(spec.keys))
    since = moments(frame, spec.as_of, spec, zone)
    return made.with_columns(pl.Series(_VALID_FROM, since)).drop_nulls(list(spec.keys))


def _same_types(table: pl.DataFrame, file: pl.DataFrame, spec: JoinSpec) -> pl.DataFrame:
    collision = next((name for name in file.columns if name in table.columns and name not in spec.keys), None)
    if collision is not None:
        advice = "write a `prefix`, or list the `columns` to join"
        raise DataError(collision, f"of {spec.file} is in the table already: {advice}")
    for our, their in spec.keys.items():
        left, right = table.schema[our], file.schema[our]
        if left == right:
            continue
        if not (left.is_integer() and right.is_integer()):
            raise DataError(our, f"holds {left} and {their!r} of {spec.file} holds {right}: keys must have one type")
        file = file.with_columns(pl.col(our).cast(left, strict=False))
    return file
