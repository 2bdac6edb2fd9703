"""Folds pending events into states, so that neither a hot key nor a long lateness makes readings slow."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from scoreline_server.errors import ProfileStoreError
from scoreline_server.profile_stores.store import Fold, ProfileStore, Stored
from scoreline_server.scoring.compiled_profile import CompiledProfile

CROWDED = 16
"""An entity with more pending events than this has its final ones folded."""
MOST_PENDING = 256
"""With more than this, events are folded although earlier ones may still come."""
_LEFT_PENDING = 192
_ENTITIES = 256
_REMEMBERED = 20_000

_log = structlog.get_logger()


class Crowds:
    """Folds entities with many pending events. Safe for threads.

    An entity whose pending events are not final yet is looked at again when it has half as many more, so that each
    event is read from the store a few times at most.
    """

    def __init__(self, store: ProfileStore) -> None:
        self._store = store
        self._rests: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def fold(self, profile: CompiledProfile, entities: Sequence[str]) -> int:
        """Folds those of the entities that are crowded; how many events were folded early.

        ``entities`` has one entry for each event that was kept. A store that fails is logged: the events are kept
        already, and the next ones of the same entity try again.
        """
        due = iter(self._due(profile.name, Counter(entities)))
        early = 0
        try:
            while part := list(islice(due, _ENTITIES)):
                early += self._fold(profile, part)
        except ProfileStoreError as error:
            _log.warning("pending events could not be folded", profile=profile.name, error=str(error))
        return early

    def _fold(self, profile: CompiledProfile, entities: Sequence[str]) -> int:
        crowded = self._store.crowded(profile.name, entities, more_than=CROWDED)
        if not crowded:
            return 0
        stored = self._store.read(profile.name, crowded)
        done = {entity: folded(profile, entity, each) for entity, each in stored.items()}
        folds = [each.fold for each in done.values() if each.fold is not None]
        if folds:
            self._store.fold(profile.name, folds)
        self._remember(profile.name, {entity: each.pending for entity, each in done.items()})
        return sum(each.early for each in done.values())

    def _due(self, profile: str, counts: Counter[str]) -> list[str]:
        """The entities to look at, after so many new events of each."""
        due = []
        with self._lock:
            for entity, count in counts.items():
                rest = self._rests.get((profile, entity), 0) - count
                if rest > 0:
                    self._rests[profile, entity] = rest
                else:
                    self._rests.pop((profile, entity), None)
                    due.append(entity)
        return due

    def _remember(self, profile: str, pending: dict[str, int]) -> None:
        """After how many events each entity is looked at again."""
        with self._lock:
            for entity, count in pending.items():
                if count > CROWDED:
                    self._rests[profile, entity] = max(1, min(count // 2, MOST_PENDING - count))
            while len(self._rests) > _REMEMBERED:
                self._rests.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Folded:
    """The folding of one entity: the new state, None where no event is folded; how many stay pending, and how many
    were folded early."""

    fold: Fold | None
    pending: int
    early: int


def folded(profile: CompiledProfile, entity: str, stored: Stored) -> Folded:
    """Folds the events of an entity that no earlier one can join, and the oldest of too many others."""
    advance = profile.computation.advance
    state, place, rest = advance(stored.folded, stored.pending, until=stored.newest - profile.lateness)
    early = 0
    if len(rest) > MOST_PENDING:
        crowd = len(rest)
        state, place, rest = advance(state, rest, until=rest[crowd - _LEFT_PENDING - 1].time + 1)
        early = crowd - len(rest)
    taken = len(stored.pending) - len(rest)
    fold = None if place is None else Fold(entity, stored.version, taken, state, place)
    return Folded(fold, len(rest), early)
