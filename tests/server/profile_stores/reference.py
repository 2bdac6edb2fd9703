"""A store of profiles in memory, as plain as its contract, and what the tests of stores say of events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scoreline_registry.profiles.events import Event
from scoreline_server.profile_stores.store import Fold, Offset, Receipt, Stats, Stored


def event(entity: str, event_id: str, time: int, *, amount: float = 1.5) -> Event:
    """A purchase."""
    return Event(entity, event_id, time, "purchase", {"amount": amount, "category": "food"})


def folded_ids(stored: Stored) -> list[str]:
    """The ids of the events in a state that ``fold_of`` made."""
    return stored.folded.decode().split()


def all_ids(stored: Stored) -> list[str]:
    """The ids of the events in a state and of those that are pending."""
    return folded_ids(stored) + [each.id for each in stored.pending]


def fold_of(entity: str, stored: Stored, events: int) -> Fold:
    """A fold of the first pending events: the state of these tests is the ids of its events."""
    taken = stored.pending[:events]
    folded = " ".join(folded_ids(stored) + [each.id for each in taken]).encode()
    return Fold(entity, stored.version, len(taken), folded, taken[-1].place)


@dataclass
class _Entity:
    folded: bytes = b""
    until: tuple[int, str] = (0, "")
    version: int = 0
    newest: int | None = None
    pending: list[Event] = field(default_factory=list)


@dataclass
class _Profile:
    entities: dict[str, _Entity] = field(default_factory=dict)
    late: int = 0
    repeated: int = 0


class ReferenceStore:
    """One thread's store in memory."""

    def __init__(self) -> None:
        self._profiles: dict[str, _Profile] = {}
        self._offsets: dict[tuple[str, str, int], int] = {}

    def append(
        self, profile: str, events: Sequence[Event], *, lateness: int, offsets: Sequence[Offset] = ()
    ) -> list[Receipt]:
        kept = self._of(profile)
        receipts = [_appended(kept.entities, each, lateness) for each in events]
        kept.late += receipts.count(Receipt.LATE)
        kept.repeated += receipts.count(Receipt.REPEATED)
        for consumer, topic, partition, following in offsets:
            self._offsets[consumer, topic, partition] = following
        return receipts

    def read(self, profile: str, entities: Sequence[str]) -> dict[str, Stored]:
        known = self._of(profile).entities
        return {entity: _stored(known[entity]) for entity in entities if entity in known}

    def crowded(self, profile: str, entities: Sequence[str], *, more_than: int) -> list[str]:
        known = self._of(profile).entities
        return [entity for entity in entities if entity in known and len(known[entity].pending) > more_than]

    def fold(self, profile: str, folds: Sequence[Fold]) -> int:
        return sum(_folded(self._of(profile).entities, fold) for fold in folds)

    def entities(self, profile: str, *, after: str = "") -> Iterator[str]:
        return (entity for entity in sorted(self._of(profile).entities) if entity > after)

    def forget(self, profile: str, entity: str) -> bool:
        return self._of(profile).entities.pop(entity, None) is not None

    def expire(self, profile: str, *, before: int) -> int:
        known = self._of(profile).entities
        old = [entity for entity, kept in known.items() if kept.newest is not None and kept.newest < before]
        return sum(known.pop(entity) is not None for entity in old)

    def clear(self, profile: str) -> None:
        self._profiles[profile] = _Profile()

    def offsets(self, consumer: str) -> Mapping[tuple[str, int], int]:
        return {(topic, part): following for (by, topic, part), following in self._offsets.items() if by == consumer}

    def stats(self, profile: str) -> Stats:
        known = self._of(profile)
        pending = sum(len(each.pending) for each in known.entities.values())
        return Stats(len(known.entities), pending, 0, known.late, known.repeated)

    def close(self) -> None:
        """Nothing is open."""

    def _of(self, profile: str) -> _Profile:
        return self._profiles.setdefault(profile, _Profile())


def _appended(entities: dict[str, _Entity], event: Event, lateness: int) -> Receipt:
    kept = entities.get(event.entity, _Entity())
    if event.id in {each.id for each in kept.pending}:
        return Receipt.REPEATED
    if kept.version and event.place <= kept.until:
        return Receipt.LATE
    if kept.newest is not None and event.time < kept.newest - lateness:
        return Receipt.LATE
    entities[event.entity] = kept
    kept.pending.append(event)
    kept.newest = event.time if kept.newest is None else max(kept.newest, event.time)
    return Receipt.KEPT


def _folded(entities: dict[str, _Entity], fold: Fold) -> bool:
    kept = entities.get(fold.entity, _Entity())
    rest = [each for each in kept.pending if each.place > fold.folded_until]
    if fold.version != kept.version or len(kept.pending) - len(rest) != fold.events:
        return False
    newest = fold.folded_until[0] if kept.newest is None else max(kept.newest, fold.folded_until[0])
    entities[fold.entity] = _Entity(fold.folded, fold.folded_until, kept.version + 1, newest, rest)
    return True


def _stored(kept: _Entity) -> Stored:
    assert kept.newest is not None
    return Stored(kept.folded, kept.until, kept.newest, sorted(kept.pending, key=lambda each: each.place), kept.version)
