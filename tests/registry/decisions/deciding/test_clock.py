"""Local times and quiet hours across changes of the clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.deciding.clock import is_quiet, local_time, microseconds, zone_named
from scoreline_registry.decisions.deciding.limits import period_of
from tests.registry.decisions.policies import at

BERLIN = ZoneInfo("Europe/Berlin")


def minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    return hour * 60 + minute


def quiet(utc: str, hours: str, zone: ZoneInfo = BERLIN) -> bool:
    """Whether an instant is within quiet hours such as 22:00-08:00."""
    start, end = hours.split("-")
    return is_quiet(local_time(at(utc), zone), minutes(start), minutes(end))


@pytest.mark.parametrize(
    ("utc", "hours", "expected"),
    [
        # Winter, one hour before UTC; over midnight.
        ("2026-01-15T20:59", "22:00-08:00", False),
        ("2026-01-15T21:00", "22:00-08:00", True),
        ("2026-01-15T23:30", "22:00-08:00", True),
        ("2026-01-16T06:59", "22:00-08:00", True),
        ("2026-01-16T07:00", "22:00-08:00", False),
        # Within a day.
        ("2026-01-15T11:59", "13:00-15:00", False),
        ("2026-01-15T12:00", "13:00-15:00", True),
        ("2026-01-15T14:00", "13:00-15:00", False),
        # 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC. 07:59 is summer time.
        ("2026-03-29T00:59", "22:00-08:00", True),
        ("2026-03-29T01:00", "22:00-08:00", True),
        ("2026-03-29T05:59", "22:00-08:00", True),
        ("2026-03-29T06:00", "22:00-08:00", False),
        # A beginning that no clock shows is at the change, and so is such an end.
        ("2026-03-29T00:59", "02:30-05:00", False),
        ("2026-03-29T01:00", "02:30-05:00", True),
        ("2026-03-29T02:59", "02:30-05:00", True),
        ("2026-03-29T03:00", "02:30-05:00", False),
        ("2026-03-29T00:59", "23:00-02:30", True),
        ("2026-03-29T01:00", "23:00-02:30", False),
        # Quiet hours that no clock shows at all.
        ("2026-03-29T00:59", "02:10-02:50", False),
        ("2026-03-29T01:00", "02:10-02:50", False),
        ("2026-03-29T01:30", "02:10-02:50", False),
        # 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC, so 02:00 to 03:00 is shown from 00:00 and from 01:00 UTC.
        ("2026-10-25T00:29", "02:30-05:00", False),
        ("2026-10-25T00:30", "02:30-05:00", True),
        ("2026-10-25T01:10", "02:30-05:00", True),
        ("2026-10-25T03:59", "02:30-05:00", True),
        ("2026-10-25T04:00", "02:30-05:00", False),
        ("2026-10-25T00:45", "22:00-02:30", True),
        ("2026-10-25T01:29", "22:00-02:30", True),
        ("2026-10-25T01:30", "22:00-02:30", False),
        ("2026-10-25T00:05", "02:10-02:20", False),
        ("2026-10-25T00:10", "02:10-02:20", True),
        ("2026-10-25T00:30", "02:10-02:20", True),
        ("2026-10-25T01:05", "02:10-02:20", True),
        ("2026-10-25T01:20", "02:10-02:20", False),
        # An hour that is shown twice and is not at an edge of the quiet hours.
        ("2026-10-25T00:30", "22:00-08:00", True),
        ("2026-10-25T01:30", "22:00-08:00", True),
        ("2026-10-25T01:30", "12:00-14:00", False),
        # From a time to the same time is never.
        ("2026-10-25T00:30", "02:30-02:30", False),
        ("2026-10-25T00:45", "02:30-02:30", False),
    ],
)
def test_quiet_hours_are_those_of_the_clock(utc: str, hours: str, expected: bool) -> None:
    assert quiet(utc, hours) is expected


def test_the_customers_zone_decides() -> None:
    assert quiet("2026-01-15T21:30", "22:00-08:00", BERLIN)
    assert not quiet("2026-01-15T21:30", "22:00-08:00", ZoneInfo("Europe/London"))
    assert quiet("2026-01-15T17:00", "22:00-08:00", ZoneInfo("Asia/Kolkata"))
    # Clocks of Lord Howe Island turn back by half an hour, at 15:00 UTC: 01:30 to 02:00 is shown twice.
    island = ZoneInfo("Australia/Lord_Howe")
    assert [quiet(f"2026-04-04T{utc}", "01:45-04:00", island) for utc in ("14:40", "14:50", "15:05")] == [
        False,
        True,
        True,
    ]


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    hour=st.integers(0, 366 * 24),
    start=st.integers(0, 287),
    length=st.integers(13, 275),
)
def test_quiet_hours_have_no_gap_and_last_as_long_as_the_clock_says(
    zone: str, hour: int, start: int, length: int
) -> None:
    """Over 50 hours, every 5 minutes: each run of quiet times is as long as the hours, up to a change of the clock."""
    first = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    moments = [(first + timedelta(minutes=5 * place)).astimezone(ZoneInfo(zone)) for place in range(50 * 12)]
    found = [is_quiet(moment, 5 * start, 5 * (start + length) % 1440) for moment in moments]
    offsets = {moment.utcoffset() or timedelta() for moment in moments}
    change = (max(offsets) - min(offsets)) // timedelta(minutes=5)
    edges = [place for place in range(1, len(found)) if found[place] != found[place - 1]]
    for begin, end in pairwise(edges):
        assert abs(end - begin - (length if found[begin] else 288 - length)) <= change


@pytest.mark.parametrize(
    "name",
    ["", "Berlin", "../../etc/passwd", "/etc/localtime", "Europe/..", "Europe/Berlin\x00", "x" * 300, "Europe", "ü/ü"],
)
def test_a_text_that_is_no_zone_names_none(name: str) -> None:
    assert zone_named(name) is None


def test_zones_have_names() -> None:
    assert zone_named("America/Argentina/Buenos_Aires") == ZoneInfo("America/Argentina/Buenos_Aires")
    assert zone_named("UTC") == ZoneInfo("UTC")
    assert zone_named("Etc/GMT+5") == ZoneInfo("Etc/GMT+5")


@pytest.mark.parametrize("time_ns", [2**80, -(2**80), 2**63, -(2**63), 0])
def test_any_time_is_a_local_time(time_ns: int) -> None:
    moment = local_time(time_ns, BERLIN)
    assert isinstance(is_quiet(moment, 60, 30), bool)
    assert period_of(moment, "month")[0]


@pytest.mark.parametrize(
    ("utc", "per", "name", "ends"),
    [
        ("2026-03-28T22:59", "day", "2026-03-28", "2026-03-28T23:00"),
        ("2026-03-28T23:00", "day", "2026-03-29", "2026-03-29T22:00"),
        ("2026-10-25T22:59", "day", "2026-10-25", "2026-10-25T23:00"),
        ("2026-03-29T21:59", "week", "2026-W13", "2026-03-29T22:00"),
        ("2026-03-29T22:00", "week", "2026-W14", "2026-04-05T22:00"),
        ("2027-01-01T12:00", "week", "2026-W53", "2027-01-03T23:00"),
        ("2026-01-31T23:00", "month", "2026-02", "2026-02-28T23:00"),
        ("2026-12-31T22:59", "month", "2026-12", "2026-12-31T23:00"),
    ],
)
def test_budgets_begin_anew_by_the_clock_of_the_zone(utc: str, per: str, name: str, ends: str) -> None:
    assert period_of(local_time(at(utc), BERLIN), per) == (name, at(ends) // 1000)


def test_a_total_budget_never_ends() -> None:
    assert period_of(local_time(at("2026-01-01T00:00"), BERLIN), "total") == ("", None)


def test_times_are_exact_in_microseconds() -> None:
    assert microseconds(local_time(1_763_800_000_123_456_789, BERLIN)) == 1_763_800_000_123_456
