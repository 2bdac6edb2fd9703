"""Texts of values that were read as floats."""

import math

import polars as pl
import pytest

from scoreline_trainers.data.names import whole_texts


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 2.0, None], ["1", "2", None]),
        ([1.0, math.nan], ["1", None]),
        ([1.0, 2.5], ["1.0", "2.5"]),
        ([3e30, 1.0], ["3e+30", "1.0"]),
    ],
)
def test_whole_numbers_that_are_exact_are_written_as_integers(values: list[float], texts: list[str]) -> None:
    assert whole_texts(pl.Series("v", values)).to_list() == texts
