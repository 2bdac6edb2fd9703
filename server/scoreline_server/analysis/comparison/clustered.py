"""The mean of rows of which those of one unit may depend on each other."""

from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import FEW
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_server.analysis.comparison.contrasts import Intervals
from scoreline_server.analysis.report.parts import Plan
from scoreline_server.analysis.rows.predictions import CHUNK

METHOD = "mean of paired differences"
ASSUMPTIONS = "both scores are of the same rows; units are independent, rows of one unit need not be"

Values = npt.NDArray[np.floating[Any]]


class ClusteredMean:
    """The mean of values of units, part by part.

    Its variance is that of the sums of each unit's deviations over N^2 (Cameron and Miller, Journal of Human Resources
    50, 2015, section II); where every unit has one row it is the sample variance over N.
    """

    def __init__(self, units: int, *, is_distinct: bool = False) -> None:
        """``units`` is how many units there can be; the attribute, how many have values; distinct ones one each."""
        size = 0 if is_distinct else units
        self._sums, self._counts = np.zeros(size), np.zeros(size, np.float32)
        self._is_distinct = is_distinct
        self._rows, self._total = 0, 0.0
        self._squares = self._products = self._square_counts = 0.0
        self.units = 0

    def add(self, values: Values, units: npt.NDArray[np.int32]) -> None:
        """Adds values [N] of units [N]."""
        for at in range(0, len(values), CHUNK):
            part = values[at : at + CHUNK]
            self._rows += len(part)
            self._total += float(part.sum(dtype=np.float64))
            if self._is_distinct:
                self._add_distinct(part)
            else:
                self._add(part, units[at : at + CHUNK])

    def _add_distinct(self, values: Values) -> None:
        self.units += len(values)
        self._squares += float(np.square(values, dtype=np.float64).sum())
        self._products += float(values.sum(dtype=np.float64))
        self._square_counts += len(values)

    def _add(self, values: Values, units: npt.NDArray[np.int32]) -> None:
        touched, place = np.unique(units, return_inverse=True)
        sums, counts = self._sums[touched], self._counts[touched]
        self.units += int(np.count_nonzero(counts == 0))
        more = sums + np.bincount(place, values, len(touched))
        many = counts + np.bincount(place, minlength=len(touched))
        self._squares += float((more * more - sums * sums).sum())
        self._products += float((more * many - sums * counts).sum())
        self._square_counts += float((many * many - counts * counts).sum())
        self._sums[touched], self._counts[touched] = more, many

    def intervals(self, plan: Plan) -> Intervals:
        """The mean with its interval for one look, and the one for every look."""
        found = self._contrast()
        if isinstance(found, TooFew):
            return Intervals(found, found)
        return Intervals(found.fixed(plan.alpha), self._sequence(found, plan))

    def sequential(self, plan: Plan) -> Figure:
        """The mean with its interval for every look alone, which needs no SciPy."""
        found = self._contrast()
        return found if isinstance(found, TooFew) else self._sequence(found, plan)

    def _sequence(self, found: Contrast, plan: Plan) -> Figure:
        return ConfidenceSequence(plan.alpha, plan.tuning_rows).of(found)

    def _contrast(self) -> Contrast | TooFew:
        if self.units < FEW:
            return TooFew(self.units, FEW, METHOD)
        mean = self._total / self._rows
        deviations = self._squares - 2 * mean * self._products + mean * mean * self._square_counts
        # What rounding leaves of equal values is no variance.
        if deviations <= 1e-12 * self._squares:
            return TooFew(1, 2, f"{METHOD}: distinct values")
        variance = deviations / self._rows**2 * self.units / (self.units - 1)
        name = METHOD if self.units == self._rows else f"{METHOD}, clustered by unit ({self.units:,} units)"
        return Contrast(
            value=mean,
            variance=variance,
            count=self._rows,
            smallest=self.units,
            rows=self.units,
            degrees=self.units - 1,
            name=name,
            test="one-sample t",
            assumptions=ASSUMPTIONS,
        )


def clustered_mean(values: Values, units: npt.NDArray[np.int32], plan: Plan, *, is_distinct: bool = False) -> Intervals:
    """The mean of values [N] of units [N]."""
    mean = ClusteredMean(int(units.max()) + 1 if len(units) else 0, is_distinct=is_distinct)
    mean.add(values, units)
    return mean.intervals(plan)
