"""Folds a log of past events into the states of a store, as if each event had been recorded when it happened."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter

from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.events.folding import MOST_PENDING
from scoreline_server.events.inspection import stored_entities
from scoreline_server.events.recording import not_ahead
from scoreline_server.events.sorted_log import SortedLog
from scoreline_server.profile_stores.store import Fold, ProfileStore, Stored
from scoreline_server.scoring.compiled_profile import CompiledProfile

_ENTITIES = 256
_ATTEMPTS = 5
_SHOWN = 20
_PLACE = attrgetter("time", "id")


def refit(store: ProfileStore, profile: CompiledProfile) -> int:
    """Rewrites states that were written under another definition of the profile; how many.

    Features that did not change keep what they have, new ones begin empty, and what no feature needs any more goes.
    Raises ProfileStoreError.
    """
    fitted = 0
    for entity, stored in stored_entities(store, profile.name):
        state = profile.computation.encode(profile.computation.decode(stored.folded)) if stored.folded else b""
        if state != stored.folded:
            fitted += store.fold(profile.name, [Fold(entity, stored.version, 0, state, stored.folded_until)])
    return fitted


@dataclass(slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        events: events of the log that are in states now.
        entities: entities whose state the log has made.
        repeated: events of the log that had the id of an earlier one of the same entity.
        refused: the first of the events that were refused, as a row of the log and a message, and how many there were.
        not_covered: the first entities that were left as they are, because their state holds events that the log does
            not have, and how many there are.
        busy: entities that were recorded so often in the meantime that they have to be replayed again.
    """

    events: int = 0
    entities: int = 0
    repeated: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    refused_count: int = 0
    not_covered: list[str] = field(default_factory=list)
    not_covered_count: int = 0
    busy: list[str] = field(default_factory=list)


def replay(
    store: ProfileStore,
    profile: CompiledProfile,
    rows: Iterable[Sequence[Event | EventError]],
    *,
    now: int,
    on_rows: Callable[[int], None] = lambda _: None,
) -> ReplayReport:
    """Replays a whole log into a store, in any order of its events.

    The state of each entity of the log becomes that of all its events, those of the log and those that the store still
    has one by one. An entity whose state was folded from events that the log does not have is left as it is. Repeating
    a replay changes nothing, and events may be recorded in the meantime.

    Args:
        store: the store.
        profile: the profile whose events they are.
        rows: the events of the log, part by part.
        now: the time in microseconds since 1970; events from the future are refused.
        on_rows: gets the number of rows of each part.

    Raises ProfileStoreError; what was replayed by then is kept.
    """
    report = ReplayReport()
    with SortedLog() as log:
        seen = 0
        for part in rows:
            report.repeated += log.add(_right([not_ahead(event, now, profile.future) for event in part], seen, report))
            seen += len(part)
            on_rows(len(part))
        log.close_for_adding()
        entities = log.entities()
        step = _Replay(store, profile, log, report)
        while some := list(islice(entities, _ENTITIES)):
            step.entities(some)
    return report


def _right(part: Sequence[Event | EventError], seen: int, report: ReplayReport) -> Iterator[Event]:
    for row, event in enumerate(part, seen + 1):
        if isinstance(event, Event):
            yield event
            continue
        report.refused_count += 1
        if len(report.refused) < _SHOWN:
            report.refused.append((row, str(event)))


class _Replay:
    """Replays the entities of a log."""

    def __init__(self, store: ProfileStore, profile: CompiledProfile, log: SortedLog, report: ReplayReport) -> None:
        self._store, self._profile, self._log, self._report = store, profile, log, report

    def entities(self, entities: Sequence[str]) -> None:
        """Replays some entities in one step; then one by one those that were changed in the meantime."""
        left = self._step(entities, {})
        for _ in range(_ATTEMPTS):
            tried, left = left, {}
            for entity in tried:
                left |= self._step([entity], tried)
        self._report.busy += left

    def _step(self, entities: Sequence[str], tried: Mapping[str, "_Replayed"]) -> dict[str, "_Replayed"]:
        """Replays entities; if not all of them could be, those that were tried."""
        store, name = self._store, self._profile.name
        stored = store.read(name, entities)
        done = {}
        for entity in entities:
            before = stored.get(entity, Stored())
            if entity in tried and tried[entity].is_in(before):
                self._count(tried[entity])
            elif before.folded and not self._log.has(entity, before.folded_until):
                self._leave(entity)
            else:
                done[entity] = _replayed(self._profile, self._log, entity, before)
        store.append(name, [event for each in done.values() for event in each.new], lateness=self._profile.lateness)
        folds = [each.fold for each in done.values() if each.fold is not None]
        if store.fold(name, folds) < len(folds):
            return done
        for each in done.values():
            self._count(each)
        return {}

    def _count(self, replayed: "_Replayed") -> None:
        self._report.entities += 1
        self._report.events += replayed.events

    def _leave(self, entity: str) -> None:
        self._report.not_covered_count += 1
        if len(self._report.not_covered) < _SHOWN:
            self._report.not_covered.append(entity)


@dataclass(frozen=True, slots=True)
class _Replayed:
    """An entity after the replay.

    Attributes:
        fold: its new state; None where no event is folded.
        new: the events of the log that stay pending and are not stored yet.
        events: how many events of the log it has.
    """

    fold: Fold | None
    new: Sequence[Event]
    events: int

    def is_in(self, stored: Stored) -> bool:
        """Whether the store has taken its state."""
        return self.fold is not None and stored.version > self.fold.version and stored.folded == self.fold.folded


def _replayed(profile: CompiledProfile, log: SortedLog, entity: str, stored: Stored) -> _Replayed:
    computation, state = profile.computation, profile.computation.empty()
    known = {event.id for event in stored.pending}
    until = max(log.newest(entity), stored.newest) - profile.lateness
    last, taken, count = None, 0, 0
    waiting: deque[Event] = deque()
    missing = (event for event in log.events(entity) if event.id not in known)
    for event in heapq.merge(missing, stored.pending, key=_PLACE):
        count += event.id not in known
        waiting.append(event)
        while waiting and _is_due(waiting, until, stored):
            first = waiting.popleft()
            computation.fold(state, first)
            taken += first.id in known
            last = first.place
    fold = None if last is None else Fold(entity, stored.version, taken, computation.encode(state), last)
    return _Replayed(fold, [event for event in waiting if event.id not in known], count)


def _is_due(waiting: deque[Event], until: int, stored: Stored) -> bool:
    """Whether the first of the waiting events is folded: final, folded before, or one of too many."""
    first = waiting[0]
    return first.time < until or first.place <= stored.folded_until or len(waiting) > MOST_PENDING
