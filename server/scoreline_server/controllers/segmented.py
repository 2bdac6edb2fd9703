"""A guard over all rows and over each segment of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scoreline_server.controllers.guard import Guard, Limit
from scoreline_server.controllers.readings import Finding, Reading
from scoreline_server.controllers.step_rows import Pairs, StepRows

MOST_SEGMENTS = 100


class Segmented:
    """A guard over all rows with half of the error, and one for each segment with the other half.

    The j-th segment that is seen has 1 / (j (j + 1)) of that half; further ones than MOST_SEGMENTS have no guard of
    their own. A segment is stopped for a breach, but with few rows it keeps no step from passing.
    """

    def __init__(self, by: str, limit: Limit, make: Callable[[Limit], Guard]) -> None:
        """``by`` names the segments in ``StepRows.segments``."""
        self._by, self._limit, self._make = by, limit, make
        self._whole = make(limit.with_alpha(limit.alpha / 2))
        self._segments: dict[str, Guard] = {}

    def add(self, rows: StepRows) -> None:
        """Adds rows."""
        self._whole.add(rows)
        for guard, mask in self._parts(rows.segments):
            guard.add(rows.taken(mask))

    def add_pairs(self, pairs: Pairs) -> None:
        """Adds pairs."""
        self._whole.add_pairs(pairs)
        for guard, mask in self._parts(pairs.segments):
            guard.add_pairs(pairs.taken(mask))

    def readings(self) -> list[Reading]:
        """The figures of the whole, then of each segment."""
        parts = [
            _in_segment(reading, f"{self._by}={segment}")
            for segment, guard in self._segments.items()
            for reading in guard.readings()
        ]
        return [*self._whole.readings(), *parts]

    def _parts(self, segments: Mapping[str, npt.NDArray[np.object_]]) -> Iterator[tuple[Guard, npt.NDArray[np.bool_]]]:
        column = segments[self._by]
        for segment in dict.fromkeys(column.tolist()):
            place = len(self._segments) + 1
            if segment not in self._segments and place <= MOST_SEGMENTS:
                limit = self._limit.with_alpha(self._limit.alpha / 2 / (place * (place + 1)))
                self._segments[segment] = self._make(limit)
            if segment in self._segments:
                yield self._segments[segment], column == segment


def _in_segment(reading: Reading, segment: str) -> Reading:
    few = reading.finding is Finding.TOO_FEW
    return replace(reading, segment=segment, finding=Finding.WITHIN if few else reading.finding)
