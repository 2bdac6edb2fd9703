"""Profiles and events of the tests of the computation."""

from collections.abc import Iterable

from scoreline_registry.profiles.computation.compiling import compile_profile
from scoreline_registry.profiles.computation.computation import Computation, Reading
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile_file import read_profile

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 20_000 * DAY
"""A midnight, which is the edge of a tile of every length up to a day."""

EVENTS = """\
profile: spending
keep: 400d
events:
  purchase: {fields: {amount: number, category: category, method: category}}
  click: {fields: {page: category, dwell: number}}
  referral: {fields: {referrer: entity}}
features:
"""


def computation(*features: str) -> Computation:
    """That of features, each as a line of a profile."""
    return compile_profile(read_profile(EVENTS + "".join(f"  {line}\n" for line in features), source="spending.yaml"))


def purchase(time: int, amount: float | None = None, category: str | None = None, *, name: str = "") -> Event:
    """A purchase so many microseconds after START; its time is its id where it has no other."""
    fields = {"amount": amount, "category": category}
    return Event(
        "ada", name or f"{time:020}", START + time, "purchase", {k: v for k, v in fields.items() if v is not None}
    )


def click(time: int, page: str = "home") -> Event:
    """A click so many microseconds after START."""
    return Event("ada", f"{time:020}", START + time, "click", {"page": page})


def read(these: Computation, events: Iterable[Event], *, at: int, event: Event | None = None) -> Reading:
    """The reading as of so many microseconds after START."""
    return these.read(b"", list(events), at=START + at, event=event)
