import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline_trainers.calibration import Method, calibrated
from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import Validation, hold_out, split_rows
from scoreline_trainers.errors import DataError
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Silent
from scoreline_trainers.training import fit
from scoreline_trainers.training.recipe import Recipe
from tests.trainers.tables import TABLE, people, split_table

RECIPE = {**TABLE.model_dump(mode="json", exclude_defaults=True), "name": "r", "data": "r.csv", "family": "logistic"}


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
    first, again, other = (hold_out(100, fraction=0.2, seed=seed, unit=None)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@given(st.lists(st.none() | st.integers(0, 8), min_size=4, max_size=60), st.floats(0.1, 0.8), st.integers(0, 3))
def test_drawn_rows_are_whole_units(units: list[int | None], fraction: float, seed: int) -> None:
    unit = pl.Series("u", units, dtype=pl.Int64)
    train, judge = hold_out(len(units), fraction=fraction, seed=seed, unit=unit)
    assert sorted([*train, *judge]) == list(range(len(units)))
    shared = set(unit[train].drop_nulls()) & set(unit[judge].drop_nulls())
    assert not shared or len(set(units)) == 1
    assert len(judge) <= max(1, round(len(units) * fraction), *(units.count(each) for each in units))


def test_units_that_stand_once_are_drawn_as_rows_are() -> None:
    unit = pl.Series("u", [f"u{row}" for row in range(100)])
    for one, other in zip(
        hold_out(100, fraction=0.3, seed=4, unit=None), hold_out(100, fraction=0.3, seed=4, unit=unit), strict=True
    ):
        assert one.tolist() == other.tolist()


def test_no_model_is_judged_or_calibrated_on_units_that_it_has_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = people(300).with_columns(pl.Series("who", np.arange(300) // 3))
    columns = TABLE.model_copy(update={"unit": "who"})
    learned, judged = split_table(frame, columns, validation=Validation())
    assert learned.unit is not None
    assert judged.unit is not None
    assert not set(learned.unit) & set(judged.unit)
    held: list[int] = []

    def remember(model: Fitted, held_out: Dataset, method: Method) -> Calibrated:
        assert held_out.unit is not None
        held.extend(held_out.unit)
        return calibrated(model, held_out, method)

    monkeypatch.setattr(fit, "calibrated", remember)
    recipe = Recipe.parse({**RECIPE, "calibration": {"method": "sigmoid", "fraction": 0.2}})
    fit.fit_model(recipe, learned, progress=Silent())
    assert held
    assert {held.count(unit) for unit in held} == {3}
