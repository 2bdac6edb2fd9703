"""Series: the states that events are folded into, one for all features that need the same."""

from typing import Any, Protocol

from scoreline_registry.profiles.computation.tiles import Tiles, drop_before
from scoreline_registry.profiles.events import Event


class Series(Protocol):
    """Folds events into a list that starts empty and holds only what msgpack encodes."""

    kept: int
    """How many tiles before the newest one are kept; not used by a series without tiles."""

    def add(self, state: list[Any], index: int, event: Event) -> None:
        """Folds one event, which belongs to the tile ``index``, into the state in place."""


class Count:
    """Tiles ``[index, n]``: how many events."""

    __slots__ = ("kept",)
    stride = 2

    def __init__(self) -> None:
        self.kept = 0

    def add(self, tiles: Tiles, index: int, event: Event) -> None:  # noqa: ARG002 - one signature for all series
        """Counts the event."""
        if tiles and tiles[-2] == index:
            tiles[-1] += 1
        else:
            tiles += (index, 1)
            if tiles[0] < index - self.kept:
                drop_before(tiles, 2, index - self.kept)


class Sum:
    """Tiles ``[index, n, sum]`` of the events that have the number."""

    __slots__ = ("field", "kept")
    stride = 3

    def __init__(self, field: str) -> None:
        self.kept = 0
        self.field = field

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Adds the number to the sum."""
        x = event.fields.get(self.field)
        if x is None or isinstance(x, str):
            return
        if tiles and tiles[-3] == index:
            tiles[-2] += 1
            tiles[-1] += x
        else:
            tiles += (index, 1, x)
            if tiles[0] < index - self.kept:
                drop_before(tiles, 3, index - self.kept)


class Moments:
    """Tiles ``[index, n, mean, squares]`` of a number, ``squares`` being the sum of squared deviations from the mean.

    Source: Welford, Note on a Method for Calculating Corrected Sums of Squares and Products (1962).
    """

    __slots__ = ("field", "kept")
    stride = 4

    def __init__(self, field: str) -> None:
        self.kept = 0
        self.field = field

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Updates mean and squares by the number."""
        x = event.fields.get(self.field)
        if x is None or isinstance(x, str):
            return
        if tiles and tiles[-4] == index:
            n, mean = tiles[-3] + 1, tiles[-2]
            moved = mean + (x - mean) / n
            tiles[-3:] = n, moved, tiles[-1] + (x - mean) * (x - moved)
        else:
            tiles += (index, 1, x, 0.0)
            if tiles[0] < index - self.kept:
                drop_before(tiles, 4, index - self.kept)


class Least:
    """Tiles ``[index, value]``: the smallest value of a number."""

    __slots__ = ("field", "kept")
    stride = 2

    def __init__(self, field: str) -> None:
        self.kept = 0
        self.field = field

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Keeps the number if it is smaller."""
        x = event.fields.get(self.field)
        if x is None or isinstance(x, str):
            return
        if not tiles or tiles[-2] != index:
            tiles += (index, x)
            if tiles[0] < index - self.kept:
                drop_before(tiles, 2, index - self.kept)
        elif x < tiles[-1]:
            tiles[-1] = x


class Greatest:
    """Tiles ``[index, value]``: the largest value of a number."""

    __slots__ = ("field", "kept")
    stride = 2

    def __init__(self, field: str) -> None:
        self.kept = 0
        self.field = field

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Keeps the number if it is larger."""
        x = event.fields.get(self.field)
        if x is None or isinstance(x, str):
            return
        if not tiles or tiles[-2] != index:
            tiles += (index, x)
            if tiles[0] < index - self.kept:
                drop_before(tiles, 2, index - self.kept)
        elif x > tiles[-1]:
            tiles[-1] = x


class First:
    """Tiles ``[index, time]``: the time of the oldest event of each."""

    __slots__ = ("kept",)
    stride = 2

    def __init__(self) -> None:
        self.kept = 0

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Keeps the time of the first event in a tile."""
        if not tiles or tiles[-2] != index:
            tiles += (index, event.time)
            if tiles[0] < index - self.kept:
                drop_before(tiles, 2, index - self.kept)


class Newest:
    """One tile ``[index, time]``: that of the newest event."""

    __slots__ = ("kept",)
    stride = 2

    def __init__(self) -> None:
        self.kept = 0

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Keeps the event's time."""
        tiles[:] = (index, event.time)


class Last:
    """One tile ``[index, value]``: the newest value of a field, a number or a text."""

    __slots__ = ("field", "kept")
    stride = 2

    def __init__(self, field: str) -> None:
        self.kept = 0
        self.field = field

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Keeps the event's value, if it has one."""
        value = event.fields.get(self.field)
        if value is not None:
            tiles[:] = (index, value)
