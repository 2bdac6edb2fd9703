"""Timestamps of requests."""

from google.protobuf.timestamp_pb2 import Timestamp

from scoreline_server.errors import CallError, ErrorReason

_SECOND = 10**9


def nanoseconds_of(field: str, time: Timestamp) -> int:
    """A time in ns since 1970. Raises CallError where its nanos are not those of one second."""
    if not 0 <= time.nanos < _SECOND:
        raise CallError(ErrorReason.INVALID, f"{field}: has nanos outside 0 to 999,999,999", field=field)
    return time.seconds * _SECOND + time.nanos
