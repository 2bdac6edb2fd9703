import numpy as np
import pytest

from scoreline_trainers.profiling.leaks import TOO_GOOD, alone, amount_alone, given_away

DRAW = np.random.default_rng(0)
LABEL = (DRAW.random(2000) < 0.2).astype(np.int8)


def test_a_label_with_one_percent_noise_is_too_good_alone() -> None:
    noisy = np.where(DRAW.random(2000) < 0.01, 1 - LABEL, LABEL).astype(np.float64)
    found = alone(noisy, LABEL, category=False)
    assert found is not None
    assert TOO_GOOD < found < 1


def test_a_column_that_falls_and_rises_with_the_label_is_found() -> None:
    values = np.where(LABEL == 1, DRAW.choice([-3.0, 3.0], 2000), 0) + DRAW.normal(0, 0.3, 2000)
    assert (alone(values, LABEL, category=False) or 0) > TOO_GOOD


@pytest.mark.parametrize("category", [False, True])
def test_noise_alone_is_worth_nothing(category: bool) -> None:
    values = DRAW.integers(0, 400, 2000).astype(np.float64)
    found = alone(values, LABEL, category=category)
    assert found is not None
    assert found < 0.6


def test_few_rows_of_a_label_are_not_judged() -> None:
    rare = np.zeros(2000, np.int8)
    rare[:20] = 1
    assert alone(rare.astype(np.float64), rare, category=False) is None


def test_a_column_that_is_missing_where_nothing_happened_is_too_good() -> None:
    values = np.where(LABEL == 1, DRAW.random(2000), np.nan)
    assert (alone(values, LABEL, category=False) or 0) > TOO_GOOD


def test_a_column_that_is_filled_after_some_events_is_found() -> None:
    some = (LABEL == 1) & (DRAW.random(2000) < 0.3)
    assert given_away(np.where(some, 1.0, np.nan), LABEL, category=False) == ("filled", int(some.sum()))
    assert given_away(np.where(some, 7.0, 0.0), LABEL, category=False) == ("not zero", int(some.sum()))
    assert given_away(np.where(some, np.nan, 1.0), LABEL, category=True) == ("missing", int(some.sum()))


def test_an_honest_column_gives_nothing_away() -> None:
    values = np.where(DRAW.random(2000) < 0.3, np.nan, DRAW.normal(0, 1, 2000))
    assert given_away(values, LABEL, category=False) is None
    assert given_away(np.where(LABEL == 0, 1.0, np.nan), 1 - LABEL, category=False) is None


def test_a_copy_of_an_amount_explains_it_and_noise_does_not() -> None:
    amount = DRAW.normal(0, 1, 2000)
    copied = amount_alone(2 * amount + 1, amount, category=False)
    other = amount_alone(DRAW.normal(0, 1, 2000), amount, category=False)
    assert copied is not None
    assert other is not None
    assert copied > TOO_GOOD
    assert other < 0.1
