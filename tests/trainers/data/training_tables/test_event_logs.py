"""Event logs as training tables: cuts, labels, what is left out, steps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from scoreline_trainers.data.columns import SequenceSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.training_tables.assembly import TrainingTable, training_table
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DataError, RecipeError
from scoreline_trainers.training.recipe import Recipe

ORDERS = """customer,day,amount,kind
a,2024-01-05,10,food
a,2024-01-20,30,toys
a,2024-02-10,5,food
a,2024-03-20,7,food
b,2024-01-31,100,toys
b,2024-02-01,50,toys
c,2024-03-31,1,food
"""
LOG = {"file": "orders.csv", "entity": "customer", "time": "day", "windows_days": [31]}
CUTS = {"every": "month", "first": "2024-02-01", "last": "2024-04-01"}


def made(folder: Path, spec: Mapping[str, Any], orders: str = ORDERS) -> TrainingTable:
    (folder / "orders.csv").write_text(orders)
    return training_table(Sources.model_validate(spec), folder=folder)


def cells(table: TrainingTable, *columns: str) -> list[tuple[Any, ...]]:
    return table.frame.with_columns(pl.col("cut").cast(pl.Date).cast(pl.String)).select(columns).rows()


def test_each_entity_with_an_event_becomes_a_row_at_each_cut(tmp_path: Path) -> None:
    table = made(tmp_path, {"cuts": CUTS, "events": LOG})
    columns = ("customer", "cut", "count_31d", "amount_sum_31d", "kind_distinct_31d", "days_since_last")
    assert cells(table, *columns) == [
        ("a", "2024-02-01", 2, 40.0, 2, 12.0),
        ("a", "2024-03-01", 1, 5.0, 1, 20.0),
        ("a", "2024-04-01", 1, 7.0, 1, 12.0),
        ("b", "2024-02-01", 1, 100.0, 1, 1.0),
        ("b", "2024-03-01", 2, 150.0, 1, 29.0),
        ("b", "2024-04-01", 0, 0.0, 0, 60.0),
        ("c", "2024-04-01", 1, 1.0, 1, 1.0),
    ]
    assert table.notes == ("7 of 9 pairs of an entity and a cut are eligible",)


def test_an_event_at_the_cut_is_of_the_label_and_incomplete_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    label = {"within_days": 30, "where": "kind == toys"}
    table = made(tmp_path, {"cuts": CUTS, "events": LOG, "label": label})
    # The log ends on 31 March: the 30 days after 1 March are over, those after 1 April are not.
    assert cells(table, "customer", "cut", "label") == [
        ("a", "2024-02-01", 0),
        ("a", "2024-03-01", 0),
        ("b", "2024-02-01", 1),
        ("b", "2024-03-01", 0),
    ]
    assert table.notes[1] == "3 of 7 rows left out: their label window of 30 days is not over"


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ({"within_days": 30, "gap_days": 1}, [1, 1, 0, 0]),
        ({"within_days": 30, "kind": "no_event"}, [0, 0, 0, 1]),
        ({"within_days": 60, "kind": "sum", "column": "amount"}, [12.0, 50.0]),
        ({"within_days": 30, "kind": "max", "column": "amount", "where": "amount > 6"}, [0.0, 7.0, 50.0, 0.0]),
        ({"within_days": 30, "kind": "count", "classes": {"one": 1, "none": 0}}, ["one", "one", "one", "none"]),
        ({"within_days": 30, "kind": "first", "column": "kind"}, ["food", "food", "toys"]),
    ],
)
def test_labels_of_every_kind(tmp_path: Path, label: dict[str, Any], values: list[Any]) -> None:
    cuts = {"every": "month", "first": "2024-02-01", "last": "2024-03-01"}
    table = made(tmp_path, {"cuts": cuts, "events": LOG, "label": label})
    assert table.frame["label"].to_list() == values


def test_the_score_is_of_the_class_of_the_largest_amounts() -> None:
    label = {"within_days": 30, "kind": "count", "classes": {"none": 0, "many": 3, "one": 1}}
    roles = Sources.model_validate({"cuts": {"at": ["2024-02-01"]}, "events": LOG, "label": label}).roles()
    assert (roles["task"], roles["positive"]) == ("multiclass", "many")


def test_several_horizons_are_several_columns(tmp_path: Path) -> None:
    spec = {"cuts": {"at": ["2024-02-01"]}, "events": LOG, "label": {"within_days": [1, 7, 14], "name": "buys"}}
    table = made(tmp_path, spec)
    assert table.frame.select("customer", "buys_1d", "buys_7d", "buys_14d").rows() == [("a", 0, 0, 1), ("b", 1, 1, 1)]
    assert Sources.model_validate(spec).roles() == {
        "label": "buys_14d",
        "horizons": ["buys_1d", "buys_7d", "buys_14d"],
        "time": "cut",
        "unit": "customer",
    }


def test_entities_that_end_are_left_out_unless_their_label_is_known(tmp_path: Path) -> None:
    label = {"within_days": 28, "where": "kind == food", "complete": "entity"}
    table = made(tmp_path, {"cuts": {"at": ["2024-02-01", "2024-03-01"]}, "events": LOG, "label": label})
    # b's last event is on 1 February; a has the event before 29 March, its last event being on the 20th.
    assert cells(table, "customer", "cut", "label") == [("a", "2024-02-01", 1), ("a", "2024-03-01", 1)]


@pytest.mark.parametrize(
    ("eligible", "rows"),
    [
        ({"min_events": 2}, ["a0201", "a0301", "a0401", "b0301", "b0401"]),
        ({"active_days": 30}, ["a0201", "a0301", "a0401", "b0201", "b0301", "c0401"]),
        ({"history_days": 31}, ["a0301", "a0401", "b0401"]),
        ({"last_event": "kind == food"}, ["a0301", "a0401", "c0401"]),
        ({"never": "amount >= 50"}, ["a0201", "a0301", "a0401", "c0401"]),
        ({"min_events": 0, "never": "amount > 0"}, ["b0101", "c0101", "c0201", "c0301"]),
    ],
)
def test_entities_are_eligible_by_what_was_before_the_cut(
    tmp_path: Path, eligible: dict[str, Any], rows: list[str]
) -> None:
    first = "2024-01-01" if "never" in eligible and eligible.get("min_events") == 0 else "2024-02-01"
    cuts = {**CUTS, "first": first}
    frame = made(tmp_path, {"cuts": cuts, "events": LOG, "eligible": eligible}).frame
    found = frame.select(pl.col("customer") + pl.col("cut").dt.strftime("%m%d"))["customer"].to_list()
    assert [each for each in found if first == "2024-02-01" or each != "a0101"] == rows


def test_entities_of_a_file_become_rows_without_events_too(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("customer,age\nz,50\na,30\n")
    spec = {"cuts": {"at": ["2024-02-01"]}, "entities": {"file": "people.csv", "key": "customer"}, "events": LOG}
    frame = made(tmp_path, spec).frame
    assert frame.select("customer", "age", "count_31d", "amount_mean_31d").rows() == [
        ("z", 50, 0, None),
        ("a", 30, 2, 20.0),
    ]


def test_cuts_relative_to_each_entity(tmp_path: Path) -> None:
    days = made(tmp_path, {"cuts": {"after_first_days": 20}, "events": LOG})
    assert cells(days, "customer", "cut", "count_31d") == [
        ("a", "2024-01-25", 2),
        ("b", "2024-02-20", 2),
        ("c", "2024-04-20", 1),
    ]
    events = made(tmp_path, {"cuts": {"after_events": [2]}, "events": LOG})
    assert events.frame.select("customer", "count_31d").rows() == [("a", 2), ("b", 2)]
    assert events.frame["days_since_last"].to_list() == pytest.approx([0, 0], abs=1e-6)


def test_rows_of_any_file_from_the_cut_on_change_nothing_but_the_label(tmp_path: Path) -> None:
    steps = {"every": "month", "sequence_length": 3, "features": [{"aggregate": "sum", "column": "amount"}]}
    aggregates = [
        {"aggregate": ["count", "days_since_last", "gap_std"]},
        {"aggregate": ["mean", "std", "last"], "column": "amount"},
        {"aggregate": "distinct", "column": "kind"},
    ]
    (tmp_path / "tiers.csv").write_text("customer,since,tier\na,2024-01-01,low\n")
    spec = {
        "cuts": {"at": ["2024-02-01"]},
        "events": {**LOG, "aggregates": aggregates, "steps": steps},
        "joins": [{"file": "tiers.csv", "by": "customer", "as_of": "since"}],
        "label": {"within_days": 30, "where": "kind == toys"},
    }
    before = made(tmp_path, spec).frame
    (tmp_path / "tiers.csv").write_text("customer,since,tier\na,2024-02-02,high\na,2024-01-01,low\nb,2024-03-01,high\n")
    later = "a,2024-02-01,900,toys\nb,2024-02-01,77,new\na,2024-04-09,1,other\nd,2024-02-01,5,toys\n"
    after = made(tmp_path, spec, ORDERS + later).frame
    assert after.drop("label").equals(before.drop("label"))
    assert (before["label"].to_list(), after["label"].to_list()) == ([0, 1], [1, 1])


def test_days_and_months_begin_where_the_time_zone_says(tmp_path: Path) -> None:
    orders = "customer,day,amount\na,2024-01-31T23:30:00Z,10\na,2024-01-31T22:30:00Z,20\na,2024-06-30T22:30:00Z,5\n"
    spec = {
        "cuts": {"every": "month", "first": "2024-02-01", "last": "2024-07-01"},
        "events": {**LOG, "windows_days": [29]},
    }
    berlin = made(tmp_path, {**spec, "time_zone": "Europe/Berlin"}, orders).frame
    assert berlin["cut"].dt.to_string("%d %H:%M").unique().to_list() == ["01 00:00"]
    assert berlin["amount_sum_29d"].to_list()[:2] == [20.0, 10.0]
    assert made(tmp_path, spec, orders).frame["amount_sum_29d"].to_list()[:2] == [30.0, 0.0]
    # In summer, midnight in Berlin is at 22:00 UTC.
    assert berlin["amount_sum_29d"].to_list()[-1] == 0.0
    assert made(tmp_path, spec, orders).frame["amount_sum_29d"].to_list()[-1] == 5.0


def test_at_a_cut_whose_days_are_not_over_rows_with_the_event_are_left_out_too(tmp_path: Path) -> None:
    spec = {"cuts": {"at": ["2024-02-01", "2024-03-15"]}, "events": LOG, "label": {"within_days": 30}}
    # a orders on 20 March, but nobody knows who else would have until 14 April.
    assert cells(made(tmp_path, spec), "customer", "cut") == [("a", "2024-02-01"), ("b", "2024-02-01")]
    spec["label"] = {"within_days": 30, "complete": "entity"}
    assert cells(made(tmp_path, spec), "customer", "cut") == [("a", "2024-02-01"), ("b", "2024-02-01")]
    spec["label"] = {"within_days": 30, "until": "2024-04-14"}
    assert cells(made(tmp_path, spec), "customer", "cut", "label")[1:3] == [
        ("a", "2024-03-15", 1),
        ("b", "2024-02-01", 1),
    ]


def test_numbered_months_have_numbered_cuts(tmp_path: Path) -> None:
    log = {"file": "orders.csv", "entity": "id", "time": "month", "time_unit": "month", "windows_days": [60]}
    log["aggregates"] = [{"aggregate": ["sum", "last"], "column": "late"}]
    spec = {
        "cuts": {"every": 2, "first": -4, "last": 0},
        "events": log,
        "label": {"within_days": 60, "where": "late >= 1"},
    }
    table = made(tmp_path, spec, "id,month,late\n1,-5,0\n1,-4,2\n1,-3,0\n1,-2,0\n1,-1,1\n")
    # Month -1 is the last one known: of the cut at -2 the months -2 and -1 are over, of that at 0 nothing is.
    assert table.frame.select("cut", "label", "late_sum_60d", "late_last_60d").rows() == [(-4, 1, 0, 0), (-2, 1, 2, 0)]


def test_a_table_of_rows_reads_histories_of_two_entities_and_a_delay(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(
        "shop,buyer,when,amount,bad\n"
        "s,x,2024-01-01 10:00,5,1\ns,y,2024-01-03 10:00,7,0\nt,x,2024-01-03 11:00,9,0\ns,x,2024-01-09 12:00,1,0\n"
    )
    log = {"file": "sales.csv", "time": "when", "windows_days": [7]}
    buyer = {**log, "name": "buyer", "entity": "buyer", "aggregates": [{"aggregate": "sum", "column": "amount"}]}
    risk = {**log, "name": "risk", "entity": "shop", "delay_days": 7}
    risk["aggregates"] = [{"aggregate": "mean", "column": "bad"}]
    frame = made(tmp_path, {"table": {"file": "sales.csv", "time": "when"}, "events": [buyer, risk]}).frame
    assert frame["buyer_amount_sum_7d"].to_list() == [0.0, 0.0, 5.0, 9.0]
    assert frame["risk_bad_mean_7d"].to_list() == [None, None, None, 1.0]


def test_daily_steps_count_back_from_the_cut_and_empty_days_are_zeros(tmp_path: Path) -> None:
    steps = {"every": "day", "sequence_length": 4, "features": [{"aggregate": "sum", "column": "amount"}]}
    spec = {"cuts": {"at": ["2024-02-02"]}, "events": {**LOG, "windows_days": [], "steps": steps}}
    frame = made(tmp_path, spec).frame
    assert frame.rows()[0][2:] == ([0.0, 0.0, 0.0, 0.0],)
    # b's first event is two days before the cut: older steps are not there.
    assert frame.rows()[1][2:] == ([100.0, 50.0],)


@pytest.mark.parametrize(("empty", "last"), [("zero", [30.0, 0.0, 7.0]), ("missing", [30.0, None, 7.0])])
def test_monthly_steps_follow_the_calendar(tmp_path: Path, empty: str, last: list[float | None]) -> None:
    features = [{"aggregate": each, "column": "amount"} for each in ("last", "mean", "min", "max")]
    steps = {
        "every": "month",
        "sequence_length": 3,
        "empty": empty,
        "features": [*features, {"aggregate": "count", "where": "kind == food", "name": "food"}],
    }
    orders = ORDERS.replace("a,2024-02-10,5,food\n", "")
    frame = made(tmp_path, {"cuts": {"at": ["2024-04-01"]}, "events": {**LOG, "steps": steps}}, orders).frame
    row = frame.filter(pl.col("customer") == "a").row(0, named=True)
    assert row["monthly_amount_last"] == last
    assert row["monthly_amount_mean"][0] == 20.0
    assert (row["monthly_amount_min"][0], row["monthly_amount_max"][0]) == (10.0, 30.0)
    assert row["monthly_food_count"] == [1.0, 0.0, 1.0]


def test_steps_of_events_are_the_newest_ones_with_their_age(tmp_path: Path) -> None:
    steps = {"sequence_length": 2, "columns": ["amount", "kind", "days_before_cut", "days_since_previous"]}
    people = tmp_path / "people.csv"
    people.write_text("customer\nz\na\nb\n")
    spec = {
        "cuts": {"at": ["2024-02-15"]},
        "entities": {"file": "people.csv", "key": "customer"},
        "events": {**LOG, "windows_days": [], "steps": steps},
    }
    roles = Sources.model_validate({**spec, "events": {**LOG, "steps": {**steps, "categories": ["kind"]}}}).roles()
    names = ["event_amount", "event_kind", "event_days_before_cut", "event_days_since_previous"]
    assert roles["sequence"] == {"lists": names, "categories": ["event_kind"]}
    frame = made(tmp_path, spec).frame.drop("cut")
    assert frame.rows() == [
        ("z", [None], [None], [None], [None]),
        ("a", [30, 5], ["toys", "food"], [26.0, 5.0], [15.0, 21.0]),
        ("b", [100, 50], ["toys", "toys"], [15.0, 14.0], [None, 1.0]),
    ]


RECIPE = {
    "name": "buys",
    "family": "lstm",
    "data": {
        "cuts": {"every": "week", "first": "2024-01-08", "last": "2024-03-01"},
        "events": {
            **LOG,
            "steps": {"every": "week", "sequence_length": 3, "features": [{"aggregate": "count"}]},
        },
        "label": {"within_days": 14},
    },
}


def test_a_recipe_knows_the_roles_of_the_columns(tmp_path: Path) -> None:
    recipe = Recipe.parse(RECIPE)
    assert (recipe.label, recipe.time, recipe.unit) == ("label", "cut", "customer")
    assert recipe.sequence == SequenceSpec(lists=("weekly_count",))
    assert Recipe.parse(recipe.with_defaults()).with_defaults() == recipe.with_defaults()
    assert isinstance(recipe.data, Sources)
    table = made(tmp_path, recipe.data.model_dump())
    dataset = Dataset.from_table(table.frame, recipe)
    assert dataset.sequence is not None
    assert dataset.sequence.shape == (len(table.frame), 3, 1)
    assert Recipe.parse({**RECIPE, "unit": "household"}).unit == "household"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuts": {"at": ["2024-13-01"]}}, "data.cuts: '2024-13-01' is no date"),
        ({"cuts": {"every": "month"}}, "data.cuts: 'every' goes with 'first' and 'last'"),
        ({"label": {"within_days": 7, "until": "soon"}}, "data.label: 'soon' is no date"),
        ({"events": {**LOG, "aggregates": [{"aggregate": "count"}] * 2}}, "'count_31d' is computed twice: leave one"),
        ({"cuts": {}}, "data.cuts: give one of 'at', 'every', 'after_first_days' and 'after_events'"),
        ({"label": {"within_days": [30, 7]}}, "data.label: 'within_days' ascend"),
        ({"label": {"within_days": 7, "kind": "sum"}}, "data.label: 'column' goes with the kinds 'sum', 'max'"),
        ({"label": {"within_days": 7, "log": "clicks"}}, "the label's log 'clicks' is none of the events"),
        ({"table": "rows.csv"}, "data: give either 'table', whose rows are trained on, or 'cuts'"),
        ({"events": [LOG, LOG]}, "data: each of several 'events' needs a 'name'"),
        ({"events": {**LOG, "aggregates": [{"aggregate": "sum"}]}}, "aggregates.0: 'sum' needs a 'column'"),
        ({"events": {**LOG, "aggregates": [{"aggregate": "summ"}]}}, "aggregates.0.aggregate.0: must be 'count'"),
        ({"events": {**LOG, "entiti": "id"}}, "entiti: unknown key; did you mean 'entity'?"),
        (
            {"events": {**LOG, "steps": {"sequence_length": 3, "columns": ["amount"], "categories": ["kind"]}}},
            "'categories' names 'kind', which is none of the 'columns'",
        ),
        ({"events": {**LOG, "steps": {"sequence_length": 3}}}, "steps: steps of events need 'columns'"),
    ],
)
def test_a_mistaken_description_is_one_clear_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({**RECIPE, "data": {**RECIPE["data"], **change}})  # type: ignore[dict-item]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuts": {"at": [3]}}, "cuts: 3 is a number, and the times are dates"),
        ({"cuts": {"at": ["2030-01-01"]}}, "has no rows; 3 of 3 pairs .* are eligible; 3 of 3 rows left out"),
        ({"events": {**LOG, "time": "kind"}}, "column 'kind' holds 7 times of 7 that cannot be read: 'food', 'toys'"),
        ({"events": {**LOG, "where": "amount > 1000"}}, "orders.csv has no events"),
        ({"label": {"within_days": 7, "where": "cost > 3"}}, "orders.csv: column 'cost' is not in the table"),
        ({"label": {"within_days": 7, "name": "customer"}}, "column 'customer' is in the table already"),
    ],
)
def test_a_log_that_does_not_fit_is_one_clear_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    spec = {"cuts": CUTS, "events": {**LOG, "windows_days": []}, "label": {"within_days": 7}, **change}
    with pytest.raises(DataError, match=message):
        made(tmp_path, spec)


def test_a_description_that_makes_no_rows_is_refused() -> None:
    with pytest.raises(ValidationError, match="'events' need the 'time' of the table's rows"):
        Sources.model_validate({"table": "rows.csv", "events": LOG})
