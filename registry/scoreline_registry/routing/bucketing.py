"""Deterministic shares: which part of [0, 1) a unit falls into, and which part belongs to which arm.

The bucket of a unit depends on the salt and the unit alone, so every process, host and language agrees
(golden vectors: ``tests/registry/routing/golden``). Arms own explicit half-open ranges of millionths, so a
change of weights moves only the units that it must.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

WHOLE = 1_000_000
_PER_PERCENT = WHOLE // 100


def bucket(salt: str, unit: str) -> float:
    """The unit's place in [0, 1): 53 bits of sha256(salt, NUL, unit), UTF-8, big-endian, over 2**53."""
    return UnitHasher(salt).bucket(unit)


class UnitHasher:
    """``bucket`` for many units under one salt; hashes the salt once."""

    def __init__(self, salt: str) -> None:
        self._prefix = hashlib.sha256(salt.encode() + b"\x00")

    def bucket(self, unit: str) -> float:
        """The bucket of one unit."""
        return self.buckets((unit,))[0]

    def buckets(self, units: Iterable[str]) -> list[float]:
        """The buckets of the units, in their order."""
        copy, from_bytes = self._prefix.copy, int.from_bytes
        found = []
        for unit in units:
            state = copy()
            state.update(unit.encode())
            found.append((from_bytes(state.digest()[:8], "big") >> 11) * 2.0**-53)
        return found


@dataclass(frozen=True, slots=True, order=True)
class BucketRange:
    """The buckets b with start / 1_000_000 <= b < end / 1_000_000, compared as float64."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= WHOLE:
            raise ValueError(f"a bucket range needs 0 <= start < end <= {WHOLE}, not {self.start} to {self.end}")

    @property
    def millionths(self) -> int:
        """The size of the range in millionths."""
        return self.end - self.start


def share(ranges: Iterable[BucketRange]) -> int:
    """The total size of some ranges in millionths."""
    return sum(part.millionths for part in ranges)


def percent(value: object) -> Decimal:
    """Reads a percentage from 0 to 100 with up to 4 decimal places. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"write a number of percent, not {value!r}")  # noqa: TRY004 - pydantic takes ValueError
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"write a number of percent, not {value!r}") from error
    if not number.is_finite() or not 0 <= number <= 100:
        raise ValueError(f"{value} is not between 0 and 100 percent")
    if number != round(number, 4):
        raise ValueError(f"{value} has more than 4 decimal places")
    return round(number, 4)


def millionths(weight: Decimal) -> int:
    """A percentage with up to 4 decimal places as millionths of the whole."""
    return int(weight * _PER_PERCENT)


def percent_of(parts: int) -> int | float:
    """Millionths of the whole as a percentage; a whole number where it is one."""
    whole, rest = divmod(parts, _PER_PERCENT)
    return whole if not rest else parts / _PER_PERCENT


def partition_error(arms: Iterable[Sequence[BucketRange]]) -> str | None:
    """Says why the ranges of all arms together do not cover the whole exactly once; None when they do."""
    edge = 0
    for part in sorted(part for ranges in arms for part in ranges):
        if part.start != edge:
            return f"bucket ranges {'overlap' if part.start < edge else 'leave a gap'} at {min(edge, part.start)}"
        edge = part.end
    return None if edge == WHOLE else f"bucket ranges end at {edge} instead of {WHOLE}"


def least_movement(
    old: Mapping[str, Sequence[BucketRange]], weights: Mapping[str, Decimal]
) -> dict[str, tuple[BucketRange, ...]]:
    """The ranges of each arm under new weights, moved so little that no unit changes arm unless its arm shrank.

    ``old`` are the ranges so far, empty for a first definition; ``weights`` are percentages that total 100. Arms that
    shrink give away the end of what they have, arms that grow take from that in the order of ``weights``. Raises
    ValueError when the weights do not total 100.
    """
    total = sum(weights.values(), Decimal(0))
    if total != 100:
        raise ValueError(f"the weights total {total.normalize():f}, not 100")
    targets = {arm: millionths(weight) for arm, weight in weights.items()}
    kept = {arm: _first(old.get(arm, ()), target) for arm, target in targets.items()}
    free = _gaps(part for ranges in kept.values() for part in ranges)
    placed = {}
    for arm, target in targets.items():
        taken = _first(free, target - share(kept[arm]))
        free = _without(free, taken)
        placed[arm] = merged([*kept[arm], *taken])
    return placed


def kept_millionths(old: Mapping[str, Sequence[BucketRange]], new: Mapping[str, Sequence[BucketRange]]) -> int:
    """The size, in millionths, of the buckets that have the same arm in both."""
    return sum(
        max(0, min(left.end, right.end) - max(left.start, right.start))
        for arm in old.keys() & new.keys()
        for left in old[arm]
        for right in new[arm]
    )


def _first(ranges: Iterable[BucketRange], size: int) -> list[BucketRange]:
    """The first ``size`` millionths of some ranges, or all where they are fewer."""
    taken = []
    for part in sorted(ranges):
        if size <= 0:
            break
        end = min(part.end, part.start + size)
        taken.append(BucketRange(part.start, end))
        size -= end - part.start
    return taken


def _gaps(ranges: Iterable[BucketRange]) -> list[BucketRange]:
    """The ranges that some ranges without overlap leave free."""
    gaps, edge = [], 0
    for part in [*sorted(ranges), None]:
        start = WHOLE if part is None else part.start
        if start > edge:
            gaps.append(BucketRange(edge, start))
        edge = WHOLE if part is None else part.end
    return gaps


def _without(ranges: Sequence[BucketRange], taken: Sequence[BucketRange]) -> list[BucketRange]:
    """``ranges`` after their first part was taken."""
    if not taken:
        return list(ranges)
    edge = taken[-1].end
    return [BucketRange(max(part.start, edge), part.end) for part in ranges if part.end > edge]


def merged(ranges: Iterable[BucketRange]) -> tuple[BucketRange, ...]:
    """Ranges that do not overlap, ascending, with those that touch made one."""
    joined: list[BucketRange] = []
    for part in sorted(ranges):
        if joined and joined[-1].end == part.start:
            joined[-1] = BucketRange(joined[-1].start, part.end)
        else:
            joined.append(part)
    return tuple(joined)
