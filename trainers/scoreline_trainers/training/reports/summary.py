"""Summaries of a table's columns, and warnings about tables and scores that look wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_registry.documents.contract import Feature
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Columns, row_numbers
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.encoding import missing
from scoreline_trainers.data.nulls import (
    DECIMAL_COMMA,
    NULL_TEXTS,
    has_decimal_commas,
    not_numbers,
    shown,
)
from scoreline_trainers.data.texts import read_texts
from scoreline_trainers.evaluation.bands.summary import FEW_ROWS
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.problems import as_yaml
from scoreline_trainers.profiling.leaks import TOO_GOOD, alone, amount_alone, given_away

_PERFECT = 0.9995
_LEAK_ROWS = 50_000
_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One feature of a table.

    Attributes:
        name: of the column.
        kind: "number" or "category".
        required: whether callers must send it.
        missing: share of the table's rows without it, 0 to 1.
        values: the range of a number, or the names of a category, in the training rows.
    """

    name: str
    kind: str
    required: bool
    missing: float
    values: str


def summarize_columns(frame: pl.DataFrame, columns: Columns, training: Dataset) -> tuple[ColumnSummary, ...]:
    """Kind, missing share and range of each feature; ``frame`` is the table as read."""
    frame = read_texts(frame, columns).frame
    return tuple(
        ColumnSummary(
            feature.name,
            feature.kind,
            feature.required,
            round(float(missing(frame[feature.name]).mean() or 0), 4),  # type: ignore[arg-type]
            _values(feature, training, place),
        )
        for place, feature in enumerate(training.inputs.features)
    )


def warnings(frame: pl.DataFrame, columns: Columns, training: Dataset, validation: Dataset) -> tuple[str, ...]:
    """Warnings about a table, one line each, with what to do.

    Args:
        frame: the table as read.
        columns: what its columns mean.
        training: the rows that a model learns from.
        validation: the rows that it is judged by.
    """
    return (
        *_text_warnings(frame, columns, training.inputs.features),
        *_column_warnings(frame, columns, training),
        *_label_warnings(frame, columns, validation),
        *_unit_warnings(frame, columns),
    )


def score_warnings(validation: Dataset, score: Float64) -> Iterator[str]:
    """A warning where the score separates the labels of the validation rows, which hints at a leak."""
    if not validation.labelled or not 0 < validation.positives < len(validation):
        return
    if auc(validation.outcome, score) >= _PERFECT:
        yield "the score separates the labels of all validation rows: some feature may be known only after the outcome"


def _text_warnings(frame: pl.DataFrame, columns: Columns, features: Sequence[Feature]) -> Iterator[str]:
    """Texts that mean "no value", and columns of numbers that one text makes categories of."""
    read = read_texts(frame, columns)
    for nulls in read.nulls:
        yield f"column {nulls.column!r}: {shown(nulls.counts, len(frame))} is read as missing"
    for numbers in read.numbers:
        yield f"column {numbers.column!r}: texts such as {numbers.example!r} are read as numbers"
    for feature in features:
        values = read.frame[feature.name]
        if feature.kind != "category" or values.dtype != pl.String:
            continue
        others = not_numbers(values)
        if has_decimal_commas(others):
            yield f"column {feature.name!r} is a category because of {shown(others, len(values))}; {DECIMAL_COMMA}"
        elif others and sum(others.values()) < len(values.drop_nulls()) / 2:
            advice = f"`null_values: {as_yaml([next(iter(others))])}` would make it a number"
            yield f"column {feature.name!r} is a category because of {shown(others, len(values))}; {advice}"
        elif columns.null_values is None:
            kept = {text: count for text, count in others.items() if text in NULL_TEXTS}
            if kept:
                advice = f"`null_values: {as_yaml([next(iter(kept))])}` reads it as missing"
                yield f"column {feature.name!r}: {shown(kept, len(values))} is a name like the others; {advice}"


def _column_warnings(frame: pl.DataFrame, columns: Columns, training: Dataset) -> Iterator[str]:
    """Constant columns, columns that predict the label alone, and row numbers."""
    left_out = row_numbers(frame.columns) if columns.is_auto else ()
    for name in left_out:
        yield f"column {name!r} is left out: it looks like the row numbers that pandas writes without index=False"
    for place, feature in enumerate(training.inputs.features):
        values = training.batch.table[:, place]
        known = values[~np.isnan(values)]
        if len(known) == len(values) and len(values) > 1 and not np.ptp(known):
            yield f"column {feature.name!r} has one value in all training rows, so it has no information: exclude it"
        elif feature.kind == "category" and len(values) > FEW_ROWS and 2 * len(feature.vocabulary) > len(values):
            names = f"{len(feature.vocabulary):,} names in {len(values):,} training rows"
            yield f"column {feature.name!r} has {names}: if it identifies rows, exclude it"
        elif training.labelled:
            yield from _leak_warnings(feature, training, place)


def _leak_warnings(feature: Feature, training: Dataset, place: int) -> Iterator[str]:
    """A warning where one column gives the label away, see ``profiling.leaks``."""
    rows = slice(None, None, -(-len(training) // _LEAK_ROWS))
    values, category = training.batch.table[rows, place].astype(np.float64), feature.kind == "category"
    advice = "if it is known only after the outcome, exclude it"
    if training.task == "regression":
        explained = amount_alone(values, training.target[rows], category=category)
        if explained is not None and explained >= TOO_GOOD:
            yield f"column {feature.name!r} explains {explained:.1%} of the label's variance by itself: {advice}"
        return
    found = alone(values, training.outcome[rows], category=category)
    given = given_away(values, training.outcome[rows], category=category)
    if found is not None and found >= TOO_GOOD:
        figure = f"AUC {found:.3f}"
        yield f"column {feature.name!r} predicts the label by itself in the training rows ({figure}): {advice}"
    elif given is not None:
        yield f"column {feature.name!r} is {given[0]} in {given[1]:,} training rows, nearly all with label 1: {advice}"


def _label_warnings(frame: pl.DataFrame, columns: Columns, validation: Dataset) -> Iterator[str]:
    if columns.label is None or columns.task == "regression":
        return
    names = frame[columns.label].cast(pl.String).unique().sort().to_list()
    if columns.task == "binary" and columns.positive is not None and len(names) > 2:
        shown_names = ", ".join(map(repr, names[: _SHOWN_NAMES + 1])) + ", ..." * (len(names) > _SHOWN_NAMES + 1)
        others = f"all but {columns.positive!r} count as 0"
        yield f"the label {columns.label!r} has {len(names)} values ({shown_names}): {others}"
    rarer = min(validation.positives, len(validation) - validation.positives)
    if rarer < FEW_ROWS:
        yield (
            f"few validation rows: {len(validation)}, of which {validation.positives} with label 1; metrics and bands "
            "of so few rows say little"
        )


def _unit_warnings(frame: pl.DataFrame, columns: Columns) -> Iterator[str]:
    name = columns.subject
    if name is not None and len(frame) > 1 and frame[name].n_unique() == 1:
        yield f"column {name!r} names the same unit in every row: rows are split as if each were a unit of its own"


def _values(feature: Feature, training: Dataset, place: int) -> str:
    if feature.kind == "category":
        names = ", ".join(feature.vocabulary[:_SHOWN_NAMES]) + ", ..." * (len(feature.vocabulary) > _SHOWN_NAMES)
        return f"{len(feature.vocabulary)} names: {names}"
    known = training.batch.table[:, place]
    known = known[~np.isnan(known)]
    return f"{known.min():g} to {known.max():g}" if len(known) else "none"
