"""Events of messages. What a profile says of types and fields is checked by its computation."""

import math
from collections.abc import Iterator, Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.profiles.events import Event, EventError, FieldValue

_SECOND = 10**6
_SECOND_NANOSECONDS = 10**9


def decoded_event(entity: str, message: pb.Event, *, now: int | None = None) -> Event:
    """The event of a message, unchecked; values that are unset or NaN are left out.

    Args:
        entity: the id of the entity that it belongs to.
        message: the event.
        now: the time of an event without one, in microseconds since 1970; None where it must have one.

    Raises EventError for a time that is missing or none.
    """
    if message.HasField("time"):
        time = microseconds_of(message.time)
    elif now is not None:
        time = now
    else:
        raise EventError("time", "is required: when the event happened")
    return Event(entity, message.id, time, message.type, dict(_fields(message.fields)))


def microseconds_of(time: Timestamp) -> int:
    """A time in microseconds since 1970. Raises EventError where its nanos are not those of one second."""
    if not 0 <= time.nanos < _SECOND_NANOSECONDS:
        raise EventError("time", "has nanos outside 0 to 999,999,999")
    return time.seconds * _SECOND + time.nanos // 1000


def _fields(values: Mapping[str, pb.Value]) -> Iterator[tuple[str, FieldValue]]:
    for name, value in values.items():
        kind = value.WhichOneof("kind")
        if kind == "text":
            yield name, value.text
        elif kind == "flag":
            yield name, float(value.flag)
        elif kind == "number" and not math.isnan(value.number):
            yield name, value.number
