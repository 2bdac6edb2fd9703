"""The queue of events that are to be recorded, free of locks, clocks and IO.

One call is open at a time, so that events arrive in their order. An event that finds no open call is sent at once;
those that are recorded while one is open are sent together afterwards. No event waits for a batch to fill.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scoreline.decoding.profiles import LATE, EventsReport, RefusedEvent
from scoreline.errors import ClosedError, DeadlineError, OverloadedError, ScorelineError, UnavailableError
from scoreline.v1 import profiles_pb2 as pb

MAX_QUEUED_EVENTS = 10_000
"""The most events that wait to be recorded."""
MAX_CALL_EVENTS = 4096
"""The most events of one call."""
MAX_CALL_BYTES = 2 * 1024 * 1024
"""About the most bytes of one call, which is below gRPC's default limit of 4 MiB."""
MAX_LISTED = 1000
"""The most refused events that a report lists."""

_TEMPORARY = (UnavailableError, OverloadedError, DeadlineError, ClosedError)
_LATE = (
    "its time is before what may still change in the profile, so this call added nothing; "
    "it is counted already where an earlier call kept it and only the answer was lost"
)


class QueuedEvent(NamedTuple):
    """An event and its number among all that were recorded."""

    number: int
    message: pb.EntityEvent


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """Events of one profile that are sent in one call."""

    profile: str
    events: Sequence[QueuedEvent]

    @property
    def messages(self) -> list[pb.EntityEvent]:
        """The events as they are sent."""
        return [event.message for event in self.events]


class EventQueue:
    """The events of one client that have no answer yet, and what became of the others since the last report.

    Attributes:
        max_call_events: the most events of one call.
        error: why the last call failed, while its events wait to be sent again.
        last_number: the number of the last event that was queued, from 1.
        count: how many events have no answer yet.
    """

    def __init__(self, *, max_events: int = MAX_QUEUED_EVENTS, max_call_events: int = MAX_CALL_EVENTS) -> None:
        """Raises ValueError for a queue without room."""
        if max_events < 1:
            raise ValueError("max_queued_events must be at least 1")
        self.max_call_events = max_call_events
        self.error: ScorelineError | None = None
        self.last_number = self.count = 0
        self._max_events = max_events
        self._waiting: dict[str, deque[QueuedEvent]] = {}
        self._open: EventBatch | None = None
        self._kept = self._repeated = self._refused_count = 0
        self._refused: deque[RefusedEvent] = deque(maxlen=MAX_LISTED)

    @property
    def is_full(self) -> bool:
        """Whether as many events have no answer as may be."""
        return self.count >= self._max_events

    def put(self, profile: str, message: pb.EntityEvent) -> None:
        """Queues an event."""
        self.last_number += 1
        self.count += 1
        self._waiting.setdefault(profile, deque()).append(QueuedEvent(self.last_number, message))

    def is_settled(self, number: int) -> bool:
        """Whether every event up to a number has its answer."""
        first = [events[0].number for events in self._waiting.values()]
        first += [self._open.events[0].number] if self._open else []
        return min(first, default=number + 1) > number

    def next_batch(self) -> EventBatch | None:
        """Opens a call for the profile whose events wait the longest; None while one is open, and where none wait."""
        if self._open is not None or not self._waiting:
            return None
        profile, waiting = min(self._waiting.items(), key=lambda item: item[1][0].number)
        events: list[QueuedEvent] = []
        size = 0
        while waiting and len(events) < self.max_call_events:
            size += waiting[0].message.ByteSize()
            if events and size > MAX_CALL_BYTES:
                break
            events.append(waiting.popleft())
        if not waiting:
            del self._waiting[profile]
        self._open = EventBatch(profile, events)
        return self._open

    def answered(self, batch: EventBatch, answer: pb.RecordEventsResponse) -> list[RefusedEvent]:
        """Settles the events of a call that was answered; those that were not kept."""
        late = [_refused(batch, index, LATE, _LATE, "time") for index in answer.late_indices]
        wrong = [_refused(batch, each.index, each.reason, each.message, each.field) for each in answer.errors]
        self._kept += answer.kept_count
        self._repeated += len(answer.repeated_indices)
        return self._settled(batch, [event for _, event in sorted([*late, *wrong], key=lambda pair: pair[0])])

    def failed(self, batch: EventBatch, error: ScorelineError) -> list[RefusedEvent]:
        """Settles the events of a call that failed for good; those that were not kept, which are all of them.

        Where the call may be answered later, or in smaller parts, its events wait again, in front of the others.
        """
        too_large = _is_too_large(error)
        if too_large and len(batch.events) > 1:
            self.max_call_events = len(batch.events) // 2
        elif too_large or not isinstance(error, _TEMPORARY):
            reason = error.reason or error.code.name
            refused = [_refused(batch, index, reason, error.message, "")[1] for index in range(len(batch.events))]
            return self._settled(batch, refused)
        self._open, self.error = None, None if too_large else error
        self._waiting.setdefault(batch.profile, deque()).extendleft(reversed(batch.events))
        return []

    def report(self) -> EventsReport:
        """What became of the events that were settled since the last report."""
        found = EventsReport(self._kept, self._repeated, tuple(self._refused), self._refused_count)
        self._kept = self._repeated = self._refused_count = 0
        self._refused.clear()
        return found

    def _settled(self, batch: EventBatch, refused: list[RefusedEvent]) -> list[RefusedEvent]:
        self._open, self.error = None, None
        self.count -= len(batch.events)
        self._refused.extend(refused)
        self._refused_count += len(refused)
        return refused


def _refused(batch: EventBatch, index: int, reason: str, message: str, wrong: str) -> tuple[int, RefusedEvent]:
    sent = batch.events[index].message
    return index, RefusedEvent(batch.profile, sent.entity_id, sent.event.type, sent.event.id, reason, message, wrong)


def _is_too_large(error: ScorelineError) -> bool:
    """Whether gRPC refused a message for its size: it gives neither a reason nor a time to come back."""
    return isinstance(error, OverloadedError) and not error.reason and error.retry_after_seconds is None
