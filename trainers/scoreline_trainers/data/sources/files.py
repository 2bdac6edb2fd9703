"""The files that a training table is made of: paths, reading, cleaning and digests."""

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, model_validator

from scoreline_trainers.data.nulls import without_null_texts
from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.data.sources.conditions import Where, conditions, rows_that_meet
from scoreline_trainers.data.sources.times import SourceSpec
from scoreline_trainers.data.tables import read_table, require
from scoreline_trainers.errors import DataError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class FileSpec(SourceSpec):
    """One CSV or Parquet file and how it is cleaned, in this order. A file's path alone stands for ``{file: path}``.

    Attributes:
        file: relative to the recipe, with ``${NAME}`` for environment variables.
        separator: between the columns of a CSV file, "whitespace" for any run of it; found by the header where not
            given.
        decimal, encoding: of a CSV file, as in a recipe.
        names: of the columns of a CSV file without a header, in order.
        row_number: a column to add, with the number of each row in the file, from 0.
        null_values: texts that mean "no value", as in a recipe.
        replace: column -> value as text -> value in its place; numbers where all of them are.
        scale: column -> factor, to change its unit.
        unique: columns that identify a row: rows that repeat them are dropped, the first is kept.
        where: conditions that a row must meet to be read.
    """

    file: str = Field(min_length=1)
    separator: str | None = Field(default=None, pattern="^(.|whitespace)$")
    decimal: Decimal = "."
    encoding: str | None = None
    names: tuple[str, ...] = ()
    row_number: str | None = None
    null_values: tuple[str, ...] | None = None
    replace: dict[str, dict[str, str | int | float | None]] = Field(default_factory=dict)
    scale: dict[str, float] = Field(default_factory=dict)
    unique: tuple[str, ...] = ()
    where: Where = ()

    @model_validator(mode="before")
    @classmethod
    def _by_path(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str) else given

    @property
    def cleaning_columns(self) -> frozenset[str]:
        """The columns that cleaning reads."""
        met = {each.column for each in conditions(self.where)}
        return frozenset({*self.replace, *self.scale, *self.unique, *met})


class Files:
    """Reads files once each and remembers their digests.

    Args:
        folder: that relative paths start from.
        replaced: files in place of others, by the name that a recipe gives them.

    Attributes:
        folder: that relative paths start from.
        notes: lines about what cleaning left out.
    """

    def __init__(self, folder: Path, replaced: Mapping[str, Path] | None = None) -> None:
        self._replaced = dict(replaced or {})
        self.folder = folder
        self._tables: dict[tuple[object, ...], pl.LazyFrame] = {}
        self._digests: dict[str, str] = {}
        self.notes: list[str] = []

    @property
    def digests(self) -> Mapping[str, str]:
        """sha256 in hex of each file that was read, by the name that the recipe gives it."""
        return dict(self._digests)

    def read(
        self, spec: FileSpec, *, columns: Collection[str] | None = None, ids: Collection[str] = ()
    ) -> pl.DataFrame:
        """A cleaned file.

        Args:
            spec: of the file.
            columns: to read beside those that cleaning needs; None for all.
            ids: columns whose texts are names and stay as they are.

        Raises:
            DataError: the file cannot be read, or lacks a column.
        """
        table = _numbered(self._open(spec), spec)
        names = table.collect_schema().names()
        needed = names if columns is None else [*dict.fromkeys([*columns, *sorted(spec.cleaning_columns)])]
        with _about(spec.file):
            require(pl.DataFrame(schema=names), *needed, *sorted(spec.cleaning_columns))
            frame, _ = without_null_texts(
                table.select(needed).collect(), spec.null_values, ids=ids, decimal=spec.decimal
            )
            return self._cleaned(frame, spec)

    def _cleaned(self, frame: pl.DataFrame, spec: FileSpec) -> pl.DataFrame:
        for column, values in spec.replace.items():
            frame = frame.with_columns(replaced(frame[column], values))
        for column, factor in spec.scale.items():
            if not frame.schema[column].is_numeric():
                raise DataError(column, f"cannot be scaled: it holds {frame.schema[column]}, not numbers")
            frame = frame.with_columns(pl.col(column) * factor)
        if spec.where:
            frame = frame.filter(rows_that_meet(frame, spec.where))
        if not spec.unique:
            return frame
        kept = frame.unique(spec.unique, keep="first", maintain_order=True)
        if len(kept) < len(frame):
            by = ", ".join(spec.unique)
            self.notes.append(f"{spec.file}: {len(frame) - len(kept):,} rows with a repeated {by} dropped")
        return kept

    def _open(self, spec: FileSpec) -> pl.LazyFrame:
        path = self._replaced.get(spec.file) or self.folder / expanded(spec.file)
        written = (path, spec.separator, spec.decimal, spec.encoding, spec.names)
        if written in self._tables:
            return self._tables[written]
        if path.name.endswith(".parquet") and path.is_file():
            table, digest = _scan(path), _digest_of(path)
        else:
            frame, digest = read_table(
                path, separator=spec.separator, decimal=spec.decimal, encoding=spec.encoding, names=spec.names
            )
            table = frame.lazy()
        self._digests[spec.file] = digest
        self._tables[written] = table
        return table


def _numbered(table: pl.LazyFrame, spec: FileSpec) -> pl.LazyFrame:
    if spec.row_number is None:
        return table
    if spec.row_number in table.collect_schema().names():
        raise DataError(spec.row_number, f"is a column of {spec.file} already: give 'row_number' another name")
    return table.with_row_index(spec.row_number).with_columns(pl.col(spec.row_number).cast(pl.Int64))


@contextmanager
def _about(file: str) -> Iterator[None]:
    """Puts the file's name before a DataError about one of its columns."""
    try:
        yield
    except DataError as error:
        raise DataError("", f"{file}: {error}") from error


def expanded(text: str) -> Path:
    """A path with environment variables and ``~`` filled in. Raises DataError for a variable that is not set."""
    unset = unset_variable(text)
    if unset is not None:
        raise DataError("", f"the file is {text}: set {unset}")
    return Path(os.path.expandvars(text)).expanduser()


def unset_variable(text: str) -> str | None:
    """The first ``${NAME}`` of a path that the environment lacks."""
    return next((name for name in _VARIABLE.findall(text) if name not in os.environ), None)


def replaced(column: pl.Series, values: Mapping[str, str | int | float | None]) -> pl.Series:
    """A column with values replaced by their text; what is not listed stays. Numbers where all values are."""
    texts = column.cast(pl.String)
    kept = texts.filter(~texts.is_in(list(values))).drop_nulls()
    as_text = {old: None if new is None else str(new) for old, new in values.items()}
    made = texts.replace(list(as_text), list(as_text.values()))
    numeric = column.dtype.is_numeric() or kept.cast(pl.Float64, strict=False).null_count() == 0
    if not numeric or any(isinstance(new, str) for new in values.values()):
        return made.alias(column.name)
    return made.cast(pl.Float64).alias(column.name)


def _scan(path: Path) -> pl.LazyFrame:
    try:
        table = pl.scan_parquet(path)
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError("", f"{path.name} is not a readable table: {str(error).splitlines()[0]}") from error
    return table


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
