"""Hours of the day and days of the week of the event at hand, and how unusual its hour is."""

import math

from scoreline_registry.profiles.computation.readers import NAN, Moment, NumberReader
from scoreline_registry.profiles.computation.tiles import Tiles, drop_before, first_of
from scoreline_registry.profiles.events import Event

QUARTERS = 96
"""Of an hour, in a day."""
NEAR_HOURS = 2
STRENGTH = 5
_QUARTER = 900_000_000
_HOUR = 4 * _QUARTER
_DAY = 24 * _HOUR
_THURSDAY = 3
"""The day of the week of 1970-01-01."""
_NEAR = 4 * (NEAR_HOURS + 1)


def _nearness(quarter: int) -> tuple[int, ...]:
    """12 K(distance) of each quarter of the day to one of them."""
    apart = [abs(quarter - each) for each in range(QUARTERS)]
    return tuple(max(_NEAR - min(each, QUARTERS - each), 0) for each in apart)


_NEARNESS = tuple(_nearness(quarter) for quarter in range(QUARTERS))


def quarter_of(time: int, offset: int) -> int:
    """The quarter of an hour, 0 to 95, at a time by a clock ahead of UTC; both are microseconds."""
    return (time + offset) // _QUARTER % QUARTERS


class Hours:
    """Tiles ``[index, counts]``: how many events each quarter of an hour of the day has had."""

    __slots__ = ("kept", "offset")
    stride = 2

    def __init__(self, offset: int) -> None:
        self.kept = 0
        self.offset = offset

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Counts the event's quarter of an hour."""
        quarter = quarter_of(event.time, self.offset)
        if not tiles or tiles[-2] != index:
            tiles += (index, {quarter: 1})
            if tiles[0] < index - self.kept:
                drop_before(tiles, 2, index - self.kept)
        else:
            counts = tiles[-1]
            counts[quarter] = counts.get(quarter, 0) + 1


def hour_reader(offset: int) -> NumberReader:
    """Reads the hour of the day of the event at hand, 0 to 24 with fractions."""
    return lambda moment: NAN if moment.event is None else (moment.event.time + offset) % _DAY / _HOUR


def weekday_reader(offset: int) -> NumberReader:
    """Reads the day of the week of the event at hand: 0 on Monday, 6 on Sunday."""
    return lambda moment: NAN if moment.event is None else float(((moment.event.time + offset) // _DAY + _THURSDAY) % 7)


def hour_rarity_reader(place: int, bound: int, offset: int) -> NumberReader:
    """Reads the surprise ``-ln p`` of the hour h of the event at hand, hours being rounded down to a quarter.

    ``p = (sum of K(distance to h) / (w + 1) over the n past events + k / 24) / (n + k)`` with the triangle
    ``K(d) = max(0, 1 - d / (w + 1))``, w = 2 hours, distances around the clock, and k = 5 imaginary events that are
    spread over the day. So it is ln 24 = 3.2 without a past, near 1.1 at an hour of all events, and grows with n at an
    hour that has none. It is the ``HourRarity`` of the family ``profile_deviation`` with equal shares of hours.
    """

    def read(moment: Moment) -> float:
        if moment.event is None:
            return NAN
        tiles = moment.series[place]
        nearness = _NEARNESS[quarter_of(moment.event.time, offset)]
        near = n = 0
        for counts in tiles[first_of(tiles, 2, moment.bounds[bound]) + 1 :: 2]:
            for quarter, count in counts.items():
                near += count * nearness[quarter]
                n += count
        return -math.log((near / (_NEAR * (NEAR_HOURS + 1)) + STRENGTH / 24) / (n + STRENGTH))

    return read
