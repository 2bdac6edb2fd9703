from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.document import TableProfile
from scoreline_trainers.profiling.names import names_a_person, names_the_later, unit_named, words
from scoreline_trainers.profiling.profile import profile

ROWS = 600


def table(**columns: Any) -> pl.DataFrame:
    """A label, a number that tells something of it, and these columns."""
    draw = np.random.default_rng(0)
    label = (draw.random(ROWS) < 0.3).astype(int)
    return pl.DataFrame({"y": label, "x": draw.normal(0, 1, ROWS) + label, **columns}, strict=False)


def kinds(found: TableProfile, name: str) -> list[str]:
    """The kinds of the findings about a column."""
    return [finding.kind for finding in found.findings if finding.column == name]


def test_the_profile_is_read_back_from_its_json() -> None:
    days = [datetime.fromisoformat("2024-01-01") + timedelta(days=n) for n in range(ROWS)]
    frame = table(c=["a", "b", None] * 200, when=days, flag=[True, False] * 300, empty=[None] * ROWS)
    found = profile(frame, label="y")
    assert TableProfile.model_validate_json(found.model_dump_json()) == found
    assert [column.kind for column in found.columns] == ["number", "number", "category", "date", "boolean", "empty"]
    assert (found.rows, found.time, found.ordered_by) == (ROWS, "when", "when")


def test_a_number_is_described() -> None:
    found = profile(pl.DataFrame({"n": [1.0, 2.0, 3.0, None]})).column("n")
    assert (found.missing, found.unique, found.mean) == (0.25, 3, 2.0)
    assert found.quantiles is not None
    assert (found.quantiles.min, found.quantiles.median, found.quantiles.max) == (1, 2, 3)
    assert sum(each.rows for each in found.histogram) == 3


def test_a_category_is_described() -> None:
    found = profile(pl.DataFrame({"c": ["a", "b", "b", None]})).column("c")
    assert [(each.value, each.rows) for each in found.top] == [("b", 2), ("a", 1)]


@pytest.mark.parametrize(
    ("values", "kind", "flag"),
    [
        (["9120", "NA"] * 300, "number", "null_texts"),
        (["1,5", "2,25"] * 300, "number", "decimal_comma"),
        (["$1,500", "$2"] * 300, "number", "signs"),
        (["5", "7", "unknown"] * 200, "category", "mixed"),
        (["007", "012"] * 300, "category", None),
        ([f"n{n}" for n in range(300)] * 2, "category", "many_names"),
        ([f"free text {n}" for n in range(500)] + ["the same"] * 100, "text", "nearly_unique"),
        (["a\nb", "c"] * 300, "text", None),
        ([5.0] * ROWS, "number", "constant"),
        (list(range(5, ROWS + 5)), "number", "row_number"),
        ([f"k{n}" for n in range(ROWS)], "text", "id"),
        ([1, 2, 3, 4] * 150, "number", None),
        ([[1]] * ROWS, "nested", None),
    ],
)
def test_columns_are_known_for_what_they_are(values: list[Any], kind: str, flag: str | None) -> None:
    column = profile(table(it=values), label="y", decimal="," if flag == "decimal_comma" else ".").column("it")
    assert column.kind == kind
    assert flag is None or flag in column.flags


def test_whole_numbers_under_a_name_of_codes_are_codes() -> None:
    found = profile(table(education=[1, 2, 3, 4] * 150, children=[1, 2, 3, 4] * 150), label="y")
    assert "code" in found.column("education").flags
    assert "code" not in found.column("children").flags


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([0, 1], "1"),
        (["no", "yes"], "yes"),
        (["good", "bad"], "bad"),
        (["stayed", "stayed", "churned"], "churned"),
        (["a", "a", "b"], "b"),
        ([1, 2], "2"),
        ([True, False], "true"),
        ([-1, 1], "1"),
    ],
)
def test_the_positive_value_is_found(values: list[Any], positive: str) -> None:
    label = (values * ROWS)[:ROWS]
    found = profile(table().with_columns(y=pl.Series(label)), label="y").label
    assert found is not None
    assert (found.task, found.positive) == ("binary", positive)
    assert repr(positive) in found.reason


@pytest.mark.parametrize(
    ("values", "task"),
    [(["a", "b", "c"], "multiclass"), ([1, 2, 3], "multiclass"), ([n / 7 for n in range(50)], "regression")],
)
def test_labels_with_more_values_are_classes_or_amounts(values: list[Any], task: str) -> None:
    found = profile(table().with_columns(y=pl.Series((values * ROWS)[:ROWS])), label="y").label
    assert found is not None
    assert found.task == task


def test_a_named_positive_makes_yes_and_no_of_classes() -> None:
    found = profile(table().with_columns(y=pl.Series(["a", "b", "c"] * 200)), label="y", positive="b").label
    assert found is not None
    assert found.task == "binary"
    assert found.rate == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ([0], None, "'y' is the label and has one value only, '0'"),
        ([0, None], None, "'y' is the label and missing in 300 of 600 rows"),
        (["a", "b"], "c", "'y' is the label and never 'c'; it holds 'a', 'b'"),
        ([[1]], None, r"'y' is the label and holds List\(Int64\): take a column"),
        ([timedelta(days=1)], None, "'y' is the label and holds Duration"),
        (["2024-01-31"], None, "'y' is the label and holds dates: take a column"),
        ([f"t{n}" for n in range(100)], None, "'y' is the label and has 100 different texts: name .* --positive"),
    ],
)
def test_a_label_that_cannot_be_learned_is_refused(values: list[Any], named: str | None, message: str) -> None:
    frame = table().with_columns(y=pl.Series((values * ROWS)[:ROWS]))
    with pytest.raises(DataError, match=message):
        profile(frame, label="y", positive=named)


