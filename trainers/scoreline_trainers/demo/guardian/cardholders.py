"""The cardholders of the demo: what they bought before it, and what they are about to buy, day by day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from scoreline import Event
from scoreline_trainers.synthetic.guardian import AVOIDED, guardian


@dataclass(frozen=True, slots=True)
class Purchase:
    """One purchase.

    Attributes:
        moment: with a time zone.
        impulse: whether it was planted as an impulse buy.
        regretted: whether its buyer comes to regret it, by the action that was taken.
    """

    purchase_id: str
    customer_id: str
    moment: datetime
    amount: float
    category: str
    method: str
    impulse: bool
    regretted: Mapping[str, bool]

    @property
    def event(self) -> Event:
        """The purchase as an event of its buyer's profile."""
        fields: dict[str, float | str | bool | None] = {
            "amount": self.amount,
            "category": self.category,
            "method": self.method,
        }
        return Event("purchase", fields, time=self.moment, id=self.purchase_id)


@dataclass(frozen=True, slots=True)
class Cardholders:
    """People with their past and their next purchases.

    Attributes:
        contexts: what an application knows of each by id: language and timezone.
        past: purchases before the simulated days, by time.
        days: the purchases of each simulated day, by time.
    """

    contexts: Mapping[str, Mapping[str, str]]
    past: Sequence[Purchase]
    days: Sequence[Sequence[Purchase]]

    @classmethod
    def drawn(cls, customers: int, *, weeks: int, last_day: date, seed: int) -> "Cardholders":
        """Draws ``customers`` people whose last purchases are of ``last_day``; the last ``weeks`` are simulated."""
        tables = guardian(customers, seed=seed, last_day=last_day)
        bought = tables["purchases"].join(tables["responses"], on=["purchase_id", "customer_id"])
        purchases = [_purchase(row) for row in bought.sort("moment", "purchase_id").iter_rows(named=True)]
        begin = datetime.combine(last_day - timedelta(days=7 * weeks - 1), time(), UTC)
        past = [purchase for purchase in purchases if purchase.moment < begin]
        days: list[list[Purchase]] = [[] for _ in range(7 * weeks)]
        for purchase in purchases[len(past) :]:
            days[(purchase.moment - begin).days].append(purchase)
        people = tables["cardholders"].select("customer_id", "language", "timezone")
        contexts = {name: {"language": language, "timezone": zone} for name, language, zone in people.iter_rows()}
        return cls(contexts, past, days)


def waves(day: Sequence[Purchase]) -> Iterator[Sequence[Purchase]]:
    """The purchases of a day in order, in parts that have at most one of each buyer."""
    left = list(day)
    while left:
        first: dict[str, Purchase] = {}
        for purchase in left:
            first.setdefault(purchase.customer_id, purchase)
        yield list(first.values())
        left = [purchase for purchase in left if first[purchase.customer_id] is not purchase]


def _purchase(row: Mapping[str, object]) -> Purchase:
    moment = row["moment"]
    if not isinstance(moment, datetime):
        raise TypeError(f"moment is a {type(moment).__name__}")
    return Purchase(
        purchase_id=str(row["purchase_id"]),
        customer_id=str(row["customer_id"]),
        moment=moment.replace(tzinfo=UTC),
        amount=float(str(row["amount"])),
        category=str(row["category"]),
        method=str(row["payment_method"]),
        impulse=bool(row["impulse"]),
        regretted={action: bool(row[f"regretted_{action}"]) for action in AVOIDED},
    )
