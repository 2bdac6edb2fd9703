"""Times as protobuf timestamps."""

from google.protobuf.timestamp_pb2 import Timestamp

_SECOND = 10**9


def timestamp(nanoseconds: int) -> Timestamp:
    """A time in ns since 1970 as a timestamp."""
    seconds, nanos = divmod(nanoseconds, _SECOND)
    return Timestamp(seconds=seconds, nanos=nanos)
