"""What a profile's features need: the series to fold, which events go into each, and the bounds of readings."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from scoreline_registry.profiles.computation.readers import Bound, all_bound, session_bound, window_bound
from scoreline_registry.profiles.computation.series import Series
from scoreline_registry.profiles.computation.sessions import SessionClock
from scoreline_registry.profiles.computation.state import KEY_BYTES
from scoreline_registry.profiles.computation.tiles import FOREVER, tiles_back
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.feature import ProfileFeature
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.routing.conditions import Condition

MICROSECONDS = 1_000_000

Add: TypeAlias = Callable[[list[Any], int, Event], None]


class Reach(NamedTuple):
    """How far back a feature looks, in microseconds; the length of its tiles, or the gap of its session.

    ``kind`` is "window", "session" or "all"; ``length`` is that of a tile, FOREVER for all events, or a session's gap.
    """

    kind: str
    length: int
    window: int = FOREVER

    @classmethod
    def of(cls, feature: ProfileFeature) -> "Reach":
        """That of a feature."""
        if feature.session_seconds is not None:
            return cls("session", feature.session_seconds * MICROSECONDS)
        if feature.window_seconds is None or feature.tile_seconds is None:
            return cls("all", FOREVER)
        return cls("window", feature.tile_seconds * MICROSECONDS, feature.window_seconds * MICROSECONDS)

    @property
    def tiles(self) -> int:
        """How many tiles before the newest one it can cover."""
        return tiles_back(self.window, self.length) if self.kind == "window" else FOREVER if self.kind == "all" else 0


@dataclass(frozen=True, slots=True)
class Source:
    """Which events a series takes: those of some types that meet a condition."""

    types: tuple[str, ...]
    where: object = None
    condition: Condition | None = None

    @classmethod
    def of(cls, feature: ProfileFeature, profile: Profile) -> "Source":
        """The events that a feature aggregates."""
        return cls(profile.types_of(feature), feature.where, feature.where_condition)

    @property
    def key(self) -> list[object]:
        """Equal for sources that take the same events."""
        return [self.types, self.where]

    def takes(self, event: Event) -> bool:
        """Whether it takes an event."""
        return event.type in self.types and (self.condition is None or self.condition.matches(event.fields))


class Group(NamedTuple):
    """Series that take the same events and have the same tiles: the places of their states, and how to fold."""

    condition: Condition | None
    clock: int
    length: int
    adds: list[tuple[int, Add]]


class Plan:
    """Collects what features need; equal needs are one series."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.keys: list[bytes] = []
        self.clocks: list[tuple[int, SessionClock]] = []
        self.bounds: list[Bound] = []
        self._series: dict[bytes, tuple[int, Series]] = {}
        self._clocks: dict[int, int] = {}
        self._groups: dict[str, dict[str, Group]] = {name: {} for name in profile.events}
        self._bounds: dict[Reach, int] = {}

    @property
    def groups(self) -> dict[str, Sequence[Group]]:
        """What to fold an event into, by its type."""
        return {name: tuple(groups.values()) for name, groups in self._groups.items()}

    def bound(self, reach: Reach) -> int:
        """The place of a reach among the bounds of a reading."""
        if reach not in self._bounds:
            self._bounds[reach] = len(self.bounds)
            self.bounds.append(self._bound(reach))
        return self._bounds[reach]

    def series(self, make: Callable[..., Series], *options: Any, source: Source, reach: Reach) -> int:
        """The place of a series that is made of ``options``; a new one where no feature had the same need."""
        name = make.__name__
        key = _key([name, options, source.key, reach.kind, reach.length])
        if key not in self._series:
            series = make(*options)
            self._series[key] = (self._place(key), series)
            self._take(source, reach, self._series[key][0], series)
        place, known = self._series[key]
        known.kept = max(known.kept, reach.tiles)
        return place

    def clock(self, gap: int) -> int:
        """The place of the clock of sessions with a gap."""
        if gap not in self._clocks:
            self._clocks[gap] = self._place(_key(["SessionClock", gap]))
            self.clocks.append((self._clocks[gap], SessionClock(gap)))
        return self._clocks[gap]

    def _place(self, key: bytes) -> int:
        self.keys.append(key)
        return len(self.keys) - 1

    def _bound(self, reach: Reach) -> Bound:
        if reach.kind == "session":
            return session_bound(self.clock(reach.length), reach.length)
        return window_bound(reach.window, reach.length) if reach.kind == "window" else all_bound

    def _take(self, source: Source, reach: Reach, place: int, series: Series) -> None:
        clock = self.clock(reach.length) if reach.kind == "session" else -1
        key = json.dumps([source.where, reach.kind, reach.length], sort_keys=True)
        for name in source.types:
            group = self._groups[name].setdefault(key, Group(source.condition, clock, reach.length, []))
            group.adds.append((place, series.add))


def _key(definition: list[object]) -> bytes:
    """The digest of a series' definition, which finds its state under another revision of the profile."""
    written = json.dumps(definition, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(written.encode(), digest_size=KEY_BYTES).digest()
