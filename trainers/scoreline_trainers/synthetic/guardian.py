"""Cardholders in several countries, their purchases with planted impulse buys, and what an intervention does to each.

The purchases are those of ``spending`` with more impulse buys, which show more clearly, and with their moments in UTC.
For every purchase the table ``responses`` has whether its buyer comes to regret it without an intervention, after a
nudge, and after a pause: the share of regrets that each avoids is known, so an estimate can be compared with it.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Int64
from scoreline_trainers.synthetic.spending import DAYS, START, Planting, spending_tables

LAST_DAY = date(2025, 6, 29)
PLANTING = Planting(share=0.08, showing=0.98, tempting=0.97, late=0.95, paid_later=0.92)
COUNTRIES: Mapping[str, tuple[str, str]] = {
    "DE": ("de", "Europe/Berlin"),
    "GB": ("en", "Europe/London"),
    "ES": ("es", "Europe/Madrid"),
    "IN": ("en", "Asia/Kolkata"),
}
"""Language and time zone of each country."""
AVOIDED: Mapping[str, float] = {"none": 0.0, "nudge": 0.25, "pause": 0.6}
"""The share of regrets that each action avoids."""

_COUNTRY_SHARES = (0.4, 0.25, 0.2, 0.15)
_REGRETTED = {0: 0.02, 1: 0.75}


def guardian(customers: int, *, seed: int = 0, last_day: date = LAST_DAY) -> Mapping[str, pl.DataFrame]:
    """Three tables about ``customers`` cardholders, about 50 purchases each, over the 180 days up to ``last_day``.

    ``cardholders``: customer_id, age, region, monthly_income, country, language, timezone.
    ``purchases``: purchase_id, customer_id, moment (UTC), amount, category, payment_method, hour (the buyer's own),
    day (from 0) and impulse (0 or 1).
    ``responses``: purchase_id, customer_id, and regretted_none, regretted_nudge and regretted_pause (0 or 1 each).
    """
    draw = np.random.default_rng(seed)
    tables = spending_tables(customers, draw, PLANTING)
    country = draw.choice(len(COUNTRIES), customers, p=_COUNTRY_SHARES)
    people = tables["cardholders"].with_columns(_countries(country))
    bought = tables["purchases"].join(people.select("customer_id", "timezone"), on="customer_id", maintain_order="left")
    purchases = bought.select(
        "purchase_id",
        "customer_id",
        _in_utc(bought, last_day).alias("moment"),
        *("amount", "category", "payment_method", "hour", "day", "impulse"),
    ).sort("customer_id", "moment")
    return {"cardholders": people, "purchases": purchases, "responses": _responses(purchases, draw)}


def _countries(country: Int64) -> list[pl.Series]:
    names = np.array(list(COUNTRIES))
    languages, zones = (np.array(values) for values in zip(*COUNTRIES.values(), strict=True))
    return [
        pl.Series("country", names[country]),
        pl.Series("language", languages[country]),
        pl.Series("timezone", zones[country]),
    ]


def _in_utc(bought: pl.DataFrame, last_day: date) -> pl.Series:
    """The moments of purchases, which are in their buyers' local time, in UTC; moved to end with ``last_day``."""
    moved = last_day - (START.date() + timedelta(days=DAYS - 1))
    offsets = pl.DataFrame(
        [
            {"timezone": zone, "local_day": day, "offset": _offset(zone, day)}
            for _, zone in COUNTRIES.values()
            for day in (last_day + timedelta(days=back) for back in range(-DAYS, 2))
        ]
    ).unique(["timezone", "local_day"])
    local = bought.select("timezone", moment=pl.col("moment") + moved).with_columns(
        local_day=pl.col("moment").dt.date()
    )
    joined = local.join(offsets, on=["timezone", "local_day"], how="left", maintain_order="left")
    return joined.select(pl.col("moment") - pl.col("offset")).to_series()


def _offset(zone: str, day: date) -> timedelta:
    """The offset of a zone's clocks from UTC at noon of a day."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()


def _responses(purchases: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    """One draw decides for all actions of a purchase, so that what avoids more regrets avoids those of the others."""
    chance = np.where(purchases["impulse"].to_numpy() == 1, _REGRETTED[1], _REGRETTED[0])
    regretted = draw.random(len(purchases)) < chance
    stubborn = draw.random(len(purchases))
    kept = {f"regretted_{action}": regretted & (stubborn >= share) for action, share in AVOIDED.items()}
    flags = [pl.Series(name, values.astype(np.int8)) for name, values in kept.items()]
    return purchases.select("purchase_id", "customer_id", *flags)
