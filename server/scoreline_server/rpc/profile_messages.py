"""Messages of ProfileService, to and from values."""

import math
from collections.abc import Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.v1 import profiles_pb2 as pb
from scoreline.v1 import scoring_pb2
from scoreline_registry.profiles.computation.checking import LATEST_TIME
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.events.live import EntityReading
from scoreline_server.profile_stores.store import Receipt
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.event_messages import decoded_event, microseconds_of

_SECOND = 10**6
_MISSING = scoring_pb2.Value()


def decoded_events(profile: CompiledProfile, messages: Sequence[pb.EntityEvent]) -> list[Event | EventError]:
    """The events of a call in order, an EventError for each that is refused."""
    return [_decoded(profile, message) for message in messages]


def _decoded(profile: CompiledProfile, message: pb.EntityEvent) -> Event | EventError:
    try:
        return profile.computation.check(decoded_event(message.entity_id, message.event))
    except EventError as error:
        return error


def asked(profile: CompiledProfile, request: pb.GetEntityProfileRequest, now: int) -> tuple[int, Event | None]:
    """The time that is asked for, in microseconds since 1970, and the event at hand if there is one.

    Without a time it is that of the event, or ``now``. Raises CallError where the profile does not take the event.
    """
    try:
        at = microseconds_of(request.time) if request.HasField("time") else None
        if at is not None and not 0 <= at <= LATEST_TIME:
            raise CallError(ErrorReason.INVALID, "time: write a time from 1970 to 2262", field="time")
        if not request.HasField("event"):
            return now if at is None else at, None
        event = decoded_event(request.entity_id, request.event, now=now if at is None else at)
        event = profile.computation.at_hand(event.entity, event.time, event.type, event.fields)
    except EventError as error:
        raise CallError(ErrorReason.INVALID_EVENT, str(error), field=error.field) from error
    return event.time if at is None else at, event


def record_response(results: Sequence[Receipt | EventError]) -> pb.RecordEventsResponse:
    """The results of recorded events."""
    response = pb.RecordEventsResponse(
        kept_count=results.count(Receipt.KEPT),
        repeated_indices=[index for index, result in enumerate(results) if result is Receipt.REPEATED],
        late_indices=[index for index, result in enumerate(results) if result is Receipt.LATE],
    )
    for index, result in enumerate(results):
        if isinstance(result, EventError):
            response.errors.add(index=index, reason=ErrorReason.INVALID_EVENT, message=str(result), field=result.field)
    return response


def profile_response(found: EntityReading) -> pb.GetEntityProfileResponse:
    """The features of an entity."""
    reading, stored = found.reading, found.stored
    response = pb.GetEntityProfileResponse(
        time=_timestamp(found.at),
        state=scoring_pb2.PROFILE_STATE_NEW if reading.is_new else scoring_pb2.PROFILE_STATE_READ,
        pending_count=len(stored.pending),
        newest_event_time=_timestamp(stored.newest) if stored.newest else None,
    )
    for name, number in reading.numbers.items():
        response.features[name].CopyFrom(_MISSING if math.isnan(number) else scoring_pb2.Value(number=number))
    for name, text in reading.categories.items():
        response.features[name].CopyFrom(_MISSING if text is None else scoring_pb2.Value(text=text))
    for name, steps in reading.sequences.items():
        response.sequences[name].steps.extend(map(_step, steps))
    for name, entities in reading.neighbors.items():
        response.neighbors[name].entity_ids.extend(entities)
    return response


def _step(step: Mapping[str, float | str]) -> scoring_pb2.Step:
    message = scoring_pb2.Step()
    for name, value in step.items():
        if isinstance(value, str):
            message.categories[name] = value
        else:
            message.features[name] = value
    return message


def _timestamp(microseconds: int) -> Timestamp:
    seconds, rest = divmod(microseconds, _SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)
