import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_trainers.errors import DataError
from scoreline_trainers.validation import Validation, hold_out, split_rows


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.sampled_from(["random", "last_fraction"]), st.integers(0, 5))
def test_every_row_is_on_exactly_one_side(rows: int, fraction: float, kind: str, seed: int) -> None:
    validation = Validation.model_validate({"kind": kind, "fraction": fraction})
    if round(rows * fraction) in (0, rows):
        fraction = 0.5
        validation = Validation.model_validate({"kind": kind, "fraction": fraction})
    train, judge = split_rows(validation, rows=rows, seed=seed)
    assert sorted([*train, *judge]) == list(range(rows))
    assert len(judge) == max(1, round(rows * fraction))


def test_the_last_fraction_is_the_end_of_the_table() -> None:
    train, judge = split_rows(Validation(kind="last_fraction", fraction=0.3), rows=10)
    assert (train.tolist(), judge.tolist()) == ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9])


def test_one_moment_never_stands_on_both_sides() -> None:
    time = pl.Series("t", [3, 1, 2, 2, 2, 1, 3, 2])
    train, judge = split_rows(Validation(kind="time", fraction=0.4), rows=8, time=time)
    assert (train.tolist(), judge.tolist()) == ([1, 5], [0, 2, 3, 4, 6, 7])


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (None, "needs the recipe to name"),
        (pl.Series("t", [1, None, 2]), "'t' has missing"),
        (pl.Series("t", [1] * 3), "too few"),
    ],
)
def test_a_split_by_time_needs_times(time: pl.Series | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_rows(Validation(kind="time"), rows=3, time=time)


def test_equal_seeds_hold_out_equal_rows() -> None:
    first, again, other = (hold_out(100, fraction=0.2, seed=seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
