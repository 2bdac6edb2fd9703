"""A profile of purchases and clicks, and events of it."""

import time
from collections.abc import Sequence

from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_server.scoring.compiled_profile import CompiledProfile

SECOND = 10**6
HOUR = 3600 * SECOND
DAY = 24 * HOUR

SPENDING = """
profile: spending
lateness: 1h
events:
  purchase: {fields: {amount: number, category: category, method: category}}
  click: {fields: {page: category, cart: number}}
  referral: {fields: {referrer: entity}}
features:
  purchases: {aggregate: count, events: purchase}
  purchases_30d: {aggregate: count, events: purchase, window: 30d}
  spent_30d: {aggregate: sum, events: purchase, field: amount, window: 30d, default: 0}
  last_page: {aggregate: last, events: click, field: page}
  steps: {aggregate: sequence, events: purchase, fields: [amount, category], length: 3}
  referrers: {aggregate: neighbors, events: referral, field: referrer, most: 4, features: [purchases_30d]}
  amount_z: {aggregate: z_score, events: purchase, field: amount, window: 90d}
  is_new_category: {aggregate: unseen, events: purchase, field: category}
"""


def spending(*, lateness: str = "1h") -> CompiledProfile:
    """The profile, compiled."""
    document = read_profile(SPENDING.replace("lateness: 1h", f"lateness: {lateness}"), source="spending.yaml")
    return CompiledProfile.of(document, "digest")


def purchase(entity: str, number: int, at: int, amount: float = 1.0, category: str = "food") -> Event:
    """The purchase of that number."""
    return Event(entity, f"p-{number}", at, "purchase", {"amount": amount, "category": category})


class Counted:
    """Counts what a recorder reports."""

    def __init__(self) -> None:
        self.results: dict[str, int] = {}
        self.ages: list[float] = []
        self.early = 0
        self.failed = 0

    def events_recorded(
        self, profile: str, *, kept: int, repeated: int, late: int, refused: int, ages: Sequence[float]
    ) -> None:
        """Adds the events of one call."""
        for name, count in {"kept": kept, "repeated": repeated, "late": late, "refused": refused}.items():
            self.results[name] = self.results.get(name, 0) + count
        self.ages += ages

    def events_folded_early(self, profile: str, count: int) -> None:
        """Adds events that were folded early."""
        self.early += count

    def events_failed(self, profile: str) -> None:
        """Adds a call that failed."""
        self.failed += 1


def now() -> int:
    """The time in microseconds since 1970."""
    return time.time_ns() // 1000
