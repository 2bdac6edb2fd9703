"""Guards of what an arm says: its scores and its bands. They need no outcomes."""

import math

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.betting import BoundedSample
from scoreline_registry.statistics.moments import Moments
from scoreline_server.controllers.guard import OPEN, Differences, Limit, RateDifference, paired_shift
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
        return [paired_shift(self._pairs, self._limit) if self._paired else self._differences.shift(self._limit)]


class FlipRate:
    """The share of units whose band the growing arm changes.

    Known where it also is a shadow. Else it is known from below: a band's share of the units cannot change by more
    than the share of the units that change bands, and the largest of those changes is read. The j-th band that is seen
    has 1 / (j (j + 1)) of the error.
    """

    def __init__(self, limit: Limit, *, paired: bool) -> None:
        self._limit, self._paired = limit, paired
        self._flips = BoundedSample()
        self._units, self._bands = np.zeros(2, np.int64), dict[str, npt.NDArray[np.int64]]()

    def add(self, rows: StepRows) -> None:
        """Adds rows."""
        if self._paired:
            return
        first = rows.taken(rows.is_first & ~np.isnan(rows.scores))
        self._units += np.bincount(first.in_arm, minlength=2)
        for band in dict.fromkeys(first.bands.tolist()):
            counts = self._bands.setdefault(band, np.zeros(2, np.int64))
            counts += np.bincount(first.in_arm[first.bands == band], minlength=2)

    def add_pairs(self, pairs: Pairs) -> None:
        """Adds pairs."""
        if self._paired and len(pairs):
            self._flips += BoundedSample.of((pairs.answered_bands != pairs.shadowed_bands).astype(np.float64))

    def readings(self) -> list[Reading]:
        """The rate of flips, or the change of the band that changed most."""
        if self._paired:
            return [self._limit.rate(self._flips, "units whose band differs")]
        found = [self._change(place, band) for place, band in enumerate(self._bands, start=1)]
        none = self._limit.reading(math.nan, OPEN, 0, "change of a band's share")
        return [max(found, key=_size, default=none)]

    def _change(self, place: int, band: str) -> Reading:
        """The change of one band's share."""
        change, (others, arm) = RateDifference(), self._bands[band].tolist()
        change.others = BoundedSample.of_rate(others, int(self._units[0]))
        change.arm = BoundedSample.of_rate(arm, int(self._units[1]))
        bounds = change.bounds(self._limit.alpha / (place * (place + 1)))
        method = f"change of the share of band {band or 'none'}, always-valid bounds by betting"
        return self._limit.change(change.value, bounds, change.count, method)


def _size(reading: Reading) -> tuple[bool, float]:
    """What orders readings: breaches first, then the largest."""
    return reading.finding is Finding.BREACHED, 0.0 if math.isnan(reading.value) else abs(reading.value)
