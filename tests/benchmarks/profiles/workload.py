"""The events, the profile and the calls of a run."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from scoreline.v1 import profiles_pb2, scoring_pb2
from scoreline_registry.documents.contract import Feature
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.scoring.compiled_profile import CompiledProfile
from tests.server.toys import publish_linear

PROFILE = "spending"
ROUTE = "spending"
CALL = 1000
"""Events of one call."""
LANES = 3
"""Senders that wait for a server at once: as many as one worker lets wait for its store."""

Purchase: TypeAlias = tuple[str, str, float]
"""An entity, the id of its purchase, and its time in seconds since 1970."""

FEATURES = (
    "purchases_1d", "purchases_30d", "spent_1h", "spent_1d", "spent_30d", "mean_7d", "mean_30d", "std_30d",
    "largest_30d", "last_amount", "hours_since", "amount_z",
)  # fmt: skip
TEXT = """
profile: spending
lateness: 10m
events:
  purchase: {fields: {amount: number, category: category}}
features:
  purchases_1d: {aggregate: count, window: 1d}
  purchases_30d: {aggregate: count, window: 30d}
  spent_1h: {aggregate: sum, field: amount, window: 1h, default: 0}
  spent_1d: {aggregate: sum, field: amount, window: 1d, default: 0}
  spent_30d: {aggregate: sum, field: amount, window: 30d, default: 0}
  mean_7d: {aggregate: mean, field: amount, window: 7d, default: 0}
  mean_30d: {aggregate: mean, field: amount, window: 30d, default: 0}
  std_30d: {aggregate: std, field: amount, window: 30d, default: 0}
  largest_30d: {aggregate: max, field: amount, window: 30d, default: 0}
  last_amount: {aggregate: last, field: amount, default: 0}
  hours_since: {aggregate: time_since_last, unit: hours, default: 0}
  amount_z: {aggregate: z_score, field: amount, window: 30d, default: 0}
"""

_CATEGORIES = ("groceries", "travel", "electronics", "restaurants", "clothing")
_DAYS = 30


@dataclass(frozen=True)
class Workload:
    """Purchases of the last 30 days in the order of their times.

    The entity of a purchase is the square of a uniform number: the busiest of 100,000 has 3,000 of a million events,
    the median one 7.
    """

    events: int
    entities: int

    @cached_property
    def lanes(self) -> list[list[bytes]]:
        """Serialized calls of RecordEvents, of 1,000 events each; all events of an entity are in one of the lanes."""
        chance, end = random.Random(0), time.time() - 60
        step = _DAYS * 86_400 / self.events
        waiting: list[list[Purchase]] = [[] for _ in range(LANES)]
        calls: list[list[bytes]] = [[] for _ in range(LANES)]
        for number in range(self.events):
            rank = self._rank(chance)
            lane = rank % LANES
            waiting[lane].append((_name(rank), f"order-{number:09}", end - (self.events - number) * step))
            if len(waiting[lane]) == CALL:
                calls[lane].append(record_call(waiting[lane]))
                waiting[lane].clear()
        return [[*made, record_call(rest)] for made, rest in zip(calls, waiting, strict=True)]

    @property
    def calls(self) -> list[bytes]:
        """The calls of all lanes in turns."""
        return [call for turn in zip_longest(*self.lanes) for call in turn if call is not None]

    def names(self, count: int, *, seed: int) -> list[str]:
        """Entities as often as events have them."""
        chance = random.Random(seed)
        return [_name(self._rank(chance)) for _ in range(count)]

    def scores(self, count: int) -> list[bytes]:
        """Serialized calls of Score, each with one entity and the event at hand."""
        chance = random.Random(1)
        return [_score_call(_name(self._rank(chance)), chance) for _ in range(count)]

    def _rank(self, chance: random.Random) -> int:
        return int(self.entities * chance.random() ** 2)


def record_call(events: Iterable[Purchase]) -> bytes:
    """A serialized call of RecordEvents."""
    request = profiles_pb2.RecordEventsRequest(profile=PROFILE)
    for entity, event_id, at in events:
        added = request.events.add(entity_id=entity)
        _fill(added.event, random.Random(event_id))
        added.event.id = event_id
        added.event.time.FromMicroseconds(int(at * 1e6))
    return request.SerializeToString()


def compiled() -> CompiledProfile:
    """The profile, compiled."""
    return CompiledProfile.of(read_profile(TEXT, source="the benchmark"), "benchmark")


def prepare(folder: Path) -> Path:
    """A registry with the profile and a route of a linear model that takes all its features."""
    registry = Registry.create(str(folder))
    features = tuple(Feature(name=name) for name in FEATURES)
    publish_linear(registry, "linear", [0.001] * len(FEATURES), features=features, aliases=("champion",))
    registry.apply_profile(read_profile(TEXT, source="the benchmark"), author="bench", message="profile")
    schema = ", ".join(f"{name}: number" for name in FEATURES)
    text = f"route: {ROUTE}\nschema: {{features: {{{schema}}}}}\nprofiles: {{{PROFILE}: {{}}}}\n"
    rules = "rules:\n- split: {linear@champion: 100}\n"
    registry.apply_route(read_route(text + rules, source="the benchmark"), author="bench", message="route")
    return folder


def _name(rank: int) -> str:
    return f"customer-{rank:07}"


def _score_call(entity: str, chance: random.Random) -> bytes:
    request = scoring_pb2.ScoreRequest(route=ROUTE)
    _fill(request.entities.add(entity_id=entity).event, chance)
    return request.SerializeToString()


def _fill(event: scoring_pb2.Event, chance: random.Random) -> None:
    event.type = "purchase"
    event.fields["amount"].number = round(chance.expovariate(0.02), 2)
    event.fields["category"].text = chance.choice(_CATEGORIES)
