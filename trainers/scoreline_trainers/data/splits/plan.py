"""Plans of a table's rows: which of them each fold learns from and is judged by, and which are the test part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Int64, RowIndices
from scoreline_trainers.data.splits.holdout import split_rows
from scoreline_trainers.data.splits.moments import Moments
from scoreline_trainers.data.splits.strata import draw_share, strata_of, turns
from scoreline_trainers.data.splits.validation import TestPart, Validation
from scoreline_trainers.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Row numbers, each ascending: those that a model learns from, and those that judge it."""

    training: RowIndices
    validation: RowIndices


@dataclass(frozen=True, slots=True, eq=False)
class SplitPlan:
    """The use of each row of a table.

    Attributes:
        folds: one for each model that is judged, at least one; those of the first repeat come first.
        development: ascending row numbers of all rows but the test part and the gap before it.
        test: ascending row numbers that nothing but the last evaluation reads; None without a test part.
        refits: whether the published model is trained once more, on all development rows. Otherwise it is that of the
            only fold.
        repeats: how often the rows were dealt to folds.
    """

    folds: tuple[Fold, ...]
    development: RowIndices
    test: RowIndices | None = None
    refits: bool = False
    repeats: int = 1

    @property
    def training(self) -> RowIndices:
        """The rows that the published model learns from, ascending."""
        return self.development if self.refits else self.folds[0].training

    @property
    def first_repeat(self) -> int:
        """How many of the folds are of the first repeat, in which a row is judged once at most."""
        return len(self.folds) // self.repeats


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What is known of N rows before they are split."""

    count: int
    time: pl.Series | None
    unit: pl.Series | None
    label: pl.Series | None
    seed: int

    def strata(self, *, stratify: bool | None) -> Int64:
        return strata_of(None if stratify is False else self.label, self.count)


def plan_splits(
    validation: Validation,
    *,
    rows: int,
    time: pl.Series | None = None,
    unit: pl.Series | None = None,
    label: pl.Series | None = None,
    seed: int = 0,
) -> SplitPlan:
    """Plans the folds and the test part of ``rows`` rows.

    Args:
        validation: how rows are chosen.
        rows: how many there are.
        time: when each row was observed.
        unit: the unit of each row; drawn rows are whole units.
        label: of each row, of which every drawn part has its share.
        seed: of what is drawn.

    Raises:
        DataError: one side would be empty, or the kind needs a time or a unit.
    """
    table = _Rows(rows, time, unit, label, seed)
    development, test = _test_part(validation, table)
    folds = tuple(_folds(validation, table, development))
    _check_sizes(folds, validation, rows)
    return SplitPlan(folds, development, test, refits=validation.is_folded, repeats=validation.repeats or 1)


def _check_sizes(folds: Sequence[Fold], validation: Validation, rows: int) -> None:
    if folds and validation.gap_days and any(not len(fold.training) for fold in folds):
        problem = f"a fold has no rows before the gap of {validation.gap_days:g} days"
        raise DataError("", f"{problem}: shorten it, or take fewer folds")
    if not folds or any(not len(fold.training) or not len(fold.validation) for fold in folds):
        raise DataError("", f"{rows} rows are too few for a validation of kind {validation.kind!r}")


def _test_part(validation: Validation, table: _Rows) -> tuple[RowIndices, RowIndices | None]:
    """Development and test rows. Rows within the gap before a test part by time are neither."""
    everything = np.arange(table.count)
    if validation.test is None:
        return everything, None
    count = max(1, round(table.count * validation.test.fraction))
    if count >= table.count:
        raise DataError("", f"{table.count} rows are too few for a test part")
    kind = _test_kind(validation.test, table)
    if kind == "last_fraction":
        return everything[:-count], everything[-count:]
    if kind == "random":
        strata = table.strata(stratify=None)
        test = draw_share(strata, table.unit, fraction=validation.test.fraction, seed=table.seed)
        return _checked(np.setdiff1d(everything, test, assume_unique=True), test)
    moments = Moments.of(table.time, in_days=validation.gap_days is not None)
    test, start = moments.newest(everything, count)
    return _checked(moments.between(everything, -np.inf, start - (validation.gap_days or 0)), test)


def _checked(development: RowIndices, test: RowIndices) -> tuple[RowIndices, RowIndices]:
    if not len(development) or not len(test):
        raise DataError("", "the test part would hold all rows or none: change its fraction or its kind")
    return development, test


def _test_kind(test: TestPart, table: _Rows) -> str:
    return test.kind or ("random" if table.time is None else "time")


def _folds(validation: Validation, table: _Rows, development: RowIndices) -> Iterator[Fold]:
    if validation.kind == "walk_forward":
        yield from _walks(validation, table, development)
    elif validation.is_folded:
        yield from _dealt(validation, table, development)
    else:
        yield _single(validation, table, development)


def _single(validation: Validation, table: _Rows, development: RowIndices) -> Fold:
    time, unit = (None if column is None else column[development] for column in (table.time, table.unit))
    train, held = split_rows(validation, rows=len(development), time=time, unit=unit, seed=table.seed)
    fold = Fold(development[train], development[held])
    if not validation.gap_days:
        return fold
    days = Moments.of(table.time, in_days=True)
    start = float(days.days[fold.validation].min())
    return Fold(days.between(fold.training, -np.inf, start - validation.gap_days), fold.validation)


def _dealt(validation: Validation, table: _Rows, development: RowIndices) -> Iterator[Fold]:
    if validation.kind == "groups" and table.unit is None:
        raise DataError("", "a validation by groups needs the recipe to name a 'unit' column")
    strata = table.strata(stratify=validation.stratify)[development]
    unit = None if table.unit is None else table.unit[development]
    if validation.fold_count > len(development):
        raise DataError("", f"{len(development)} rows are too few for {validation.fold_count} folds")
    for repeat in range(validation.repeats or 1):
        fold = turns(strata, unit, seed=(table.seed, repeat)) % validation.fold_count
        for each in range(validation.fold_count):
            yield Fold(development[fold != each], development[fold == each])


def _walks(validation: Validation, table: _Rows, development: RowIndices) -> Iterator[Fold]:
    measured = validation.gap_days is not None or validation.window_days is not None
    moments = Moments.of(table.time, in_days=measured)
    for start, end in moments.windows(development, validation.fold_count):
        learned_until = start - (validation.gap_days or 0)
        learned_from = learned_until - (validation.window_days or np.inf)
        training = moments.between(development, learned_from, learned_until)
        yield Fold(training, moments.between(development, start, end))