def test_a_table_without_rows_or_without_the_label_is_refused() -> None:
    with pytest.raises(DataError, match="the table has no rows"):
        profile(table()[:0], label="y")
    with pytest.raises(DataError, match="'z' is not in the table"):
        profile(table(), label="z")


def test_planted_leaks_are_named() -> None:
    draw = np.random.default_rng(1)
    label = table()["y"].to_numpy()
    noisy = np.where(draw.random(ROWS) < 0.01, 1 - label, label)
    after = [float(n) if one and n % 2 else None for n, one in enumerate(label)]
    found = profile(table(noisy=noisy, days_to_close=after), label="y")
    assert {finding.column for finding in found.findings if finding.kind == "leak"} == {"noisy", "days_to_close"}
    assert "leak" in found.column("noisy").flags
    assert "after_the_event" in found.column("days_to_close").flags
    assert found.column("x").flags == ()


def test_a_strong_column_with_the_name_of_a_later_fact_is_named() -> None:
    draw = np.random.default_rng(1)
    strong = 2 * table()["y"].to_numpy() + draw.normal(0, 1, ROWS)
    found = profile(table(duration=strong, duration_months=strong, previous_outcome=strong), label="y")
    assert [finding.column for finding in found.findings if finding.kind == "leak"] == ["duration"]


def test_dates_after_the_observation_are_named() -> None:
    start = datetime.fromisoformat("2024-01-01")
    days = [start + timedelta(days=n) for n in range(ROWS)]
    closed = [day + timedelta(days=5) if n % 2 else None for n, day in enumerate(days)]
    found = profile(table(observed_on=days, closed_on=closed), label="y")
    assert found.time == "observed_on"
    assert "after_the_event" in kinds(found, "closed_on")


def test_the_time_of_observation_is_not_a_birthday() -> None:
    texts = [f"{1 + n % 28:02}.{1 + n % 12:02}.{1950 + n % 40}" for n in range(ROWS)]
    assert profile(table(birth_date=texts), label="y").time == ""
    assert profile(table(application_date=texts), label="y").time == "application_date"


def test_whom_rows_are_about_is_found() -> None:
    orders, people = list(range(ROWS, 0, -1)), [n % 200 for n in range(ROWS)]
    found = profile(table(order_id=orders, customer_id=people, store_id=[n % 9 for n in range(ROWS)]), label="y")
    assert (found.unit, found.units, found.shape) == ("customer_id", 200, "rows")
    assert profile(table(order_id=orders), label="y").unit == "order_id"


def test_dated_rows_of_repeated_units_hint_at_their_histories() -> None:
    days = [datetime.fromisoformat("2024-01-01") + timedelta(days=n) for n in range(ROWS)]
    people = [n % 200 for n in range(ROWS)]
    (finding,) = [
        each
        for each in profile(table(customer_id=people, paid_on=days), label="y").findings
        if each.column == "customer_id"
    ]
    assert "what a unit did before can become features" in finding.advice
    (other,) = [each for each in profile(table(customer_id=people), label="y").findings if each.column == "customer_id"]
    assert "whole units" in other.advice


def test_steps_of_units_are_histories() -> None:
    people, label = np.repeat(np.arange(100), 6), np.repeat(np.arange(100) % 2, 6)
    frame = pl.DataFrame({"client_id": people, "month": np.tile(np.arange(6), 100), "spent": people * 1.5, "y": label})
    found = profile(frame.with_columns(spent=pl.col("spent") + pl.col("month")), label="y")
    assert (found.shape, found.unit) == ("histories", "client_id")
    assert "step" in found.column("month").flags
    assert "varying" in found.column("spent").flags


def test_events_of_units_are_known_without_a_label() -> None:
    start = datetime.fromisoformat("2024-01-01")
    days = [start + timedelta(hours=n) for n in range(ROWS)]
    frame = pl.DataFrame({"user_id": [f"u{n % 50}" for n in range(ROWS)], "timestamp": days, "event": ["a", "b"] * 300})
    found = profile(frame)
    assert (found.shape, found.unit, found.time) == ("events", "user_id", "timestamp")


def test_few_rows_rare_labels_and_copies_are_named() -> None:
    frame = table(customer_id=range(ROWS))
    rare = frame.with_columns(y=pl.Series([1] * 12 + [0] * (ROWS - 12)))
    found = {finding.kind for finding in profile(pl.concat([rare, rare[:30]]), label="y").findings}
    assert {"few_rows", "few_positives", "imbalance", "duplicates"} <= found


def test_rows_in_runs_may_be_in_the_order_of_time() -> None:
    runs: Mapping[str, list[Any]] = {"month": ["may", "june", "july", "may"], "rate": [1.5, 2.5, 0.5, 1.0]}
    columns = {name: [value for value in values for _ in range(ROWS // 4)] for name, values in runs.items()}
    found = [finding for finding in profile(table(**columns), label="y").findings if finding.kind == "order"]
    assert "month, rate" in found[0].text


def test_names_are_read_word_by_word() -> None:
    assert words("CustomerID") == words("customer_id") == words("customer id") == ("customer", "id")
    assert names_a_person("userId")
    assert not names_a_person("status_of_existing_checking_account")
    assert names_the_later("closed_date")
    assert not names_the_later("previous_outcome")
    assert unit_named("amount_eur") == "EUR"
