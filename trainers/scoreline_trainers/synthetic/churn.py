"""Subscribers of a web service, their clicks, referrals and offers over 120 days, and who leaves in the 30 days after.

About 15 in 100 leave. Before that their clicks become rare and short; friends of leavers leave more often, which is all
that is known of those who have just joined; an offer keeps some of them. Who got an offer was drawn at random, so that
its effect can be measured.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.synthetic.event_times import EventTimes, draw_times, names

START = datetime(2025, 1, 1)  # noqa: DTZ001 - the service's local time, without a zone.
DAYS = 120
CLICKS = 50.0
PAGES = ("home", "search", "product", "cart", "checkout", "account", "help", "cancel")
OFFERS = ("none", "discount_10", "upgrade")
PLANS = ("basic", "plus", "family")
_PAGE_SHARES = np.array([0.24, 0.2, 0.28, 0.1, 0.05, 0.08, 0.04, 0.01])
_NEW_SHARE = 0.15
_INTERCEPT = -2.3

Codes = npt.NDArray[np.int64]


def churn(customers: int, *, seed: int = 0) -> Mapping[str, pl.DataFrame]:
    """Six tables about ``customers`` subscribers.

    ``customers``: customer_id, joined_on, age, country, plan, monthly_fee, friends (list of ids).
    ``clicks``: customer_id, moment, session_id, page, dwell_seconds, cart_value, click_id; about 50 a customer.
    ``referrals``: customer_id, friend_id, and since, the day on which the later of them joined; in both directions.
    ``offers``: customer_id, offered_on, offer.
    ``labels``: customer_id, as_of, churned (0 or 1).
    ``responses``: customer_id, and churned_none, churned_discount_10 and churned_upgrade (0 or 1 each): whether the
    customer leaves with each offer.
    """
    draw = np.random.default_rng(seed)
    joined = np.where(draw.random(customers) < _NEW_SHARE, draw.uniform(DAYS - 14, DAYS - 1, customers), 0.0)
    friend = _friends(customers, draw)
    mood = draw.normal(0, 1, customers)
    discontent = 0.75 * mood + 0.65 * mood[friend]
    plan = draw.choice(len(PLANS), customers, p=[0.5, 0.3, 0.2])
    offer = draw.choice(len(OFFERS), customers, p=[0.5, 0.25, 0.25])
    identifiers = names("s", np.arange(customers))
    rate = CLICKS * (1 - joined / DAYS) * np.exp(-0.25 * discontent)
    times = _fading(draw_times(draw.poisson(1.25 * rate), draw, days=DAYS, since=joined), discontent, draw)
    people = pl.DataFrame(
        {
            "customer_id": identifiers,
            "joined_on": _dates(np.where(joined > 0, joined, -draw.uniform(1, 900, customers))),
            "age": np.clip(draw.normal(36, 12, customers), 16, 85).round(),
            "country": draw.choice(("de", "fr", "in", "us", "br"), customers),
            "plan": np.array(PLANS)[plan],
            "monthly_fee": np.array([9.0, 15.0, 22.0])[plan],
        }
    )
    referrals = _referrals(identifiers, friend, people)
    friends = referrals.group_by("customer_id").agg(friends=pl.col("friend_id").sort())
    noise = draw.normal(0, 0.4, customers)
    clicks = _clicks(times, discontent, draw)
    luck = draw.random(customers)
    churned = np.stack([luck < _chance(discontent, plan, each, joined, noise) for each in range(len(OFFERS))])
    return {
        "customers": people.join(friends, on="customer_id", how="left", maintain_order="left"),
        "clicks": clicks,
        "referrals": referrals,
        "offers": pl.DataFrame(
            {
                "customer_id": identifiers,
                "offered_on": pl.Series([START + timedelta(days=DAYS - 1)]).repeat_by(customers).explode(),
                "offer": np.array(OFFERS)[offer],
            }
        ),
        "labels": pl.DataFrame(
            {
                "customer_id": identifiers,
                "as_of": pl.Series([START + timedelta(days=DAYS)]).repeat_by(customers).explode(),
                "churned": churned[offer, np.arange(customers)].astype(np.int8),
            }
        ),
        "responses": pl.DataFrame(
            {"customer_id": identifiers}
            | {f"churned_{name}": row.astype(np.int8) for name, row in zip(OFFERS, churned, strict=True)}
        ),
    }


def _dates(days: Float64) -> pl.Series:
    """Dates by days since the start."""
    return pl.Series([START.date() + timedelta(days=int(day)) for day in np.floor(days)])


def _friends(customers: int, draw: np.random.Generator) -> Codes:
    """int64 [N]: who referred each customer; a ring through all of them, so that each referred one too."""
    order = draw.permutation(customers)
    friend = np.empty(customers, np.int64)
    friend[order] = np.roll(order, 1)
    return friend


def _fading(times: EventTimes, discontent: Float64, draw: np.random.Generator) -> EventTimes:
    """Leaves out late clicks of the discontented."""
    pull = np.clip(discontent, 0, 2.5)[times.customer] * np.clip(times.day / DAYS - 0.5, 0, None)
    kept = draw.random(len(times)) > np.minimum(0.9, 1.1 * pull)
    return EventTimes(times.customer[kept], times.day[kept])


def _clicks(times: EventTimes, discontent: Float64, draw: np.random.Generator) -> pl.DataFrame:
    whose = times.customer
    late = np.clip(discontent, 0, None)[whose] * (times.day > DAYS - 40)
    shares = np.cumsum(_PAGE_SHARES)
    page = np.searchsorted(shares, draw.random(len(times)) * shares[-1])
    page = np.where(draw.random(len(times)) < 0.08 * np.minimum(late, 2), draw.choice((5, 6, 7), len(times)), page)
    in_cart = np.isin(page, (3, 4))
    return pl.DataFrame(
        {
            "customer_id": names("s", whose),
            "moment": times.moments(START),
            "session_id": pl.Series(whose * DAYS + np.floor(times.day).astype(np.int64)).cast(pl.String),
            "page": np.array(PAGES)[page],
            "dwell_seconds": (draw.gamma(1.6, 14, len(times)) / (1 + 0.4 * late)).round(1),
            "cart_value": np.where(in_cart, draw.lognormal(3.8, 0.7, len(times)), 0).round(2),
            "click_id": names("k", np.arange(len(times))),
        }
    )


def _referrals(identifiers: pl.Series, friend: Codes, people: pl.DataFrame) -> pl.DataFrame:
    """Both directions of each tie."""
    joined = people["joined_on"]
    later = pl.DataFrame({"one": joined, "other": joined[friend]}).max_horizontal()
    forth = pl.DataFrame({"customer_id": identifiers, "friend_id": identifiers[friend], "since": later})
    back = forth.select("since", customer_id="friend_id", friend_id="customer_id").select(forth.columns)
    return pl.concat([forth, back]).unique(maintain_order=True)


def _chance(discontent: Float64, plan: Codes, offer: int, joined: Float64, noise: Float64) -> Float64:
    """An offer keeps those who are in two minds, most of all a discount to those who pay little."""
    wavering = np.exp(-((discontent - 0.8) ** 2))
    kept = (offer == 1) * (0.9 + 0.4 * (plan == 0)) + (offer == 2) * 0.5 * (plan > 0)
    odds = _INTERCEPT + 1.5 * discontent + 0.3 * (plan == 0) + 0.5 * (joined > 0) - 1.2 * kept * wavering
    return np.asarray(1 / (1 + np.exp(-(odds + noise))))
