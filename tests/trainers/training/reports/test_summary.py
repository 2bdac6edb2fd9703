"""What training says of a table: the columns as they were read, and what a person should look at."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.data.columns import Columns, FeatureSpec
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.training.reports.summary import ColumnSummary, score_warnings, summarize_columns, warnings
from tests.trainers.tables import split_table

ROWS = 200


def table(**columns: Sequence[object]) -> pl.DataFrame:
    """Two columns that say a little about a label, and those given."""
    draw = np.random.default_rng(0)
    label = draw.integers(0, 2, ROWS)
    sound = {"x": label + draw.normal(0, 2, ROWS), "c": draw.choice(["a", "b"], ROWS), "y": label}
    return pl.DataFrame({**sound, **columns})


def found(frame: pl.DataFrame, columns: Columns | None = None) -> tuple[str, ...]:
    columns = columns or Columns(label="y", features="auto")
    return warnings(frame, columns, *split_table(frame, columns, validation=Validation()))


def test_a_sound_table_warns_of_nothing() -> None:
    assert found(table()) == ()


def test_columns_are_summed_up_as_they_were_read() -> None:
    income = [str(number) for number in range(ROWS - 50)] + ["NA"] * 50
    frame = table(income=income)
    columns = Columns(label="y", features=("auto", FeatureSpec(name="c", required=False)))
    training, _ = split_table(frame, columns, validation=Validation(kind="last_fraction", fraction=0.5))
    x, c, money = summarize_columns(frame, columns, training)
    assert (x.kind, x.required, x.missing) == ("number", True, 0)
    assert c == ColumnSummary("c", "category", required=False, missing=0, values="2 names: a, b")
    assert money == ColumnSummary("income", "number", required=False, missing=0.25, values="0 to 99")


@pytest.mark.parametrize(
    ("column", "warning"),
    [
        (["1", "2", "3", "NA"] * 50, "column 'new': 'NA' in 50 of 200 rows (25.0%) is read as missing"),
        (
            ["1", "2", "3", "unknown"] * 50,
            "column 'new' is a category because of 'unknown' in 50 of 200 rows (25.0%); `null_values: [unknown]` would",
        ),
        (
            ["DE", "PE", "FR", "NA"] * 50,
            "column 'new': 'NA' in 50 of 200 rows (25.0%) is a name like the others; `null_values: [NA]` reads it as m",
        ),
        (
            ["1,5", "2,5", "3,5", "4"] * 50,
            "column 'new' is a category because of '1,5', '2,5', '3,5' in 150 of 200 rows (75.0%); these numbers have",
        ),
        ([7] * 200, "column 'new' has one value in all training rows, so it has no information: exclude it"),
        (
            [f"i{row}" for row in range(200)],
            "column 'new' has 160 names in 160 training rows: if it identifies rows, excl",
        ),
        (["same"] * 200, "column 'new' has one value in all training rows, so it has no information: exclude it"),
    ],
)
def test_a_suspicious_column_is_named(column: list[object], warning: str) -> None:
    (line,) = found(table(new=column))
    assert line.startswith(warning)


@pytest.mark.parametrize("leak", ["number", "reversed", "category", "with gaps"])
def test_a_column_that_alone_tells_the_label_is_named(leak: str) -> None:
    label = table()["y"]
    columns: dict[str, Sequence[object]] = {
        "number": (label * 3 + 1).to_list(),
        "reversed": (-label).to_list(),
        "category": ["paid" if each else "open" for each in label],
        "with gaps": [None if row % 9 == 0 else each for row, each in enumerate(label)],
    }
    (line,) = found(table(leak=columns[leak]))
    assert line.startswith("column 'leak' predicts the label by itself in the training rows (AUC ")
    assert line.endswith("if it is known only after the outcome, exclude it")


def test_a_label_with_one_percent_noise_is_named() -> None:
    label = table()["y"].to_numpy()
    noisy = [1 - one if row % 100 == 3 else one for row, one in enumerate(label)]
    (line,) = found(table(leak=noisy))
    assert line.startswith("column 'leak' predicts the label by itself in the training rows (AUC 0.9")


def test_a_column_that_is_filled_after_the_event_is_named() -> None:
    rare = pl.Series("y", [int(row % 5 == 0) for row in range(5 * ROWS)])
    closed = [7.0 if row % 15 == 0 else None for row in range(5 * ROWS)]
    frame = pl.concat([table()] * 5).with_columns(rare, closed=pl.Series(closed))
    (line,) = [line for line in found(frame) if "closed" in line]
    assert "is filled in" in line
    assert "training rows, nearly all with label 1: if it is known only after the outcome, exclude it" in line


def test_names_that_are_nearly_ids_tell_nothing() -> None:
    assert found(table(name=[f"n{row // 4}" for row in range(ROWS)])) == ()


def test_the_index_of_pandas_is_left_out_with_a_word() -> None:
    frame = pl.DataFrame({"": range(ROWS)}).hstack(table())
    assert found(frame) == (
        "column '' is left out: it looks like the row numbers that pandas writes without index=False",
    )


def test_a_unit_that_is_the_same_in_every_row_is_named() -> None:
    columns = Columns(label="y", unit="who", features="auto")
    (line,) = found(table(who=["me"] * ROWS), columns)
    assert line.startswith("column 'who' names the same unit in every row")


def test_few_rows_are_named() -> None:
    frame = table().head(12)
    (line,) = [line for line in found(frame) if "validation rows" in line]
    assert line.startswith("few validation rows: 2, of which ")
    assert "say little" in line


def test_other_values_than_the_positive_one_are_named() -> None:
    frame = table().with_columns(pl.col("y").replace_strict({0: "here", 1: "gone"}).alias("y"))
    frame = frame.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("NA")).otherwise("y").alias("y"))
    columns = Columns(label="y", positive="gone", features="auto")
    assert found(frame, columns) == ("the label 'y' has 3 values ('NA', 'gone', 'here'): all but 'gone' count as 0",)


def test_a_score_that_tells_every_label_is_too_good() -> None:
    _, validation = split_table(table(), Columns(label="y", features="auto"), validation=Validation())
    (line,) = score_warnings(validation, validation.target)
    assert "some feature may be known only after the outcome" in line
    assert [*score_warnings(validation, validation.batch.table[:, 0].astype(np.float64))] == []
