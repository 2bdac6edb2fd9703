"""The events at hand of a request's entities, checked by the profiles that have their type."""

from collections.abc import Sequence

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.names import hint
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.event_messages import decoded_event
from scoreline_server.scoring.route_profiles import RouteProfiles
from scoreline_server.scoring.rows import EncodedRows, RowsRequest


def add_events(rows: EncodedRows, request: RowsRequest, profiles: RouteProfiles, *, now: int) -> None:
    """Adds the events of a request to its rows; a wrong event is an error of its row.

    ``now`` is the time of events without one, in microseconds since 1970. Raises ScoringError where a packed request
    has another number of events than of entities.
    """
    messages = _messages(request, len(rows))
    if not any(messages):
        return
    events: list[Event | None] = []
    for row, (entity, message) in enumerate(zip(rows.ids, messages, strict=True)):
        try:
            events.append(None if message is None else _event(entity, message, profiles, now))
        except EventError as error:
            rows.errors.setdefault(row, _refusal(error))
            events.append(None)
    rows.events = events


def _messages(request: RowsRequest, count: int) -> Sequence[pb.Event | None]:
    """The event of each entity; one without a type, in the packed form, is none."""
    if not request.HasField("packed"):
        return [entity.event if entity.HasField("event") else None for entity in request.entities]
    packed = request.packed.events
    if packed and len(packed) != count:
        text = f"send no events, or {count} in the order of the entities; got {len(packed)}"
        raise ScoringError(ErrorReason.WRONG_BLOCK_LENGTH, text, block="events")
    return [message if message.type else None for message in packed]


def _event(entity: str, message: pb.Event, profiles: RouteProfiles, now: int) -> Event:
    """An event as every profile with its type takes it. Raises EventError."""
    event = decoded_event(entity, message, now=now)
    if event.type not in profiles.by_type:
        known = hint(event.type, profiles.by_type, "event type")
        raise EventError("type", f"unknown event type {event.type[:80]!r}; {known}")
    for profile in profiles.by_type[event.type]:
        event = profile.computation.at_hand(entity, event.time, event.type, event.fields)
    return event


def _refusal(error: EventError) -> ScoringError:
    return ScoringError(ErrorReason.INVALID_EVENT, f"the event at hand: {error}", field=error.field)
