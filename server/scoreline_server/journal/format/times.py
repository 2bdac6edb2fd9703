"""Times in ns since 1970, as files hold them, and as people write and read them."""

from datetime import UTC, datetime, timedelta

DAY = 86_400 * 10**9
"""The ns of a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds_of(time: datetime) -> int:
    """A time that has a zone, in ns since 1970, to the microsecond."""
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def time_text(nanoseconds: int) -> str:
    """A time as people and programs read it: ISO 8601, UTC, microseconds."""
    return f"{_EPOCH + timedelta(microseconds=nanoseconds // 1000):%Y-%m-%dT%H:%M:%S.%fZ}"
