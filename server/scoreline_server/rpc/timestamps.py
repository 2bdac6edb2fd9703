"""Timestamps of requests."""

from google.protobuf.timestamp_pb2 import Timestamp

from scoreline_server.errors import CallError, ErrorReason

_SECOND = 10**9
_MOST_SECONDS = (1 << 63) // _SECOND - 1


def nanoseconds_of(field: str, time: Timestamp) -> int:
    """A time in ns since 1970, in 64 bits. Raises CallError where it has none, or its nanos are not of one second."""
    if not 0 <= time.nanos < _SECOND:
        raise CallError(ErrorReason.INVALID, f"{field}: has nanos outside 0 to 999,999,999", field=field)
    if abs(time.seconds) > _MOST_SECONDS:
        raise CallError(ErrorReason.INVALID, f"{field}: must be from 1678 to 2262", field=field)
    return time.seconds * _SECOND + time.nanos
