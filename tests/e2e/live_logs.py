"""Logs of events as they arrive: some late, some twice, recorded in a store that is read in the meantime."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.profiles.computation.computation import Reading
from scoreline_registry.profiles.computation.offline import Cut
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile import Profile
from scoreline_server.events.recording import Recorder
from scoreline_server.profile_stores.store import ProfileStore, Receipt, Stored
from scoreline_server.scoring.compiled_profile import CompiledProfile

LATE, TWICE = 0.1, 0.05
_AT_ONCE = 5_000


def arrivals(events: Sequence[Event], *, lateness: int, seed: int = 0) -> list[Event]:
    """The events as they arrive: 10 % of them up to ``lateness`` microseconds late, 5 % once more after that."""
    draw = np.random.default_rng(seed)
    times = np.array([event.time for event in events], np.int64)
    late = np.where(draw.random(len(events)) < LATE, draw.random(len(events)) * lateness, 0).astype(np.int64)
    again = np.flatnonzero(draw.random(len(events)) < TWICE)
    moments = np.concatenate([times + late, (times + late)[again] + (draw.random(len(again)) * lateness).astype(int)])
    places = np.concatenate([np.arange(len(events)), again])
    return [events[place] for place in places[np.argsort(moments, kind="stable")]]


@dataclass(frozen=True, slots=True)
class Live:
    """What recording a log gave.

    Attributes:
        readings: one for each cut.
        kept: how many events were kept.
        repeated: how many came again.
        late: how many came too late.
    """

    readings: list[Reading]
    kept: int
    repeated: int
    late: int


class Uncounted:
    """Metrics that nobody reads."""

    def events_recorded(
        self, profile: str, *, kept: int, repeated: int, late: int, refused: int, ages: Sequence[float]
    ) -> None:
        """Counts nothing."""

    def events_folded_early(self, profile: str, count: int) -> None:
        """Raises AssertionError: then earlier events would be late."""
        raise AssertionError(f"{count} events of {profile} were folded early")

    def events_failed(self, profile: str) -> None:
        """Counts nothing."""


def recorded(store: ProfileStore, profile: Profile, arriving: Sequence[Event], cuts: Sequence[Cut]) -> Live:
    """Records events as they arrive and reads the store at each cut.

    A cut is read when the first event arrives before which no event of its entity may still come that is earlier than
    the cut, so that late events count as they do offline.
    """
    run = _Run(store, profile, cuts)
    for event in arriving:
        run.take(event)
    return run.end()


class _Run:
    def __init__(self, store: ProfileStore, profile: Profile, cuts: Sequence[Cut]) -> None:
        self._definition = CompiledProfile.of(profile, "")
        self._store, self._recorder = store, Recorder(store, counting=Uncounted())
        self._readings: dict[int, Reading] = {}
        self._due: dict[str, deque[tuple[int, Cut]]] = defaultdict(deque)
        for place, cut in enumerate(cuts):
            self._due[cut.entity].append((place, cut))
        self._waiting: list[Event] = []
        self._entities: set[str] = set()
        self._receipts = dict.fromkeys(Receipt, 0)

    def take(self, event: Event) -> None:
        """Takes the next event, after the cuts of its entity that it closes are read."""
        due = self._due[event.entity]
        if due and due[0][1].at < event.time - self._definition.lateness:
            if event.entity in self._entities:
                self._record()
            self._read(event.entity, list(self._closed(due, event.time - self._definition.lateness)))
        self._waiting.append(event)
        self._entities.add(event.entity)
        if len(self._waiting) >= _AT_ONCE:
            self._record()

    def end(self) -> Live:
        """Reads the cuts that are left."""
        self._record()
        for entity, due in self._due.items():
            self._read(entity, list(due))
        readings = [reading for _, reading in sorted(self._readings.items())]
        kept, repeated, late = (self._receipts[each] for each in (Receipt.KEPT, Receipt.REPEATED, Receipt.LATE))
        return Live(readings, kept, repeated, late)

    def _closed(self, due: deque[tuple[int, Cut]], until: int) -> Iterator[tuple[int, Cut]]:
        while due and due[0][1].at < until:
            yield due.popleft()

    def _read(self, entity: str, cuts: Sequence[tuple[int, Cut]]) -> None:
        stored = self._store.read(self._definition.name, [entity]).get(entity, Stored())
        for place, cut in cuts:
            assert stored.folded_until[0] < cut.at
            reading = self._definition.computation.read(stored.folded, stored.pending, at=cut.at, event=cut.event)
            self._readings[place] = reading

    def _record(self) -> None:
        for receipt in self._recorder.record(self._definition, self._waiting) if self._waiting else ():
            assert isinstance(receipt, Receipt)
            self._receipts[receipt] += 1
        self._waiting, self._entities = [], set()
