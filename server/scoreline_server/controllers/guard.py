"""What all guards of a ramp share: their limit, their protocol, and how a figure with bounds becomes a reading."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.betting import (
    BoundedSample,
    log_evidence_above,
    log_evidence_below,
    lower_bound,
    upper_bound,
)
from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import one_sample
from scoreline_registry.statistics.contrasts.strata import Stratum, stratified_difference
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_server.controllers.readings import Finding, Reading
from scoreline_server.controllers.step_rows import Pairs, StepRows

Against = Literal["limit", "others"]

# Where the interval of a mean is narrowest, in units: guards want an answer early.
_TUNING_ROWS = 2000
OPEN = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a guard tests, and with which error.

    Attributes:
        name: the guard's name, for readings.
        value: the largest value that keeps the limit.
        alpha: the probability of a breach although the limit is kept, over all looks, at most.
        least: observations before a step may pass, of each arm where arms are compared; 0 does not wait.
        against: "limit" for the figure itself, "others" for its difference from the other arms at the same time.
    """

    name: str
    value: float
    alpha: float
    least: int = 200
    against: Against = "limit"

    def with_alpha(self, alpha: float) -> "Limit":
        """The same with another error."""
        return replace(self, alpha=alpha)

    def reading(self, value: float, bounds: tuple[float, float], count: int, method: str) -> Reading:
        """The reading of a figure that is not to be above the limit, from its always-valid bounds."""
        low, high = bounds
        return self._reading(value, bounds, count, method, breached=low > self.value, proven=high <= self.value)

    def rate(self, sample: BoundedSample, unit: str) -> Reading:
        """The reading of a rate that is not to be above the limit, from its observations."""
        bounds = lower_bound(sample, self.alpha / 2), upper_bound(sample, self.alpha / 2)
        needed = math.log(2 / self.alpha)
        return self._reading(
            sample.mean,
            bounds,
            sample.count,
            f"rate of {unit}, always-valid bounds by betting",
            breached=log_evidence_above(sample, self.value) >= needed,
            proven=log_evidence_below(sample, self.value) >= needed,
        )

    def shift(self, figure: Figure, value: float, count: int) -> Reading:
        """The reading of a difference whose size is limited in both directions.

        ``value`` is the plain estimate, for where there are too few rows, or no differences, for bounds.
        """
        if isinstance(figure, TooFew):
            return self.change(value, OPEN, count, figure.method)
        return self.change(figure.value, (figure.low, figure.high), count, figure.method)

    def change(self, value: float, bounds: tuple[float, float], count: int, method: str) -> Reading:
        """The same from the bounds of the difference."""
        low, high = bounds
        breached = low > self.value or high < -self.value
        proven = -self.value <= low and high <= self.value
        return self._reading(value, bounds, count, method, breached=breached, proven=proven)

    def _reading(
        self, value: float, bounds: tuple[float, float], count: int, method: str, *, breached: bool, proven: bool
    ) -> Reading:
        finding = Finding.WITHIN
        if breached:
            finding = Finding.BREACHED
        elif count < self.least or (self.least and math.isnan(value)):
            finding = Finding.TOO_FEW
        elif proven:
            finding = Finding.PROVEN
        return Reading(self.name, "", value, *bounds, self.value, count, finding, method)


class Guard(Protocol):
    """Adds up a step's rows and reads its figure. For one thread."""

    def add(self, rows: StepRows) -> None:
        """Adds rows."""

    def add_pairs(self, pairs: Pairs) -> None:
        """Adds rows that the growing arm scored as a shadow."""

    def readings(self) -> list[Reading]:
        """The figures at this look."""


class Unpaired:
    """The base of guards that look at rows alone."""

    def add_pairs(self, pairs: Pairs) -> None:
        """Adds nothing."""


class RateDifference:
    """Values in [0, 1] of the growing arm and of the others, compared by exact bounds of both means.

    Within a step every rule gives the growing arm the same share, so that pooled rows of both are comparable.
    """

    def __init__(self) -> None:
        self.arm, self.others = BoundedSample(), BoundedSample()

    def add(self, values: npt.NDArray[np.float64], in_arm: npt.NDArray[np.bool_]) -> None:
        """Adds values [N]."""
        self.arm += BoundedSample.of(values[in_arm])
        self.others += BoundedSample.of(values[~in_arm])

    @property
    def count(self) -> int:
        """Values of the growing arm, or of the others where they are fewer."""
        return min(self.arm.count, self.others.count)

    @property
    def value(self) -> float:
        """Growing arm minus others."""
        return self.arm.mean - self.others.mean

    def bounds(self, alpha: float) -> tuple[float, float]:
        """The always-valid bounds of growing arm minus others, both together at ``alpha``."""
        part = alpha / 4
        low = lower_bound(self.arm, part) - upper_bound(self.others, part)
        return low, upper_bound(self.arm, part) - lower_bound(self.others, part)


class Differences:
    """Means of the growing arm and of the others, within strata of equal shares."""

    def __init__(self) -> None:
        self._strata: dict[int, Stratum] = defaultdict(lambda: Stratum(Moments(), Moments()))

    def add(
        self, values: npt.NDArray[np.float64], in_arm: npt.NDArray[np.bool_], strata: npt.NDArray[np.int64]
    ) -> None:
        """Adds values [N]."""
        for stratum in np.unique(strata).tolist():
            rows = strata == stratum
            others, arm = Moments.of(values[rows & ~in_arm]), Moments.of(values[rows & in_arm])
            before = self._strata[stratum]
            self._strata[stratum] = Stratum(before.control + others, before.treated + arm)

    @classmethod
    def of(cls, strata: Iterable[Stratum]) -> "Differences":
        """The differences of some strata, each of its own."""
        made = cls()
        made._strata.update(enumerate(strata))
        return made

    @property
    def count(self) -> int:
        """Values of the growing arm, or of the others where they are fewer."""
        strata = self._strata.values()
        return min(sum(each.treated.count for each in strata), sum(each.control.count for each in strata))

    @property
    def value(self) -> float:
        """Growing arm minus others; NaN where nothing can be compared yet."""
        found = stratified_difference(self._strata.values())
        return found.value if isinstance(found, Contrast) else math.nan

    def shift(self, limit: Limit) -> Reading:
        """The reading of growing arm minus others where a change in either direction is limited."""
        found = sequence(limit.alpha).of(stratified_difference(self._strata.values()))
        return limit.shift(found, self.value, self.count)

    def rise(self, limit: Limit) -> Reading:
        """The reading of growing arm minus others where only a rise is limited."""
        found = stratified_difference(self._strata.values())
        low, high = (ConfidenceSequence(limit.alpha / 2, _TUNING_ROWS, side=side).of(found) for side in _SIDES)
        if isinstance(low, TooFew) or isinstance(high, TooFew):
            return limit.reading(self.value, OPEN, self.count, low.method)
        return limit.reading(low.value, (low.low, high.high), self.count, low.method)


_SIDES: tuple[Literal["lower"], Literal["upper"]] = ("lower", "upper")


def sequence(alpha: float) -> ConfidenceSequence:
    """The confidence sequence of guards."""
    return ConfidenceSequence(alpha, _TUNING_ROWS)


def paired_shift(sample: Moments, limit: Limit) -> Reading:
    """The reading of the mean of paired differences."""
    value = sample.mean if sample.count else math.nan
    return limit.shift(sequence(limit.alpha).of(one_sample(sample)), value, sample.count)
