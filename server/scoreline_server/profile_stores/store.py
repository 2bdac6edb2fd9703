"""The seam of stores: what keeps the state of each entity, and its events that are not folded into it yet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from scoreline_registry.profiles.events import Event


class Receipt(IntEnum):
    """What became of one event that was given to a store."""

    KEPT = 0
    REPEATED = 1
    """An event with its id is there already."""
    LATE = 2
    """It happened before what may still change, so it was not added; a repetition of a folded event is late too."""


class Offset(NamedTuple):
    """A place in a stream of events that a consumer has read up to."""

    consumer: str
    topic: str
    partition: int
    next: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store has of one entity in one profile.

    Attributes:
        folded: the encoded state that events up to ``folded_until`` have been folded into; empty before the first.
        folded_until: the place of the last event in it.
        newest: the time of the newest event that was kept, in microseconds since 1970.
        pending: the kept events after ``folded_until``, in order of their places.
        version: grows with each change of ``folded``; 0 before the first.
    """

    folded: bytes = b""
    folded_until: tuple[int, str] = (0, "")
    newest: int = 0
    pending: Sequence[Event] = ()
    version: int = 0


class Fold(NamedTuple):
    """A new state of one entity, made from what was read of it.

    It is taken only where the stored version is still ``version`` and as many events as then are pending up to
    ``folded_until``: an event that arrived since and belongs among them is folded by the next attempt.

    Attributes:
        entity: whose state it is.
        version: of the state that it was made from; 0 where there was none.
        events: how many pending events were folded into it.
        folded: the encoded state.
        folded_until: the place of the last event in it.
    """

    entity: str
    version: int
    events: int
    folded: bytes
    folded_until: tuple[int, str]


@dataclass(frozen=True, slots=True)
class Stats:
    """The size of one profile in a store.

    Attributes:
        entities: how many there are.
        pending: events that are not folded yet.
        bytes: of ids, states and pending events, without the store's own overhead.
        late: events that came too late, since the profile was first written or cleared.
        repeated: events that came again, since then.
    """

    entities: int = 0
    pending: int = 0
    bytes: int = 0
    late: int = 0
    repeated: int = 0


class ProfileStore(Protocol):
    """Keeps profiles. Every method may be called by several threads and processes at once.

    All raise ProfileStoreError where the store cannot be reached, is full or damaged. A call that failed has changed
    all or nothing, and which of both is unknown where the connection was lost: the same events may be sent again.
    """

    def append(
        self, profile: str, events: Sequence[Event], *, lateness: int, offsets: Sequence[Offset] = ()
    ) -> list[Receipt]:
        """Keeps events and the offsets that they came from, all in one durable step; the receipt of each, in order.

        An event is late where its place is not after its entity's ``folded_until``, or where its time is more than
        ``lateness`` microseconds before the entity's newest. Of several with one id, also within the call, the first
        is kept. Raises DamagedEntitiesError, and changes nothing, where it cannot tell for some of the entities.
        """

    def read(self, profile: str, entities: Sequence[str]) -> dict[str, Stored]:
        """What is stored of entities; one that is not there is left out."""

    def crowded(self, profile: str, entities: Sequence[str], *, more_than: int) -> list[str]:
        """Those of the entities with more pending events than that."""

    def fold(self, profile: str, folds: Sequence[Fold]) -> int:
        """Replaces states and drops the pending events that are in them; how many folds were taken."""

    def entities(self, profile: str, *, after: str = "") -> Iterator[str]:
        """The ids of all entities in order of their code points, from the first after ``after``.

        Those that arrive or go in the meantime may or may not be among them.
        """

    def forget(self, profile: str, entity: str) -> bool:
        """Removes all that is stored of an entity for good; whether there was anything."""

    def expire(self, profile: str, *, before: int) -> int:
        """Removes entities whose newest event is older than that; how many."""

    def clear(self, profile: str) -> None:
        """Removes all entities of a profile and its counts; offsets of consumers stay."""

    def offsets(self, consumer: str) -> Mapping[tuple[str, int], int]:
        """The next offset of each topic and partition that a consumer has read."""

    def stats(self, profile: str) -> Stats:
        """How much is stored. Looks at every entity: not for each scrape of metrics."""

    def close(self) -> None:
        """Releases files and connections."""
