"""Customers of a shop and whether they buy within the next month: about 5 in 100 do.

Who buys depends on recency, engagement and price as marketing people expect, but through thresholds and combinations
(lapsed customers come back only for a discount, a full cart matters only on the web): trees see what a line cannot.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Float64

REGIONS = ("north", "south", "east", "west", "overseas")
CHANNELS = ("web", "app", "store", "partner")
PLANS = ("basic", "plus", "family", "student", "business")
START = date(2025, 1, 1)
DAYS = 180
# Puts the share of buyers at about 5 %.
_INTERCEPT = -6.0


def propensity(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """One row per customer: raw columns, and ``converted`` as 0 or 1. Some values are missing."""
    draw = np.random.default_rng(seed)
    people = {**_demographics(rows, draw), **_purchases(rows, draw), **_engagement(rows, draw)}
    chance = 1 / (1 + np.exp(-_log_odds(people, draw)))
    observed = np.sort(draw.integers(0, DAYS, rows))
    frame = pl.DataFrame(
        {
            "customer_id": [f"c{number:07d}" for number in range(rows)],
            "observed_on": pl.Series([START + timedelta(days=int(day)) for day in observed], dtype=pl.Date),
            **people,
            "converted": (draw.random(rows) < chance).astype(np.int8),
        }
    )
    return _with_holes(frame, {"age": 0.05, "email_open_rate": 0.10, "region": 0.03, "avg_basket": 0.02}, draw)


def _demographics(rows: int, draw: np.random.Generator) -> dict[str, object]:
    return {
        "age": np.clip(draw.normal(41, 14, rows), 18, 90).round(),
        "tenure_months": draw.gamma(2.0, 14.0, rows).round(),
        "region": draw.choice(REGIONS, rows, p=[0.3, 0.25, 0.2, 0.2, 0.05]),
        "channel": draw.choice(CHANNELS, rows, p=[0.45, 0.3, 0.2, 0.05]),
        "plan": draw.choice(PLANS, rows, p=[0.5, 0.2, 0.15, 0.1, 0.05]),
    }


def _purchases(rows: int, draw: np.random.Generator) -> dict[str, object]:
    orders = draw.negative_binomial(1.2, 0.25, rows)
    basket = draw.lognormal(3.6, 0.6, rows).round(2)
    return {
        "recency_days": np.where(orders > 0, draw.exponential(70, rows), 365).clip(0, 365).round(),
        "orders_12m": orders,
        "spend_12m": (orders * basket * draw.lognormal(0, 0.15, rows)).round(2),
        "avg_basket": np.where(orders > 0, basket, np.nan),
        "returns_12m": draw.binomial(orders, 0.08),
        "discount_share": draw.beta(1.5, 3.5, rows).round(3),
    }


def _engagement(rows: int, draw: np.random.Generator) -> dict[str, object]:
    interest = draw.normal(0, 1, rows)
    return {
        "email_open_rate": (1 / (1 + np.exp(-(0.9 * interest + draw.normal(-1, 1, rows))))).round(3),
        "email_clicks_30d": draw.poisson(np.exp(0.7 * interest - 0.7)),
        "web_visits_30d": draw.poisson(np.exp(0.8 * interest + 0.8)),
        "session_minutes": draw.gamma(2.0, np.exp(0.2 * interest) * 2.2).round(1),
        "app_sessions_30d": draw.poisson(np.exp(0.6 * interest + draw.normal(0, 0.8, rows))),
        "cart_abandons_30d": draw.poisson(np.exp(0.5 * interest - 1.0)),
        "support_tickets_90d": draw.poisson(0.25, rows),
        "follows_social": draw.random(rows) < 0.18,
    }


def _log_odds(people: dict[str, object], draw: np.random.Generator) -> Float64:
    value = {name: np.asarray(column) for name, column in people.items()}
    recent, lapsed = value["recency_days"] < 30, value["recency_days"] > 150
    engaged = np.minimum(value["web_visits_30d"] + value["app_sessions_30d"], 14)
    wants_discount = value["discount_share"] > 0.4
    on_web = np.isin(value["channel"], ("web", "app"))
    odds = (
        _INTERCEPT
        + 1.1 * recent
        + 0.16 * engaged
        + 1.5 * (lapsed & wants_discount)
        - 0.8 * (lapsed & ~wants_discount)
        + 1.7 * (on_web & (value["cart_abandons_30d"] > 0))
        - 0.6 * (~on_web & (value["cart_abandons_30d"] > 0))
        + 1.6 * ((value["email_clicks_30d"] >= 2) & (value["orders_12m"] >= 2))
        + 0.9 * ((value["age"] > 25) & (value["age"] < 38))
        - 1.5 * (value["support_tickets_90d"] >= 2)
        + 1.0 * ((value["plan"] == "student") & wants_discount)
        + 0.5 * np.isin(value["region"], ("north", "west"))
        - 1.0 * (value["session_minutes"] < 1.5)
    )
    return np.asarray(odds + draw.normal(0, 0.3, len(odds)))


def _with_holes(frame: pl.DataFrame, shares: dict[str, float], draw: np.random.Generator) -> pl.DataFrame:
    """Sets a share of the values of some columns to null."""
    holes = {name: pl.Series(draw.random(len(frame)) < share) for name, share in shares.items()}
    blanked = [pl.when(hole).then(None).otherwise(pl.col(name)).alias(name) for name, hole in holes.items()]
    return frame.with_columns(*blanked).with_columns(pl.col(pl.Float64).fill_nan(None))
