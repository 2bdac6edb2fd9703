"""The subscribers of the demo: what they did before it, the clicks of its last days, and how offers turn out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from scoreline import Event
from scoreline_trainers.synthetic.churn import DAYS, OFFERS, START, churn

PROFILE = "subscriber"
LIVE_DAYS = 7
NEW_DAYS = 7
"""Below this age the route scores by the graph of friends."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscriber.

    Attributes:
        features: what the calling application knows of them; the rest is in their profile.
        age_days: since they joined.
        churned: whether they leave, by the offer that they get.
    """

    customer_id: str
    features: Mapping[str, str | float]
    age_days: float
    churned: Mapping[str, bool]

    @property
    def is_new(self) -> bool:
        """Whether the graph of friends scores them."""
        return self.age_days < NEW_DAYS


@dataclass(frozen=True, slots=True)
class Subscribers:
    """People with their events.

    Attributes:
        people: by id.
        past: events before the last days, by time, each with its entity.
        days: the events of each of the last days, by time.
    """

    people: Mapping[str, Subscriber]
    past: Sequence[tuple[str, Event]]
    days: Sequence[Sequence[tuple[str, Event]]]

    @classmethod
    def drawn(cls, customers: int, *, now: datetime, seed: int) -> "Subscribers":
        """Draws ``customers`` people as of ``now``, which has a time zone."""
        tables = churn(customers, seed=seed)
        moved = now.astimezone(UTC).replace(tzinfo=None) - (START + timedelta(days=DAYS))
        events = sorted(
            (
                *_joined(tables["customers"], moved),
                *_clicks(tables["clicks"], moved),
                *_ties(tables["referrals"], moved),
            ),
            key=lambda each: (each[1].time or 0, each[1].id),
        )
        begin = now - timedelta(days=LIVE_DAYS)
        past = [each for each in events if _moment(each[1]) < begin]
        days: list[list[tuple[str, Event]]] = [[] for _ in range(LIVE_DAYS)]
        for each in events[len(past) :]:
            days[(_moment(each[1]) - begin).days].append(each)
        return cls(_people(tables), past, days)


def _people(tables: Mapping[str, pl.DataFrame]) -> Mapping[str, Subscriber]:
    rows = tables["customers"].join(tables["responses"], on="customer_id", maintain_order="left")
    end = START + timedelta(days=DAYS)
    return {
        row["customer_id"]: Subscriber(
            customer_id=row["customer_id"],
            features={**{name: row[name] for name in ("age", "country", "plan", "monthly_fee")}, "offer": OFFERS[0]},
            age_days=(end - _midnight(row["joined_on"])) / timedelta(days=1),
            churned={offer: bool(row[f"churned_{offer}"]) for offer in OFFERS},
        )
        for row in rows.iter_rows(named=True)
    }


def _joined(customers: pl.DataFrame, moved: timedelta) -> Sequence[tuple[str, Event]]:
    return [
        (name, Event("joined", time=_utc(_midnight(day) + moved), id=f"joined-{name}"))
        for name, day in customers.select("customer_id", "joined_on").iter_rows()
    ]


def _clicks(clicks: pl.DataFrame, moved: timedelta) -> Sequence[tuple[str, Event]]:
    columns = clicks.select("customer_id", "click_id", "moment", "page", "dwell_seconds", "cart_value")
    return [
        (name, Event("click", {"page": page, "dwell": dwell, "cart": cart}, time=_utc(moment + moved), id=click))
        for name, click, moment, page, dwell, cart in columns.iter_rows()
    ]


def _ties(referrals: pl.DataFrame, moved: timedelta) -> Sequence[tuple[str, Event]]:
    return [
        (name, Event("referral", {"friend": friend}, time=_utc(_midnight(day) + moved), id=f"referral-{friend}"))
        for name, friend, day in referrals.select("customer_id", "friend_id", "since").iter_rows()
    ]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - moved to UTC with all others


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _moment(event: Event) -> datetime:
    return datetime.fromtimestamp((event.time or 0) / 1e9, UTC)
