"""Sequences that a table holds as lists."""

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.data.columns import Columns, SequenceSpec
from scoreline_trainers.data.sequences import to_examples
from scoreline_trainers.errors import DataError

FRAME = pl.DataFrame({"amount": [[1.0, None, 3.0], [4.0]], "count": [[1, 2, 3], [4]], "label": [0, 1]})


def columns(*lists: str, max_length: int | None = None) -> Columns:
    return Columns(label="label", sequence=SequenceSpec(lists=lists, max_length=max_length))


def test_lists_are_steps_oldest_first() -> None:
    examples = to_examples(FRAME, columns("amount", "count"))
    assert examples.lengths is not None
    assert examples.sequence is not None
    assert examples.lengths.tolist() == [3, 1]
    assert examples.sequence.dtype == np.float32
    np.testing.assert_array_equal(examples.sequence[0], [[1, 1], [np.nan, 2], [3, 3]])
    np.testing.assert_array_equal(examples.sequence[1], [[4, 4], [0, 0], [0, 0]])


def test_the_newest_steps_are_kept() -> None:
    examples = to_examples(FRAME, columns("count", max_length=2))
    assert examples.lengths is not None
    assert examples.sequence is not None
    assert examples.lengths.tolist() == [2, 1]
    assert examples.sequence[..., 0].tolist() == [[2, 3], [4, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": [[1, 2, 3], [4, 5]]}, "column 'count' holds lists of other lengths than 'amount'"),
        ({"count": [1, 2]}, "column 'count' is one of the sequence's lists and holds Int64"),
        ({"count": [["a", "b", "c"], ["d"]]}, "column 'count' is a step feature and must be a number but holds text"),
    ],
)
def test_lists_that_are_no_steps_are_refused(change: dict[str, list[object]], message: str) -> None:
    frame = FRAME.with_columns(pl.Series(name, values) for name, values in change.items())
    with pytest.raises(DataError, match=message):
        to_examples(frame, columns("amount", "count"))


def test_a_row_without_a_step_is_refused() -> None:
    frame = pl.DataFrame({"count": [[1], []], "label": [0, 1]}, schema_overrides={"count": pl.List(pl.Int64)})
    with pytest.raises(DataError, match="column 'count' holds no step in 1 of 2 rows"):
        to_examples(frame, columns("count"))


def test_lists_may_be_read_from_columns_of_other_names_with_room_for_more_steps() -> None:
    spec = SequenceSpec(lists={"paid": "amount", "many": "count"}, capacity=5)
    examples = to_examples(FRAME, Columns(label="label", sequence=spec))
    assert spec.step_features == ("paid", "many")
    assert examples.sequence is not None
    assert examples.lengths is not None
    assert examples.sequence.shape == (2, 5, 2)
    assert examples.lengths.tolist() == [3, 1]
    assert not examples.sequence[0, 3:].any()
