"""Times in ns since 1970 are exact to the microsecond, both ways."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from scoreline_server.journal.format.times import DAY, nanoseconds_of, time_text

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as it asks


@given(TIMES)
def test_a_time_is_read_back_from_its_text(time: datetime) -> None:
    assert datetime.fromisoformat(time_text(nanoseconds_of(time))) == time


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    there = datetime(2026, 11, 2, 1, tzinfo=timezone(timedelta(hours=1)))
    assert nanoseconds_of(there) - nanoseconds_of(datetime(2026, 11, 1, tzinfo=UTC)) == DAY
    assert time_text(nanoseconds_of(there) + 123_456_789) == "2026-11-02T00:00:00.123456Z"
