"""The profiles of a registry with the store that holds their state: records events, reads entities, forgets them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scoreline_registry.profiles.computation.computation import Reading
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.events.definitions import Definitions
from scoreline_server.events.recording import Counting, Recorder
from scoreline_server.gil_switching import background_work
from scoreline_server.journal.format.times import time_text
from scoreline_server.profile_stores.store import Offset, ProfileStore, Receipt, Stored
from scoreline_server.scoring.compiled_profile import CompiledProfile

NOTHING = Stored()


@dataclass(frozen=True, slots=True)
class EntityReading:
    """The features of one entity as of ``at``, in microseconds since 1970, and what they were read from."""

    reading: Reading
    stored: Stored
    at: int


class LiveProfiles:
    """The profiles of one process. Safe for threads. Every method raises ProfileStoreError where the store fails."""

    def __init__(
        self,
        definitions: Definitions,
        store: ProfileStore,
        *,
        counting: Counting,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """``now`` is the clock, in microseconds since 1970."""
        self.definitions, self.store, self.now = definitions, store, now
        self._recorder = Recorder(store, counting=counting, now=now)

    def record(
        self, profile: CompiledProfile, events: Sequence[Event | EventError], *, offsets: Sequence[Offset] = ()
    ) -> list[Receipt | EventError]:
        """Keeps the events that are right; the result of each, in order. See ``Recorder.record``."""
        return self._recorder.record(profile, events, offsets=offsets)

    def read(self, profile: CompiledProfile, entity: str, *, at: int, event: Event | None = None) -> EntityReading:
        """The features of an entity as of a time, with the event at hand if there is one.

        Raises CallError for a time that lies before events which are folded together.
        """
        stored = self.store.read(profile.name, [entity]).get(entity, NOTHING)
        last = stored.folded_until[0]
        if stored.folded and at <= last:
            raise CallError(
                ErrorReason.INVALID,
                f"the events of {entity!r} up to {time_text(last * 1000)} are folded together: ask for a later time",
                field="time",
            )
        with background_work():
            reading = profile.computation.read(stored.folded, stored.pending, at=at, event=event)
        return EntityReading(reading, stored, at)

    def forget(self, profiles: Sequence[str], entity: str) -> list[str]:
        """Removes an entity from some profiles; the names of those that held something of it."""
        return [name for name in profiles if self.store.forget(name, entity)]
