import polars as pl
import pytest

from scoreline_trainers.data.sources.conditions import Condition, rows_that_meet
from scoreline_trainers.errors import DataError

FRAME = pl.DataFrame({"amount": [0.0, 5.0, None, -1.0], "kind": ["a", "b", "in", None]})


@pytest.mark.parametrize(
    ("texts", "met"),
    [
        (["amount > 0"], [False, True, False, False]),
        (["amount>=0"], [True, True, False, False]),
        (["amount != 0"], [False, True, False, True]),
        (["kind == a"], [True, False, False, False]),
        (["kind in [a, in]"], [True, False, True, False]),
        (["kind not in [a]"], [False, True, True, False]),
        (["amount <= 5", "kind == b"], [False, True, False, False]),
        ([], [True, True, True, True]),
    ],
)
def test_a_row_meets_all_conditions_and_a_missing_value_none(texts: list[str], met: list[bool]) -> None:
    assert rows_that_meet(FRAME, texts).to_list() == met


def test_a_column_name_may_hold_spaces() -> None:
    assert Condition.parse("days past due >= 30") == Condition("days past due", ">=", (30,))


@pytest.mark.parametrize("text", ["amount", "amount = 3", "> 3", "amount > {a: 1}", "amount in []"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a condition"):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind > 3", "column 'kind' holds text and is compared with 3: quote the value: '3'"),
        ("amount == a", "column 'amount' holds Float64 and is compared with a: compare it with a number, not 'a'"),
        ("amonut > 3", "column 'amonut' is not in the table; did you mean 'amount'"),
    ],
)
def test_a_condition_that_does_not_fit_its_column_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows_that_meet(FRAME, [text])
