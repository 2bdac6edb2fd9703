from datetime import date, datetime
from zoneinfo import ZoneInfo

import lightgbm
import numpy as np
import polars as pl
import pytest

from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.synthetic import TABLE_SETS
from scoreline_trainers.synthetic.behaviour import behaviour
from scoreline_trainers.synthetic.churn import OFFERS, churn
from scoreline_trainers.synthetic.guardian import AVOIDED, guardian
from scoreline_trainers.synthetic.spending import spending


@pytest.mark.parametrize("name", TABLE_SETS)
def test_equal_seeds_give_equal_tables(name: str) -> None:
    one, same, other = (TABLE_SETS[name](60, seed=seed) for seed in (3, 3, 4))
    assert all(one[table].equals(same[table]) for table in one)
    assert not any(one[table].equals(other[table]) for table in one if table not in ("segments", "offers"))


@pytest.mark.parametrize("name", TABLE_SETS)
def test_each_customer_has_one_row_in_the_first_table_and_all_events_are_theirs(name: str) -> None:
    first, *others = TABLE_SETS[name](200, seed=1).values()
    assert first["customer_id"].n_unique() == len(first) == 200
    assert all(frame["customer_id"].is_in(first["customer_id"].to_list()).all() for frame in others)


@pytest.mark.parametrize(
    ("name", "events"), [("behaviour", "transactions"), ("spending", "purchases"), ("guardian", "purchases")]
)
def test_a_customer_has_about_fifty_transactions(name: str, events: str) -> None:
    assert len(TABLE_SETS[name](400, seed=1)[events]) / 400 == pytest.approx(50, rel=0.1)


def test_behaviour_before_the_label_tells_who_falls_behind() -> None:
    tables = behaviour(4000, seed=5)
    labels, transactions = tables["labels"], tables["transactions"]
    assert labels["fell_behind"].mean() == pytest.approx(0.1, abs=0.03)
    assert transactions["moment"].max() < labels["as_of"].min()  # type: ignore[operator]
    facts = transactions.group_by("customer_id").agg(
        pl.col("category").is_in(["cash", "gambling"]).mean().alias("cash"),
        pl.col("balance_share").mean(),
        pl.col("balance_share").tail(10).mean().alias("newest"),
        (pl.col("moment").dt.hour() < 5).mean().alias("night"),
    )
    found = _auc(labels.join(facts, on="customer_id"), "fell_behind")
    assert 0.72 < found < 0.92


def test_impulse_buys_are_unusual_for_their_buyer_and_become_known_later() -> None:
    purchases = spending(400, seed=5)["purchases"]
    impulse = purchases.filter(pl.col("impulse") == 1)
    assert len(impulse) / len(purchases) == pytest.approx(0.04, abs=0.01)
    assert (impulse["regretted_at"] > impulse["moment"]).all()
    assert purchases.filter(pl.col("impulse") == 0)["regretted_at"].null_count() == len(purchases) - len(impulse)
    deviation = pl.col("amount").log() - pl.col("amount").log().median().over("customer_id")
    by_label = purchases.with_columns(deviation=deviation).group_by("impulse").agg(pl.col("deviation").mean())
    usual, unusual = by_label.sort("impulse")["deviation"]
    assert unusual > usual + 0.8


def test_each_intervention_avoids_its_share_of_the_regrets() -> None:
    tables = guardian(600, seed=5)
    both = tables["responses"].join(tables["purchases"].select("purchase_id", "impulse"), on="purchase_id")
    impulse = both.filter(pl.col("impulse") == 1)
    rates = {action: float(impulse[f"regretted_{action}"].mean()) for action in AVOIDED}  # type: ignore[arg-type]
    assert rates["none"] == pytest.approx(0.75, abs=0.03)
    for action, share in AVOIDED.items():
        assert 1 - rates[action] / rates["none"] == pytest.approx(share, abs=0.03)
    assert both.filter(pl.col("impulse") == 0)["regretted_none"].mean() == pytest.approx(0.02, abs=0.005)
    assert (both["regretted_pause"] <= both["regretted_nudge"]).all()


def test_purchases_of_several_countries_are_in_utc_and_end_with_the_day_that_is_asked_for() -> None:
    tables = guardian(80, seed=5, last_day=date(2026, 11, 21))
    purchases = tables["purchases"].join(tables["cardholders"], on="customer_id")
    assert purchases["timezone"].n_unique() == purchases["country"].n_unique() == 4
    assert purchases["moment"].dt.date().max() == date(2026, 11, 21)
    for zone, hour, moment in purchases.select("timezone", "hour", "moment").sample(200, seed=1).iter_rows():
        assert _hour_there(moment, zone) == pytest.approx(hour, abs=0.01)


def test_a_discount_keeps_some_of_those_who_would_leave() -> None:
    tables = churn(20_000, seed=5)
    labels = tables["labels"].join(tables["offers"], on="customer_id")
    left = dict(labels.group_by("offer").agg(pl.col("churned").mean()).iter_rows())
    assert labels["churned"].mean() == pytest.approx(0.165, abs=0.03)
    assert left["discount_10"] < left["none"] - 0.05


def test_the_label_of_a_subscriber_is_the_response_to_the_offer_that_was_made() -> None:
    tables = churn(3000, seed=5)
    both = tables["labels"].join(tables["offers"], on="customer_id").join(tables["responses"], on="customer_id")
    for offer in OFFERS:
        made = both.filter(pl.col("offer") == offer)
        assert made["churned"].equals(made[f"churned_{offer}"], check_names=False)
    assert both["churned_discount_10"].mean() < both["churned_none"].mean() - 0.05  # type: ignore[operator]
    assert (both["churned_discount_10"] <= both["churned_none"]).all()


def test_friends_of_leavers_leave_more_often() -> None:
    tables = churn(6000, seed=5)
    labels = tables["labels"].select("customer_id", "churned")
    ties = tables["referrals"].join(labels, on="customer_id")
    ties = ties.join(labels.rename({"customer_id": "friend_id", "churned": "friend_churned"}), on="friend_id")
    stayed, left = ties.group_by("friend_churned").agg(pl.col("churned").mean()).sort("friend_churned")["churned"]
    assert left > stayed + 0.04


def _hour_there(moment: datetime, zone: str) -> float:
    """The hour of a UTC moment by the clocks of a zone, with fractions."""
    there = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    return there.hour + there.minute / 60 + there.second / 3600


def _auc(table: pl.DataFrame, label: str) -> float:
    """AUC of small trees over all numbers of the second half of the rows."""
    values = table.select(pl.col(pl.Float64)).to_numpy()
    truth = table[label].to_numpy().astype(np.int8)
    half = len(truth) // 2
    parameters = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(values[:half], truth[:half]), 60)
    return auc(truth[half:], np.asarray(booster.predict(values[half:]), np.float64))
