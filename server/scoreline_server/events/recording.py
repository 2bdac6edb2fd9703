"""Records checked events: keeps them durably and folds those of entities that have many."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.errors import DamagedEntitiesError, ProfileStoreError
from scoreline_server.events.folding import Crowds
from scoreline_server.gil_switching import background_work
from scoreline_server.profile_stores.store import Offset, ProfileStore, Receipt
from scoreline_server.scoring.compiled_profile import CompiledProfile

MAX_EVENTS = 10_000
"""The most events of one call."""

_SECOND = 10**6

_log = structlog.get_logger()


class Counting(Protocol):
    """The metrics of recorded events."""

    def events_recorded(
        self, profile: str, *, kept: int, repeated: int, late: int, refused: int, ages: Sequence[float]
    ) -> None:
        """Events of one call by their results; ``ages`` are the seconds from each kept one to its recording."""

    def events_folded_early(self, profile: str, count: int) -> None:
        """Events that were folded while earlier ones could still come."""

    def events_failed(self, profile: str) -> None:
        """A call whose events could not be kept."""


class Recorder:
    """Records the events of one process. Safe for threads. It holds no events between calls."""

    def __init__(
        self, store: ProfileStore, *, counting: Counting, now: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        """``now`` is the clock that finds events from the future, in microseconds since 1970."""
        self._store, self._counting, self._now = store, counting, now
        self._crowds = Crowds(store)

    def record(
        self, profile: CompiledProfile, events: Sequence[Event | EventError], *, offsets: Sequence[Offset] = ()
    ) -> list[Receipt | EventError]:
        """Keeps events, with ``offsets`` in the same step; the result of each, in order.

        Events come from the profile's ``event_of``; an EventError in the place of one is counted as refused. Those from
        the future are refused here, and without ``offsets`` those of entities that are damaged in the store. Raises
        ProfileStoreError where the store fails; then all or none of them are kept, and they may be sent again. With
        ``offsets`` it raises DamagedEntitiesError: who read the events must see to them before their offsets are kept.
        """
        now = self._now()
        checked = [not_ahead(event, now, profile.future) for event in events]
        try:
            receipts = self._append(profile, _right(checked), offsets)
        except DamagedEntitiesError as error:
            if offsets:
                raise
            _log.error("events of damaged entities are refused", profile=profile.name, entities=len(error.entities))
            checked = [undamaged(event, error) for event in checked]
            receipts = self._append(profile, _right(checked), offsets)
        right = _right(checked)
        kept = [event for event, receipt in zip(right, receipts, strict=True) if receipt is Receipt.KEPT]
        self._counting.events_recorded(
            profile.name,
            kept=len(kept),
            repeated=receipts.count(Receipt.REPEATED),
            late=receipts.count(Receipt.LATE),
            refused=len(events) - len(right),
            ages=[(now - event.time) / _SECOND for event in kept],
        )
        with background_work():
            early = self._crowds.fold(profile, [event.entity for event in kept])
        if early:
            self._counting.events_folded_early(profile.name, early)
        following = iter(receipts)
        return [next(following) if isinstance(event, Event) else event for event in checked]

    def _append(self, profile: CompiledProfile, events: Sequence[Event], offsets: Sequence[Offset]) -> list[Receipt]:
        if not events and not offsets:
            return []
        try:
            return self._store.append(profile.name, events, lateness=profile.lateness, offsets=offsets)
        except DamagedEntitiesError:
            raise
        except ProfileStoreError:
            self._counting.events_failed(profile.name)
            raise


def _right(events: Sequence[Event | EventError]) -> list[Event]:
    return [event for event in events if isinstance(event, Event)]


def undamaged(event: Event | EventError, damage: DamagedEntitiesError) -> Event | EventError:
    """The event, or the error of one whose entity is damaged in the store."""
    if isinstance(event, Event) and event.entity in damage.entities:
        return EventError("entity_id", "is damaged in the store: forget it, or restore the store from a backup")
    return event


def not_ahead(event: Event | EventError, now: int, future: int) -> Event | EventError:
    """The event, or the error of one that is more than ``future`` microseconds after ``now``."""
    if isinstance(event, Event) and event.time > now + future:
        return EventError("time", f"is {_duration(event.time - now)} in the future: send events once they happened")
    return event


def _duration(microseconds: int) -> str:
    """A duration in words, such as 3.2 hours."""
    seconds = microseconds / _SECOND
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{_tenths(seconds / size)} {unit}"
    return f"{_tenths(seconds)} seconds"


def _tenths(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0")
