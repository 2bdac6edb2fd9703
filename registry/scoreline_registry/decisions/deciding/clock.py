"""The local time of a case, and whether it is within quiet hours, across changes of the clock."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINUTES_PER_DAY = 24 * 60

UTC_ZONE = ZoneInfo("UTC")

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
# Times beyond these are moved to them, so that no sum with a zone's offset or a month leaves what datetime can hold.
_FIRST, _LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=2048)
def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of a name such as Europe/Berlin; None for any other text."""
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local_time(time_ns: int, zone: ZoneInfo) -> datetime:
    """A time in nanoseconds since 1970 as the clocks of a zone show it, rounded down to microseconds."""
    return min(max(_utc(time_ns), _FIRST), _LAST).astimezone(zone)


def microseconds(moment: datetime) -> int:
    """A time in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def is_quiet(moment: datetime, from_minute: int, to_minute: int) -> bool:
    """Whether a local time lies within the quiet hours from one minute of the day to another, over midnight if less.

    A time is quiet when the clock shows a time from the first minute up to the second. Where clocks are turned back, an
    hour is shown twice: quiet hours that begin within it begin with its first pass, those that end within it end with
    its second, and there is no pause between. Where clocks are turned forward, quiet hours that would begin or end at a
    time that is not shown begin or end at the change.
    """
    minute = moment.hour * 60 + moment.minute
    if from_minute <= to_minute:
        shown = from_minute <= minute < to_minute
    else:
        shown = minute >= from_minute or minute < to_minute
    return shown or (_is_repeated(moment) and _between_passes(moment, from_minute, to_minute))


def _utc(time_ns: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=time_ns // 1000)
    except OverflowError:
        return _LAST if time_ns > 0 else _FIRST


def _is_repeated(moment: datetime) -> bool:
    """Whether the clock shows this time twice. A time made from an instant is never one that is not shown."""
    return moment.replace(fold=1 - moment.fold).utcoffset() != moment.utcoffset()


def _between_passes(moment: datetime, from_minute: int, to_minute: int) -> bool:
    """Whether the time lies between the first pass of the beginning and the second pass of the end."""
    if from_minute == to_minute:
        return False
    instant = moment.astimezone(UTC)
    for day in (moment - _DAY, moment):
        begins = _at(day, from_minute).replace(fold=0)
        ends = _at(day if from_minute < to_minute else day + _DAY, to_minute).replace(fold=1)
        if begins.astimezone(UTC) <= instant < ends.astimezone(UTC):
            return True
    return False


def _at(day: datetime, minute: int) -> datetime:
    """The time of a minute of the day, on the day of a local time."""
    return day.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
