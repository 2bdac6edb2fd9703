"""Cardholders, their purchases over half a year, and which of them were impulse buys that they regretted.

Every cardholder has habits: favourite categories, usual amounts, hours and a way to pay. About 4 in 100 purchases are
planted impulse buys: late, larger than usual, in a rare category, often paid later. Some of these signs also occur in
purchases that nobody regrets, and a large purchase is usual for some people and not for others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.synthetic.event_times import EventTimes, draw_times, names

START = datetime(2025, 1, 1)  # noqa: DTZ001 - shops' local time, without a zone.
DAYS = 180
PURCHASES = 50.0
CATEGORIES = (
    "groceries", "fuel", "restaurants", "clothing", "electronics", "travel", "gifts", "games", "health", "home",
)  # fmt: skip
PAYMENTS = ("card", "cash", "wallet", "pay_later")
# Merchant category codes (ISO 18245) of the categories.
_MERCHANTS = np.array([5411, 5541, 5812, 5651, 5732, 4722, 5947, 5816, 5912, 5712], np.int16)
_TEMPTING = (3, 4, 5, 7)
_REGRET_DAYS = (2, 14)

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Planting:
    """How many impulse buys are planted, and how often each sign of one shows.

    Attributes:
        share: of all purchases that are impulse buys, on average over cardholders.
        showing: of those, the share that differs from its buyer's other purchases at all; the rest looks usual.
        tempting: share of the showing ones in a tempting category.
        late: share around midnight.
        paid_later: share that is paid later.
    """

    share: float = 0.04
    showing: float = 0.93
    tempting: float = 0.85
    late: float = 0.85
    paid_later: float = 0.65


def spending(customers: int, *, seed: int = 0) -> Mapping[str, pl.DataFrame]:
    """Two tables about ``customers`` cardholders, about 50 purchases each.

    ``cardholders``: customer_id, age, region, monthly_income.
    ``purchases``: purchase_id, customer_id, moment, amount, category, payment_method, hour, day (from 0),
    category_code, payment_code, impulse (0 or 1) and regretted_at, when it became known (null where never).
    """
    return spending_tables(customers, np.random.default_rng(seed), Planting())


def spending_tables(customers: int, draw: np.random.Generator, planting: Planting) -> Mapping[str, pl.DataFrame]:
    """The tables of ``spending`` with other shares of impulse buys and their signs."""
    income = np.exp(draw.normal(7.5, 0.45, customers)).round(2)
    times = draw_times(draw.poisson(PURCHASES, customers).clip(3), draw, days=DAYS, night=0.03)
    cardholders = pl.DataFrame(
        {
            "customer_id": names("h", np.arange(customers)),
            "age": np.clip(draw.normal(38, 12, customers), 18, 85).round(),
            "region": draw.choice(("north", "south", "east", "west"), customers),
            "monthly_income": income,
        }
    )
    return {"cardholders": cardholders, "purchases": _purchases(times, income, draw, planting)}


def _purchases(times: EventTimes, income: Float64, draw: np.random.Generator, planting: Planting) -> pl.DataFrame:
    whose, events = times.customer, len(times)
    susceptible = draw.beta(2, 6, len(income)) * 4
    impulse = draw.random(events) < planting.share * susceptible[whose]
    showing = impulse & (draw.random(events) < planting.showing)
    category = _categories(whose, showing, len(income), draw, planting)
    hour = np.where(showing & (draw.random(events) < planting.late), draw.normal(23.5, 1.3, events) % 24, times.hour)
    payment = _payments(whose, showing, len(income), draw, planting)
    regretted = times.day + draw.uniform(*_REGRET_DAYS, events)
    frame = pl.DataFrame(
        {
            "purchase_id": names("p", np.arange(events)),
            "customer_id": names("h", whose),
            "moment": EventTimes(whose, np.floor(times.day) + hour / 24).moments(START),
            "amount": _amounts(whose, category, showing, income, draw),
            "category": np.array(CATEGORIES)[category],
            "payment_method": np.array(PAYMENTS)[payment],
            "hour": hour.round(2),
            "day": times.day.astype(np.int16),
            "category_code": _MERCHANTS[category],
            "payment_code": payment.astype(np.int16),
            "impulse": impulse.astype(np.int8),
            "regretted_at": EventTimes(whose, regretted).moments(START),
        }
    )
    known = pl.when(pl.col("impulse") == 1).then(pl.col("regretted_at")).alias("regretted_at")
    return frame.with_columns(known).sort("customer_id", "moment")


def _categories(
    whose: Codes, showing: npt.NDArray[np.bool_], customers: int, draw: np.random.Generator, planting: Planting
) -> Codes:
    """Three favourites hold most of a cardholder's purchases; impulse buys tempt elsewhere."""
    favourites = np.argsort(draw.random((customers, len(CATEGORIES))), axis=1)[:, :3]
    events = len(whose)
    usual = favourites[whose, draw.choice(3, events, p=[0.55, 0.3, 0.15])]
    other = draw.integers(0, len(CATEGORIES), events)
    category = np.where(draw.random(events) < 0.85, usual, other)
    tempted = showing & (draw.random(events) < planting.tempting)
    return np.where(tempted, np.array(_TEMPTING)[draw.integers(0, len(_TEMPTING), events)], category)


def _payments(
    whose: Codes, showing: npt.NDArray[np.bool_], customers: int, draw: np.random.Generator, planting: Planting
) -> Codes:
    usual = draw.choice(len(PAYMENTS), customers, p=[0.6, 0.15, 0.2, 0.05])
    events = len(whose)
    method = np.where(draw.random(events) < 0.88, usual[whose], draw.integers(0, len(PAYMENTS), events))
    return np.where(showing & (draw.random(events) < planting.paid_later), len(PAYMENTS) - 1, method)


def _amounts(
    whose: Codes, category: Codes, showing: npt.NDArray[np.bool_], income: Float64, draw: np.random.Generator
) -> Float64:
    usual = income / 60 * draw.lognormal(0, 0.4, len(income))
    spread = draw.uniform(0.25, 0.7, len(income))
    dear = np.array([0.8, 0.9, 0.9, 1.3, 2.2, 3.0, 1.1, 1.0, 0.9, 1.4])[category]
    noise = draw.normal(0, 1, len(whose)) * spread[whose]
    extra = showing * draw.normal(1.1, 0.4, len(whose)).clip(0)
    return np.asarray((usual[whose] * dear * np.exp(noise + extra)).round(2))
