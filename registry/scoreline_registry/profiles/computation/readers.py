"""Readers: the value of one feature from the states of its series, as of one moment.

A reader is a function of a ``Moment``. Tiles are added from the oldest to the newest, whatever the features that share
them, so that a value has the same bits each time. Missing is NaN. Where no event counts, counts, sums, rates and the
number of distinct values are 0 and all others are missing.
"""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any, TypeAlias

from scoreline_registry.profiles.computation.tiles import NO_TILE, Tiles, first_of
from scoreline_registry.profiles.events import Event, FieldValue

NAN = math.nan


class Moment:
    """What features are read from.

    Attributes:
        series: the state of each series, after the events before ``at``.
        at: the time, in microseconds since 1970.
        bounds: the lowest tile that each window, session or history covers.
        event: the event at hand, if there is one.
        fields: its fields.
        numbers: the number features read so far.
        categories: the category features, all of which are read before the first number.
    """

    __slots__ = ("at", "bounds", "categories", "event", "fields", "numbers", "series")

    def __init__(self, series: list[list[Any]], at: int, bounds: list[int], event: Event | None) -> None:
        self.series = series
        self.at = at
        self.bounds = bounds
        self.event = event
        self.fields: Mapping[str, FieldValue] = {} if event is None else event.fields
        self.numbers: dict[str, float] = {}
        self.categories: dict[str, str | None] = {}


NumberReader: TypeAlias = Callable[[Moment], float]
CategoryReader: TypeAlias = Callable[[Moment], str | None]


def count_reader(place: int, bound: int) -> NumberReader:
    """Reads n from a Count."""

    def read(moment: Moment) -> float:
        return float(total(moment.series[place], 2, moment.bounds[bound]))

    return read


def sum_reader(place: int, bound: int) -> NumberReader:
    """Reads the sum from a Sum."""

    def read(moment: Moment) -> float:
        tiles = moment.series[place]
        return reduce(add, tiles[first_of(tiles, 3, moment.bounds[bound]) + 2 :: 3], 0.0)

    return read


def mean_reader(place: int, bound: int) -> NumberReader:
    """Reads sum / n from a Sum."""

    def read(moment: Moment) -> float:
        tiles = moment.series[place]
        start = first_of(tiles, 3, moment.bounds[bound])
        n = sum(tiles[start + 1 :: 3])
        return reduce(add, tiles[start + 2 :: 3], 0.0) / n if n else NAN

    return read


def std_reader(place: int, bound: int) -> NumberReader:
    """Reads the population standard deviation from Moments: sqrt(squares / n), 0 for one value."""

    def read(moment: Moment) -> float:
        n, _, squares = merged_moments(moment.series[place], moment.bounds[bound])
        return math.sqrt(squares / n) if n else NAN

    return read


def least_reader(place: int, bound: int) -> NumberReader:
    """Reads the minimum from a Least."""

    def read(moment: Moment) -> float:
        tiles = moment.series[place]
        return float(min(tiles[first_of(tiles, 2, moment.bounds[bound]) + 1 :: 2], default=NAN))

    return read


def greatest_reader(place: int, bound: int) -> NumberReader:
    """Reads the maximum from a Greatest."""

    def read(moment: Moment) -> float:
        tiles = moment.series[place]
        return float(max(tiles[first_of(tiles, 2, moment.bounds[bound]) + 1 :: 2], default=NAN))

    return read


def last_number_reader(place: int, bound: int) -> NumberReader:
    """Reads the number from a Last."""

    def read(moment: Moment) -> float:
        tile = moment.series[place]
        return float(tile[1]) if tile and tile[0] >= moment.bounds[bound] else NAN

    return read


def last_category_reader(place: int, bound: int) -> CategoryReader:
    """Reads the text from a Last; None where there is none."""

    def read(moment: Moment) -> str | None:
        tile = moment.series[place]
        return tile[1] if tile and tile[0] >= moment.bounds[bound] else None

    return read


