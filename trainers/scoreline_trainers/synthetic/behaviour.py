"""Bank customers, their transactions over half a year, and who falls behind within the 90 days after.

About 12 in 100 do. What tells them apart is behaviour and its change: spending that runs ahead of income, cash
withdrawals at night, a rising share of the credit line, purchases that become irregular. How much each counts differs
between segments, and students with little history are hardest to tell.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.synthetic.event_times import EventTimes, draw_times, names

START = datetime(2025, 1, 1)  # noqa: DTZ001 - banks' local time, without a zone.
DAYS = 180
SEGMENTS = ("mass", "premium", "student", "business")
CATEGORIES = ("groceries", "fuel", "restaurants", "travel", "electronics", "cash", "gambling", "bills")
_SHARES = (0.28, 0.12, 0.16, 0.07, 0.08, 0.12, 0.03, 0.14)
_SEGMENT_SHARES = (0.6, 0.15, 0.15, 0.1)
_EVENTS = {"mass": 52.0, "premium": 70.0, "student": 22.0, "business": 60.0}
_INTERCEPT = -3.3


def behaviour(customers: int, *, seed: int = 0) -> Mapping[str, pl.DataFrame]:
    """Three tables about ``customers`` customers.

    ``customers``: customer_id, age, region, income, credit_line. ``segments``: customer_id, segment.
    ``transactions``: customer_id, moment, amount, category, balance_share. ``labels``: customer_id, as_of,
    fell_behind (0 or 1). About 50 transactions a customer.
    """
    draw = np.random.default_rng(seed)
    segment = draw.choice(len(SEGMENTS), customers, p=_SEGMENT_SHARES)
    stress = draw.normal(0, 1, customers)
    income = np.exp(draw.normal(7.6, 0.45, customers) + 0.4 * (segment == 1) - 0.5 * (segment == 2)).round(2)
    line = (income * draw.uniform(0.8, 3.0, customers)).round(-1)
    rate = np.array([_EVENTS[name] for name in SEGMENTS])[segment]
    night = 0.04 + 0.10 / (1 + np.exp(-1.4 * (stress - 0.6)))
    times = draw_times(draw.poisson(rate).clip(1), draw, days=DAYS, night=night)
    identifiers = names("u", np.arange(customers))
    age = np.clip(draw.normal(43, 14, customers) - 20 * (segment == 2), 18, 90).round()
    people = pl.DataFrame(
        {
            "customer_id": identifiers,
            "age": age,
            "region": draw.choice(("north", "south", "east", "west"), customers),
            "income": income,
            "credit_line": line,
        }
    )
    return {
        "customers": people,
        "segments": pl.DataFrame({"customer_id": identifiers, "segment": np.array(SEGMENTS)[segment]}),
        "transactions": _transactions(times, stress, income, draw),
        "labels": pl.DataFrame(
            {
                "customer_id": identifiers,
                "as_of": pl.Series([START + timedelta(days=DAYS)]).repeat_by(customers).explode(),
                "fell_behind": (draw.random(customers) < _chance(stress, segment, income, line, draw)).astype(np.int8),
            }
        ),
    }


def _transactions(times: EventTimes, stress: Float64, income: Float64, draw: np.random.Generator) -> pl.DataFrame:
    whose = times.customer
    late = np.clip(stress, 0, None)[whose] * np.clip(times.day / DAYS - 0.4, 0, None) / 0.6
    category = _categories(late, draw)
    usual = income[whose] / 28
    amount = usual * draw.lognormal(0, 0.6 + 0.15 * late, len(times)) * (1 + 0.5 * late) * (1 + 0.6 * (category == 3))
    share = np.clip(0.3 + 0.12 * stress[whose] + 0.22 * late + draw.normal(0, 0.1, len(times)), 0, 1.1)
    return pl.DataFrame(
        {
            "customer_id": names("u", whose),
            "moment": times.moments(START),
            "amount": amount.round(2),
            "category": np.array(CATEGORIES)[category],
            "balance_share": share.round(3),
        }
    )


def _categories(late: Float64, draw: np.random.Generator) -> np.ndarray:
    """int64 [E]: cash and gambling grow as customers come under stress."""
    usual = np.cumsum(_SHARES)
    drawn = np.searchsorted(usual, draw.random(len(late)) * usual[-1])
    turns = draw.random(len(late)) < 0.18 * np.clip(late, 0, 1.5)
    return np.where(turns, np.where(draw.random(len(late)) < 0.6, 5, 6), drawn)


def _chance(stress: Float64, segment: np.ndarray, income: Float64, line: Float64, draw: np.random.Generator) -> Float64:
    weight = np.array([1.7, 1.2, 1.1, 2.0])[segment]
    odds = _INTERCEPT + weight * stress + 0.5 * (segment == 2) + 0.35 * (line / income - 1.9)
    return np.asarray(1 / (1 + np.exp(-(odds + draw.normal(0, 0.5, len(stress))))))
