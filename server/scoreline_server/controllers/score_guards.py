"""Guards of what an arm says: its scores and its bands. They need no outcomes."""

import math
from dataclasses import replace

import numpy as np

from scoreline_registry.statistics.betting import BoundedSample
from scoreline_registry.statistics.moments import Moments
from scoreline_server.controllers.guard import Differences, Limit, mean_of
from scoreline_server.controllers.readings import Finding, Reading
from scoreline_server.controllers.step_rows import Pairs, StepRows


class ScoreShift:
    """The mean difference of scores, of the first row of each unit.

    Of the same rows where the growing arm also is a shadow, which is far narrower; else between the rows of the
    growing arm and those of the others, which chance made comparable.
    """

    def __init__(self, limit: Limit, *, paired: bool) -> None:
        self._limit, self._paired = limit, paired
        self._differences, self._pairs = Differences(), Moments()

    def add(self, rows: StepRows) -> None:
        """Adds rows."""
        if not self._paired:
            first = rows.taken(rows.is_first & ~np.isnan(rows.scores))
            self._differences.add(first.scores, first.in_arm, first.strata)

    def add_pairs(self, pairs: Pairs) -> None:
        """Adds pairs."""
        if self._paired:
            self._pairs += Moments.of(pairs.shadowed - pairs.answered)

    def readings(self) -> list[Reading]:
        """The shift."""
        limit = self._limit
        if self._paired:
            return [limit.shift(mean_of(self._pairs, limit.alpha), self._pairs.count)]
        return [limit.shift(self._differences.shift(limit.alpha), self._differences.count)]


class FlipRate:
    """The share of units whose band the growing arm changes.

    Known where it also is a shadow. Else it is known from below: a band's share of the units cannot change by more
    than the share of the units that change bands, and the largest of those changes is read. The j-th band that is seen
    has 1 / (j (j + 1)) of the error.
    """

    def __init__(self, limit: Limit, *, paired: bool) -> None:
        self._limit, self._paired = limit, paired
        self._flips = BoundedSample()
        self._all, self._bands = Differences(), dict[str, Differences]()

    def add(self, rows: StepRows) -> None:
        """Adds rows."""
        if self._paired:
            return
        first = rows.taken(rows.is_first & ~np.isnan(rows.scores))
        for band in dict.fromkeys(first.bands.tolist()):
            if band not in self._bands:
                self._bands[band] = self._all.zeros()
        for band, differences in self._bands.items():
            differences.add((first.bands == band).astype(np.float64), first.in_arm, first.strata)
        self._all.add(np.zeros(len(first)), first.in_arm, first.strata)

    def add_pairs(self, pairs: Pairs) -> None:
        """Adds pairs."""
        if self._paired and len(pairs):
            self._flips += BoundedSample.of((pairs.answered_bands != pairs.shadowed_bands).astype(np.float64))

    def readings(self) -> list[Reading]:
        """The rate of flips, or the change of the band that changed most."""
        if self._paired:
            return [self._limit.rate(self._flips, "units whose band differs")]
        found = [self._change(place, band) for place, band in enumerate(self._bands, start=1)]
        none = self._limit.reading(math.nan, (-math.inf, math.inf), 0, "change of a band's share")
        return [max(found, key=_size, default=none)]

    def _change(self, place: int, band: str) -> Reading:
        """The change of one band's share. A share that never differs from 0 or 1 has no variance, and no change."""
        differences = self._bands[band]
        reading = self._limit.shift(differences.shift(self._limit.alpha / (place * (place + 1))), differences.count)
        return replace(reading, method=f"change of the share of band {band or 'none'}: {reading.method}")


def _size(reading: Reading) -> tuple[bool, float]:
    """What orders readings: breaches first, then the largest."""
    return reading.finding is Finding.BREACHED, 0.0 if math.isnan(reading.value) else abs(reading.value)