def since_last_reader(place: int, bound: int, unit: int) -> NumberReader:
    """Reads the time since the newest event from a Newest, in units of so many microseconds."""

    def read(moment: Moment) -> float:
        tile = moment.series[place]
        return (moment.at - tile[1]) / unit if tile and tile[0] >= moment.bounds[bound] else NAN

    return read


def since_first_reader(place: int, bound: int, unit: int) -> NumberReader:
    """Reads the time since the oldest event from a First, in units of so many microseconds."""

    def read(moment: Moment) -> float:
        tiles = moment.series[place]
        start = first_of(tiles, 2, moment.bounds[bound])
        return (moment.at - tiles[start + 1]) / unit if start < len(tiles) else NAN

    return read


def share_reader(part: int, whole: int, bound: int) -> NumberReader:
    """Reads n of one Count over n of another."""

    def read(moment: Moment) -> float:
        lowest = moment.bounds[bound]
        n = total(moment.series[whole], 2, lowest)
        return total(moment.series[part], 2, lowest) / n if n else NAN

    return read


def window_rate_reader(place: int, bound: int, length: int, unit: int) -> NumberReader:
    """Reads n of a Count over the time since the beginning of the window's oldest tile, in units of microseconds."""

    def read(moment: Moment) -> float:
        lowest = moment.bounds[bound]
        return total(moment.series[place], 2, lowest) * unit / (moment.at - lowest * length)

    return read


def run_rate_reader(place: int, first: int, bound: int, unit: int) -> NumberReader:
    """Reads n of a Count over the time since the first event, in units of microseconds and at least one unit.

    So an entity's first event is no burst: until a unit of time has passed, it is the number of events.
    """

    def read(moment: Moment) -> float:
        lowest = moment.bounds[bound]
        n, tiles = total(moment.series[place], 2, lowest), moment.series[first]
        start = first_of(tiles, 2, lowest)
        return n * unit / max(moment.at - tiles[start + 1], unit) if n else 0.0

    return read


def z_score_reader(place: int, bound: int, field: str) -> NumberReader:
    """Reads (x - mean) / std of Moments for the number x of the event at hand; missing below 2 values and for std 0."""

    def read(moment: Moment) -> float:
        x = moment.fields.get(field)
        n, mean, squares = merged_moments(moment.series[place], moment.bounds[bound])
        if x is None or isinstance(x, str) or n < 2 or not squares:
            return NAN
        return (x - mean) / math.sqrt(squares / n)

    return read


def total(tiles: Tiles, stride: int, lowest: int) -> int:
    """The sum of n, which follows the index, over the tiles from ``lowest`` on."""
    return sum(tiles[first_of(tiles, stride, lowest) + 1 :: stride])


def merged_moments(tiles: Tiles, lowest: int) -> tuple[int, float, float]:
    """n, mean and squares of Moments over the tiles from ``lowest`` on.

    Source: Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances (1979).
    """
    start = first_of(tiles, 4, lowest)
    if start >= len(tiles):
        return 0, 0.0, 0.0
    n, mean, squares = tiles[start + 1 : start + 4]
    for k in range(start + 4, len(tiles), 4):
        more, delta = tiles[k + 1], tiles[k + 2] - mean
        both = n + more
        mean += delta * more / both
        squares += tiles[k + 3] + delta * delta * n * more / both
        n = both
    return n, mean, squares


Bound: TypeAlias = Callable[[list[list[Any]], int], int]


def window_bound(window: int, length: int) -> Bound:
    """The lowest tile of a window as of a time."""
    return lambda _, at: (at - window) // length


def session_bound(clock: int, gap: int) -> Bound:
    """The start of the session that goes on; NO_TILE for none."""

    def bound(series: list[list[Any]], at: int) -> int:
        state: list[int] = series[clock]
        return state[0] if state and at - state[1] <= gap else NO_TILE

    return bound


def all_bound(_: list[list[Any]], __: int) -> int:
    """Below every tile."""
    return -NO_TILE
