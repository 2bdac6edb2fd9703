"""Profiles as a source of training tables: point in time, types of events, the event at hand, sequences."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from scoreline_trainers.data.dataset import table_examples
from scoreline_trainers.data.training_tables.assembly import TrainingTable, training_table
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DataError
from scoreline_trainers.training.profiles import with_profiles
from scoreline_trainers.training.recipe import Recipe

PROFILE: Mapping[str, Any] = {
    "profile": "spending",
    "events": {
        "purchase": {"fields": {"amount": "number", "kind": "category"}},
        "fraud": {"fields": {}},
    },
    "features": {
        "purchases": {"aggregate": "count", "events": "purchase"},
        "spent": {"aggregate": "sum", "events": "purchase", "field": "amount"},
        "last_kind": {"aggregate": "last", "events": "purchase", "field": "kind"},
        "frauds": {"aggregate": "count", "events": "fraud"},
        "to_usual": {"aggregate": "ratio", "of": "event.amount", "to": "spent"},
        "steps": {"aggregate": "sequence", "events": "purchase", "fields": ["amount", "kind"], "length": 2},
    },
}
ORDERS = """order,customer,moment,amount,kind,fraud
1,a,2024-01-01 10:00:00,10,food,0
2,a,2024-01-02 10:00:00,30,toys,1
3,b,2024-01-02 11:00:00,7,food,0
4,a,2024-01-02 10:00:00,5,food,0
5,a,2024-01-20 10:00:00,1,,0
"""
PURCHASES = {"file": "orders.csv", "type": "purchase", "entity": "customer", "id": "order", "time": "moment"}
FRAUDS = {**PURCHASES, "type": "fraud", "id_prefix": "fraud-", "where": "fraud == 1", "delay_days": 7}
SOURCE: Mapping[str, Any] = {
    "profile": PROFILE,
    "entity": "customer",
    "events": [PURCHASES, FRAUDS],
    "event": {"type": "purchase"},
}
ROWS = {"file": "orders.csv", "time": "moment"}


def made(folder: Path, *, orders: str = ORDERS, rows: Mapping[str, Any] = ROWS, **changes: Any) -> TrainingTable:
    (folder / "orders.csv").write_text(orders)
    return training_table(Sources.model_validate({"table": rows, "profiles": {**SOURCE, **changes}}), folder=folder)


def test_a_row_has_the_features_of_the_events_strictly_before_it(tmp_path: Path) -> None:
    frame = made(tmp_path).frame
    columns = ("order", "purchases", "spent", "last_kind", "to_usual")
    assert frame.select(columns).rows() == [
        (1, 0.0, 0.0, None, None),
        (2, 1.0, 10.0, "food", 3.0),
        (3, 0.0, 0.0, None, None),
        (4, 1.0, 10.0, "food", 0.5),
        # Of the two purchases of one moment, the one with the greater id comes last.
        (5, 3.0, 45.0, "food", 1 / 45),
    ]


def test_an_outcome_counts_from_the_day_on_which_it_is_known(tmp_path: Path) -> None:
    orders = ORDERS + "6,a,2024-01-09 10:00:00,1,food,0\n7,a,2024-01-09 10:00:01,1,food,0\n"
    frame = made(tmp_path, orders=orders).frame
    assert frame.select("order", "frauds").rows() == [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (6, 0), (7, 1)]


def test_the_fields_of_the_event_at_hand_are_columns_by_their_names(tmp_path: Path) -> None:
    orders = ORDERS.replace("amount", "paid")
    read = [{**each, "fields": {"amount": "paid"}} for each in (PURCHASES, FRAUDS)]
    event = {"type": "purchase", "fields": {"amount": "paid"}}
    frame = made(tmp_path, orders=orders, events=read[0], event=event, features=["spent"]).frame
    assert frame.select("amount", "kind", "spent").rows()[:2] == [(10.0, "food", 0.0), (30.0, "toys", 10.0)]


def test_a_category_of_numbers_becomes_names(tmp_path: Path) -> None:
    orders = ORDERS.replace("food", "5411").replace("toys", "5945")
    frame = made(tmp_path, orders=orders).frame
    assert frame["kind"].to_list() == ["5411", "5945", "5411", "5411", None]
    assert frame["last_kind"].to_list() == [None, "5411", None, "5411", "5411"]


def test_a_sequence_becomes_lists_with_one_missing_step_where_there_is_none(tmp_path: Path) -> None:
    frame = made(tmp_path, features=[], sequence="steps").frame
    assert frame["steps_amount"].to_list() == [[None], [10.0], [None], [10.0], [30.0, 5.0]]
    assert frame["steps_kind"].to_list() == [[None], ["food"], [None], ["food"], ["toys", "food"]]
    assert frame.schema["steps_kind"] == pl.List(pl.String)


REFERRALS = """entity,id,moment,type,amount,friend
x,1,2024-01-01,purchase,5,
y,2,2024-01-02,purchase,7,
a,3,2024-01-03,referral,,x
a,4,2024-01-04,referral,,y
x,5,2024-01-05,purchase,20,
a,6,2024-01-06,referral,,new
"""
FRIENDS = {
    "profile": "friends",
    "events": {"purchase": {"fields": {"amount": "number"}}, "referral": {"fields": {"friend": "entity"}}},
    "features": {
        "purchases": {"aggregate": "count", "events": "purchase"},
        "largest": {"aggregate": "max", "events": "purchase", "field": "amount"},
        "friends": {
            "aggregate": "neighbors",
            "events": "referral",
            "field": "friend",
            "most": 3,
            "features": ["purchases", "largest"],
        },
    },
}


def test_neighbors_have_their_features_as_of_the_row(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(REFERRALS)
    (tmp_path / "rows.csv").write_text("who,at,label\na,2024-01-04,0\na,2024-01-07,1\nx,2024-01-07,0\n")
    file = {"file": "events.csv", "type_column": "type", "entity": "entity", "id": "id", "time": "moment"}
    source = {"profile": FRIENDS, "entity": "who", "events": file, "features": [], "neighbors": "friends"}
    data = {"table": {"file": "rows.csv", "time": "at"}, "profiles": source}
    frame = training_table(Sources.model_validate(data), folder=tmp_path).frame
    # The newest first; a friend without events has counts of 0 and no largest purchase.
    assert frame["friends_purchases"].to_list() == [[1.0], [0.0, 1.0, 2.0], []]
    largest = frame["friends_largest"].to_list()
    assert (largest[0], largest[1][1:], largest[2]) == ([5.0], [7.0, 20.0], [])
    assert math.isnan(largest[1][0])
    recipe = {"name": "r", "data": data, "features": "auto", "exclude": ["who", "at"], "label": "label"}
    read = with_profiles(Recipe.parse({**recipe, "family": "gat"}), folder=tmp_path)
    examples = table_examples(frame, read)
    assert examples.neighbors is not None
    assert examples.neighbor_mask is not None
    assert examples.neighbors.shape == (3, 3, 2)
    assert examples.neighbor_mask.tolist() == [[True, False, False], [True, True, True], [False, False, False]]
    assert examples.neighbors[1, :, 0].tolist() == [0, 1, 2]


def test_rows_at_cuts_have_the_features_as_of_the_cut(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(ORDERS)
    sources = {
        "cuts": {"at": ["2024-01-02", "2024-01-21"]},
        "events": {"file": "orders.csv", "entity": "customer", "time": "moment"},
        "profiles": {key: value for key, value in SOURCE.items() if key != "event"},
    }
    frame = training_table(Sources.model_validate(sources), folder=tmp_path).frame
    assert frame.select("customer", "purchases", "spent", "to_usual").rows() == [
        ("a", 1.0, 10.0, None),
        ("a", 4.0, 46.0, None),
        ("b", 1.0, 7.0, None),
    ]


def test_repeated_events_count_once_and_the_note_says_so(tmp_path: Path) -> None:
    plain = made(tmp_path)
    twice = ORDERS + ORDERS.partition("\n")[2]
    (tmp_path / "twice.csv").write_text(twice)
    doubled = made(tmp_path, events=[{**each, "file": "twice.csv"} for each in (PURCHASES, FRAUDS)])
    assert doubled.frame.equals(plain.frame)
    assert plain.notes == ("profile spending: 5 columns from 6 events; 3 of 5 rows have events before them",)
    assert "(6 repetitions left out)" in doubled.notes[0]


def test_event_types_may_be_in_a_column(tmp_path: Path) -> None:
    orders = ORDERS.replace(",1\n", ",fraud\n").replace(",0\n", ",purchase\n").replace("kind,fraud", "kind,type")
    source = {key: value for key, value in PURCHASES.items() if key != "type"} | {"type_column": "type"}
    frame = made(tmp_path, orders=orders, events=source).frame
    assert frame.select("purchases", "frauds").rows()[-1] == (2.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profile": "spending-guardia"}, "unknown profile 'spending-guardia'.*did you mean 'spending-guardian'"),
        ({"profile": "none.yaml"}, "profile none.yaml cannot be read"),
        ({"profile": {"registry": "spending"}}, "profile 'spending' is of the registry, and no registry is read here"),
        ({"profile": {"profile": "x"}}, "events: is missing"),
        ({"entity": "who"}, "column 'who' is not in the table"),
        ({"features": ["spend"]}, "column 'spend' is no feature of profile spending.*'spent'"),
        ({"features": ["steps"]}, "column 'steps' is a feature of kind sequence"),
        ({"sequence": "spent"}, "column 'spent' is no feature of kind sequence of profile spending"),
        ({"event": {"type": "buy"}}, "unknown event type 'buy' of profile spending"),
        ({"events": {**PURCHASES, "type": "buy"}}, "orders.csv: unknown event type 'buy'"),
        ({"events": {**PURCHASES, "fields": {"price": "amount"}}}, "unknown field 'price'"),
        (
            {"events": {**PURCHASES, "fields": {"amount": "kind"}}},
            "column 'kind' holds String, and the field is a number",
        ),
        (
            {"events": [PURCHASES, {**FRAUDS, "id_prefix": ""}]},
            "id '2' of entity 'a' is that of events of several types",
        ),
        ({"event": {"type": "purchase", "fields": {"amount": "order"}}}, "column 'amount' is in the table already"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(tmp_path, **changes)


def test_a_table_without_times_is_refused() -> None:
    with pytest.raises(ValidationError, match="'profiles' need the 'time' of the table's rows"):
        Sources.model_validate({"table": "orders.csv", "profiles": SOURCE})


def test_sources_without_profiles_are_written_as_before() -> None:
    assert "profiles" not in Sources.model_validate({"table": "orders.csv"}).model_dump(mode="json")
