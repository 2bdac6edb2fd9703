"""Tiles: what a series keeps of the events of each stretch of time.

A series in tiles is one flat list, ``[index, value, ..., index, value, ...]``, ascending by index; so is its encoded
form. In a window the index is the tile's number ``time // length``; over all events the length is FOREVER; in sessions
it is the time at which the session began. A window of W microseconds as of time t covers the tiles from
``(t - W) // length`` on: up to one tile more than W, because the events within a tile cannot be told apart. These are
the sawtooth windows of Chronon (Airbnb, "Tiled Architecture", 2023).
"""

from bisect import bisect_left
from typing import Any, TypeAlias

Tiles: TypeAlias = list[Any]

FOREVER = 2**62
"""Microseconds, longer than any time since 1970: the length of the one tile of all events."""
NO_TILE = 2**63
"""An index above those of all tiles."""


def first_of(tiles: Tiles, stride: int, lowest: int) -> int:
    """The place in the list of the first tile whose index is not below ``lowest``."""
    if not tiles or tiles[0] >= lowest:
        return 0
    return bisect_left(tiles[::stride], lowest) * stride


def drop_before(tiles: Tiles, stride: int, lowest: int) -> None:
    """Removes the tiles with lower indices than that."""
    del tiles[: first_of(tiles, stride, lowest)]


def tiles_back(window: int, length: int) -> int:
    """How many tiles before the newest one a window can still cover."""
    return -(-window // length)
