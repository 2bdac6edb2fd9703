"""One entity of an embedded store while a transaction changes it. Pure."""

from scoreline_registry.profiles.events import Event
from scoreline_server.profile_stores.packing import pack_event, start_of, unpack_events, unpack_ids
from scoreline_server.profile_stores.store import Fold, Receipt


class EntityRow:
    """An entity's row: what decides about its next event, and its pending events.

    Attributes:
        number: the row's number in its table; None for an entity that is new.
        newest: the time of its newest event.
        until: the place of the last folded event; says nothing while ``version`` is 0.
        version: how often it was folded.
        count: of its pending events.
        pending: those events, packed.
    """

    __slots__ = ("_asked", "_ids", "count", "entity", "newest", "number", "pending", "until", "version")

    def __init__(
        self,
        entity: str,
        number: int | None = None,
        *,
        newest: int = 0,
        until: tuple[int, str] = (0, ""),
        version: int = 0,
        count: int = 0,
        pending: bytes = b"",
    ) -> None:
        self.entity, self.number = entity, number
        self.newest, self.until, self.version, self.count = newest, until, version, count
        self.pending = bytearray(pending)
        self._ids: set[str] | None = None
        self._asked = False

    def append(self, event: Event, packed: bytes, *, lateness: int) -> Receipt:
        """Adds an event unless it is there already or too late."""
        if self._has(event.id):
            return Receipt.REPEATED
        if self._too_late(event, lateness):
            return Receipt.LATE
        self.newest = event.time if self._empty else max(self.newest, event.time)
        self.pending += packed
        self.count += 1
        if self._ids is not None:
            self._ids.add(event.id)
        return Receipt.KEPT

    def fold(self, fold: Fold) -> bool:
        """Drops the events that were folded; False, and nothing is changed, where others are pending by now."""
        if fold.version != self.version:
            return False
        events = unpack_events(self.entity, bytes(self.pending), self.count)
        rest = [event for event in events if event.place > fold.folded_until]
        if len(events) - len(rest) != fold.events:
            return False
        time = fold.folded_until[0]
        self.newest = time if self._empty else max(self.newest, time)
        self.pending = bytearray(b"".join(map(pack_event, rest)))
        self.count, self.version, self.until = len(rest), self.version + 1, fold.folded_until
        self._ids = None
        return True

    @property
    def _empty(self) -> bool:
        return not self.count and not self.version

    def _too_late(self, event: Event, lateness: int) -> bool:
        if self.version and event.place <= self.until:
            return True
        return not self._empty and event.time < self.newest - lateness

    def _has(self, event_id: str) -> bool:
        """Whether an event with this id is pending. Bytes are compared for the first, a set is made for the next."""
        if self._ids is not None:
            return event_id in self._ids
        if self._asked or start_of(event_id) in self.pending:
            self._ids = unpack_ids(self.entity, bytes(self.pending), self.count)
            return event_id in self._ids
        self._asked = True
        return False
