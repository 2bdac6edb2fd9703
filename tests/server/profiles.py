"""Profiles of the server's tests, and states of entities in memory."""

from collections.abc import Mapping, Sequence

from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_server.profile_stores.store import Stored
from scoreline_server.scoring.route_profiles import ProfileStates

SECOND = 10**6
DAY = 86_400 * SECOND
START = 20_000 * DAY
"""The time of the first events, in microseconds since 1970."""

SPENDING = """
profile: spending
lateness: 1h
events:
  purchase: {fields: {amount: number, category: category, late: number}}
  referral: {fields: {referrer: entity}}
features:
  purchases: {aggregate: count, events: purchase}
  spent_mean: {aggregate: mean, events: purchase, field: amount, default: 5}
  largest: {aggregate: max, events: purchase, field: amount}
  last_category: {aggregate: last, events: purchase, field: category}
  age_days: {aggregate: time_since_first, unit: days, default: 0}
  over: {aggregate: ratio, of: event.amount, to: spent_mean}
  history: {aggregate: sequence, events: purchase, fields: [amount, category, since_previous_seconds], length: 20}
  referrers: {aggregate: neighbors, events: referral, field: referrer, most: 8, features: [purchases, spent_mean]}
"""


def profile(text: str = SPENDING) -> Profile:
    return read_profile(text, source="test")


def purchase(entity: str, days: float, amount: float | None = None, category: str | None = None) -> Event:
    """A purchase so many days after START."""
    given = {"amount": None if amount is None else float(amount), "category": category}
    fields = {name: value for name, value in given.items() if value is not None}
    return Event(entity, f"{entity} {days}", START + int(days * DAY), "purchase", fields)


def referral(entity: str, days: float, referrer: str) -> Event:
    """A referral so many days after START."""
    return Event(entity, f"{entity} by {referrer}", START + int(days * DAY), "referral", {"referrer": referrer})


class Remembered:
    """States of entities in memory: a ``StateReader`` for tests. ``reads`` has the entities of each read."""

    def __init__(self, *events: Event, answers: bool = True) -> None:
        self.events, self.answers = list(events), answers
        self.reads: list[list[str]] = []
        self.states: list[tuple[str, list[int]]] = []

    def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, Stored] | None:
        """The events of entities, all of them pending; None while it does not answer."""
        del profile
        self.reads.append(list(entities))
        if not self.answers:
            return None
        own = {entity: tuple(event for event in self.events if event.entity == entity) for entity in entities}
        return {entity: Stored(pending=events) for entity, events in own.items() if events}

    def used(self, profile: str, states: ProfileStates) -> None:
        """Notes the states that rows were scored with."""
        self.states.append((profile, states.tolist()))
