"""Counts of names in bounded space: the names with the smallest hashes are kept, with exact counts.

Which names are kept depends on the names alone, not on the order of events. Names are kept as hashes of 64 bits.
"""

import hashlib
from functools import lru_cache

from scoreline_registry.profiles.computation.readers import NAN, Moment, NumberReader
from scoreline_registry.profiles.computation.tiles import Tiles, drop_before, first_of
from scoreline_registry.profiles.events import Event

MOST_NAMES = 256
MOST_ENTRIES = 16_384
"""Of all tiles of a series: with more than 64 tiles each keeps fewer names."""
_HASHES = 2.0**64


def capacity(tiles: int) -> int:
    """How many names each tile keeps where a window covers so many."""
    return min(MOST_NAMES, MOST_ENTRIES // max(tiles, 1))


@lru_cache(maxsize=16_384)
def hash_of(name: str) -> int:
    """64 bits of BLAKE2b of a name in UTF-8, big-endian."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


class Names:
    """Tiles ``[index, n, threshold, counts]`` of a text's values.

    ``n`` is how many events have a value, ``counts`` how many have each of the names that are kept, by hash. Where a
    tile has had more names than ``most``, ``threshold`` is the smallest hash that is not kept, so that all names below
    it are, with exact counts; else it is 0, and all are kept.

    Source: Cohen and Kaplan, Summarizing Data using Bottom-k Sketches (2007).
    """

    __slots__ = ("field", "kept", "most")
    stride = 4

    def __init__(self, field: str, most: int) -> None:
        self.kept = 0
        self.field = field
        self.most = most

    def add(self, tiles: Tiles, index: int, event: Event) -> None:
        """Counts the event's name."""
        name = event.fields.get(self.field)
        if not isinstance(name, str):
            return
        key = hash_of(name)
        if not tiles or tiles[-4] != index:
            tiles += (index, 1, 0, {key: 1})
            if tiles[0] < index - self.kept:
                drop_before(tiles, 4, index - self.kept)
            return
        tiles[-3] += 1
        counts, threshold = tiles[-1], tiles[-2]
        if key in counts:
            counts[key] += 1
        elif not threshold or key < threshold:
            counts[key] = 1
            if len(counts) > self.most:
                tiles[-2] = max(counts)
                del counts[tiles[-2]]


def distinct_reader(place: int, bound: int) -> NumberReader:
    """Reads how many different names there are: exact where no tile had more than it keeps, else an estimate.

    The estimate is the number of kept names below the lowest threshold T of the tiles, over T / 2^64. For one tile with
    k names it is k over the (k + 1)th smallest hash as a fraction, with a standard error of about 1 / sqrt(k - 1).

    Sources: Bar-Yossef et al., Counting Distinct Elements in a Data Stream (2002), and for several tiles Dasgupta,
    Lang, Rhodes and Thaler, A Framework for Estimating Stream Expression Cardinalities (2016).
    """

    def read(moment: Moment) -> float:
        tiles = moment.series[place]
        start = first_of(tiles, 4, moment.bounds[bound])
        return _distinct(tiles, start, _threshold(tiles, start))

    return read


def rarity_reader(place: int, bound: int, field: str) -> NumberReader:
    """Reads 1 - c / n, c of the n values in the past being that of the event at hand: 1 for one that was never seen.

    It is missing where c is not known: where there were more names than are kept, and it is not among them.
    """

    def read(moment: Moment) -> float:
        name = moment.fields.get(field)
        if not isinstance(name, str):
            return NAN
        tiles, key = moment.series[place], hash_of(name)
        start = first_of(tiles, 4, moment.bounds[bound])
        n: int = sum(tiles[start + 1 :: 4])
        if not n or not _is_kept(key, _threshold(tiles, start)):
            return NAN if n else 1.0
        parts: list[dict[int, int]] = tiles[start + 3 :: 4]
        return (n - sum(counts.get(key, 0) for counts in parts)) / n

    return read


def unseen_reader(place: int, bound: int, field: str) -> NumberReader:
    """Reads 1 where no event in the past has the value of the event at hand, else 0.

    It is missing where that is not known: where there were more names than are kept, and it is not among them.
    """

    def read(moment: Moment) -> float:
        name = moment.fields.get(field)
        if not isinstance(name, str):
            return NAN
        tiles, key = moment.series[place], hash_of(name)
        start = first_of(tiles, 4, moment.bounds[bound])
        if any(key in counts for counts in tiles[start + 3 :: 4]):
            return 0.0
        return 1.0 if _is_kept(key, _threshold(tiles, start)) else NAN

    return read


def _threshold(tiles: Tiles, start: int) -> int:
    """The lowest of the thresholds from a place on; 0 where there is none."""
    return min(filter(None, tiles[start + 2 :: 4]), default=0)


def _is_kept(key: int, threshold: int) -> bool:
    return not threshold or key < threshold


def _distinct(tiles: Tiles, start: int, threshold: int) -> float:
    names: set[int] = set().union(*tiles[start + 3 :: 4])
    if not threshold:
        return float(len(names))
    return sum(key < threshold for key in names) / (threshold / _HASHES)
