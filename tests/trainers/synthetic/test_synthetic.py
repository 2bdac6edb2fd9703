import numpy as np
import polars as pl
import pytest

from scoreline_trainers.synthetic import GENERATORS
from scoreline_trainers.synthetic.delinquency import LONGEST, SHORTEST, STEP_FEATURES, delinquency
from scoreline_trainers.synthetic.propensity import propensity


@pytest.mark.parametrize("name", GENERATORS)
def test_equal_seeds_give_equal_tables(name: str) -> None:
    generate = GENERATORS[name]
    assert generate(50, seed=3).equals(generate(50, seed=3))
    assert not generate(50, seed=3).equals(generate(50, seed=4))


def test_about_one_customer_in_twenty_buys() -> None:
    frame = propensity(20_000, seed=1)
    assert frame["converted"].mean() == pytest.approx(0.05, abs=0.01)
    assert frame["customer_id"].n_unique() == len(frame)
    assert frame["region"].null_count() > 0
    assert frame["observed_on"].is_sorted()


def test_accounts_have_30_to_90_days_oldest_first() -> None:
    frame = delinquency(400, seed=1)
    days = frame.group_by("account_id").agg(pl.len(), pl.col("day").max())
    assert days["len"].min() == SHORTEST
    assert days["len"].max() == LONGEST
    assert (days["len"] == days["day"] + 1).all()
    assert frame.columns == ["account_id", "day", *STEP_FEATURES, "defaulted"]


def test_defaulters_deteriorate_and_others_do_not() -> None:
    frame = delinquency(1500, seed=2)
    last = pl.col("day") >= pl.col("day").max().over("account_id") - 9
    first = pl.col("day") < 10
    change = {}
    for label in (0, 1):
        some = frame.filter(pl.col("defaulted") == label)
        for name in ("failed_debits", "utility_delay_days", "card_utilisation"):
            early, late = some.filter(first)[name].to_numpy(), some.filter(last)[name].to_numpy()
            change[name, label] = float(np.mean(late) - np.mean(early))
    for name in ("failed_debits", "utility_delay_days", "card_utilisation"):
        assert change[name, 1] > 4 * abs(change[name, 0])
    assert frame.group_by("account_id").agg(pl.col("defaulted").n_unique())["defaulted"].max() == 1
