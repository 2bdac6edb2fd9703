"""Plans of rows: folds, walk-forward windows, gaps and test parts."""

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from scoreline_trainers.data.splits import SplitPlan, Validation, plan_splits
from scoreline_trainers.errors import DataError

DAYS = pl.Series("day", [date(2026, 1, 1) + timedelta(days=row // 3) for row in range(300)])


def planned(document: dict[str, Any], **known: Any) -> SplitPlan:
    known = {"rows": 300, **known}
    return plan_splits(Validation.model_validate(document), **known)


@given(st.integers(2, 6), st.integers(1, 3), st.integers(0, 4), st.sampled_from([None, 0.1, 0.3]))
def test_each_repeat_judges_every_development_row_once(folds: int, repeats: int, seed: int, test: float | None) -> None:
    label = pl.Series("y", np.arange(300) % 10 == 0).cast(pl.Int8)
    plan = planned({"kind": "folds", "folds": folds, "repeats": repeats, "test": test}, label=label, seed=seed)
    held = np.empty(0, np.intp) if plan.test is None else plan.test
    assert sorted([*plan.development, *held]) == list(range(300))
    for repeat in range(repeats):
        of_repeat = plan.folds[repeat * plan.first_repeat : (repeat + 1) * plan.first_repeat]
        assert sorted(np.concatenate([fold.validation for fold in of_repeat])) == plan.development.tolist()
    for fold in plan.folds:
        assert sorted([*fold.training, *fold.validation]) == plan.development.tolist()


def test_folds_and_test_part_have_their_share_of_each_class() -> None:
    label = pl.Series("y", [0] * 200 + [1] * 70 + [2] * 30)
    plan = planned({"kind": "folds", "folds": 5, "test": 0.2}, label=label)
    assert plan.test is not None
    assert np.bincount(label.to_numpy()[plan.test]).tolist() == [40, 14, 6]
    for fold in plan.folds:
        counts = np.bincount(label.to_numpy()[fold.validation])
        assert np.abs(counts - [32, 11.2, 4.8]).max() <= 1


def test_folds_of_amounts_have_their_share_of_each_tenth() -> None:
    amount = pl.Series("spend", np.random.default_rng(0).lognormal(3, 2, 300))
    tenth = (amount.rank().to_numpy() - 1).astype(np.intp) // 30
    for fold in planned({"kind": "folds"}, label=amount).folds:
        assert np.bincount(tenth[fold.validation]).tolist() == [6] * 10
    loose = planned({"kind": "folds", "stratify": False}, label=amount).folds
    assert any(np.bincount(tenth[fold.validation]).max() > 6 for fold in loose)


@pytest.mark.parametrize("kind", ["folds", "groups"])
def test_folds_and_test_part_hold_whole_units(kind: str) -> None:
    unit = pl.Series("who", np.random.default_rng(1).integers(0, 60, 300))
    plan = planned({"kind": kind, "folds": 4, "test": 0.25}, unit=unit, label=pl.Series(np.arange(300) % 3 == 0))
    assert plan.test is not None
    parts = [unit[plan.test], *(unit[fold.validation] for fold in plan.folds)]
    assert sum(part.n_unique() for part in parts) == unit.n_unique()


def test_repeats_are_dealt_anew_and_equal_seeds_deal_alike() -> None:
    first, again, other = (planned({"kind": "folds", "folds": 3, "repeats": 2}, seed=seed).folds for seed in (1, 1, 2))
    assert all(np.array_equal(a.validation, b.validation) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].validation, first[3].validation)
    assert not np.array_equal(first[0].validation, other[0].validation)


@given(st.integers(2, 8), st.integers(0, 20), st.sampled_from([None, 15, 40]))
def test_walking_forward_leaves_the_gap_between_what_is_learned_and_judged(
    folds: int, gap: int, window: int | None
) -> None:
    document = {"kind": "walk_forward", "folds": folds, "gap_days": gap, "window_days": window, "test": 0.1}
    assume(gap + 2 < (90 - gap) // (folds + 1))
    plan = planned(document, time=DAYS)
    days = (DAYS - DAYS[0]).dt.total_days().to_numpy()
    assert plan.test is not None
    assert days[plan.development].max() + gap < days[plan.test].min()
    for fold in plan.folds:
        assert days[fold.training].max() + gap < days[fold.validation].min()
        if window is not None:
            assert np.ptp(days[fold.training]) < window
    judged = np.concatenate([fold.validation for fold in plan.folds])
    assert len(set(judged)) == len(judged)
    assert judged.tolist() == sorted(judged)


def test_walk_forward_folds_are_equal_windows_and_learn_from_all_before() -> None:
    plan = planned({"kind": "walk_forward", "folds": 4}, time=DAYS)
    assert [len(fold.validation) for fold in plan.folds] == [60] * 4
    assert [len(fold.training) for fold in plan.folds] == [60, 120, 180, 240]
    assert plan.refits
    assert plan.training.tolist() == list(range(300))


def test_a_validation_by_time_has_the_gap_too() -> None:
    plan = planned({"kind": "time", "fraction": 0.2, "gap_days": 10}, time=DAYS)
    fold = plan.folds[0]
    assert (fold.training.max(), fold.validation.min()) == (209, 240)
    assert not plan.refits


@pytest.mark.parametrize(
    ("time", "kind", "first"), [(DAYS, None, 240), (None, "last_fraction", 240), (DAYS, "last_fraction", 240)]
)
def test_the_test_part_is_the_newest_where_there_are_times(
    time: pl.Series | None, kind: str | None, first: int
) -> None:
    plan = planned({"test": {"fraction": 0.2, "kind": kind}}, time=time)
    assert plan.test is not None
    assert plan.test.tolist() == list(range(first, 300))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["yesterday"] * 300, "holds texts that are no ISO dates"),
        ([1.7e9 + row for row in range(300)], "holds numbers too large to count days"),
        ([None, *range(299)], "has missing values"),
        ([math.nan, *range(299)], "has missing values"),
    ],
)
def test_a_gap_needs_days(values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        planned({"kind": "walk_forward", "gap_days": 3}, time=pl.Series("t", values, strict=False))


def test_numbers_count_days_and_texts_are_dates() -> None:
    expected = planned({"kind": "walk_forward", "gap_days": 5}, time=DAYS).folds
    for column in (DAYS.cast(pl.String), (DAYS - DAYS[0]).dt.total_days()):
        folds = planned({"kind": "walk_forward", "gap_days": 5}, time=column.alias("t")).folds
        assert [fold.training.tolist() for fold in folds] == [fold.training.tolist() for fold in expected]


@pytest.mark.parametrize(
    ("document", "known", "message"),
    [
        ({"kind": "groups"}, {}, "name a 'unit' column"),
        ({"kind": "walk_forward"}, {}, "name a 'time' column"),
        ({"kind": "folds", "folds": 9}, {"rows": 5}, "5 rows are too few"),
        ({"kind": "folds", "folds": 10**9}, {}, "300 rows are too few for 1000000000 folds"),
        ({"kind": "walk_forward", "gap_days": 40}, {"time": DAYS}, "no rows before the gap of 40 days"),
        ({"test": {"fraction": 0.9, "kind": "time"}}, {"time": pl.Series("t", [1] * 300)}, "all rows or none"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(document: dict[str, Any], known: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        planned(document, **known)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"folds": 3}, "'folds' goes with kind folds, groups, walk_forward, not with 'random'"),
        ({"kind": "folds", "gap_days": 3}, "'gap_days' goes with kind time, walk_forward"),
        ({"kind": "folds", "fraction": 0.3}, "'fraction' goes with a kind with one split"),
        ({"kind": "walk_forward", "repeats": 2}, "'repeats' goes with kind folds, groups"),
        ({"test": 1.5}, "less than 1"),
    ],
)
def test_options_of_another_kind_are_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Validation.model_validate(document)
