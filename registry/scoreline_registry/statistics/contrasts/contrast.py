"""A contrast: an estimate and its variance, before a test, a level and an interval are chosen.

The interval for one look (``Contrast.fixed``) and the one for every look (``always_valid.confidence_sequences``) of the
same contrast differ only in their width.
"""

import math
from dataclasses import dataclass

from scoreline_registry.statistics.figures import Estimate

INDEPENDENT = "Units are independent of each other and assigned at random; the means are nearly normal (large counts)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """An asymptotically normal estimate, such as the difference of two means.

    Attributes:
        value: treated minus control; divided by control's where it is relative.
        variance: of ``value``.
        count: observations of all groups.
        smallest: observations of the smallest group.
        rows: the clock of a confidence sequence, proportional to the information collected: all rows of both groups;
            within strata the rows that an equal split would need for the same information.
        events: the smallest number of events of a group (``differences.events``); infinite where values have none.
        degrees: of freedom of the variance; infinite for a normal interval.
        name: what is estimated.
        test: the name of the test and interval for one look.
        assumptions: what must hold for them.
    """

    value: float
    variance: float
    count: int
    smallest: int
    rows: float
    events: float = math.inf
    degrees: float = math.inf
    name: str
    test: str
    assumptions: str = INDEPENDENT

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.variance)

    def fixed(self, alpha: float = 0.05) -> Estimate:
        """The interval and two-sided p for one look that was fixed before the data were seen.

        Without any variance the interval is the value alone, and p is 0 or 1.
        """
        from scipy.stats import t  # noqa: PLC0415 - serving needs no SciPy

        reach = float(t.ppf(1 - alpha / 2, self.degrees)) * self.error
        p = 2 * float(t.sf(abs(self.value) / self.error, self.degrees)) if self.error else float(self.value == 0)
        return Estimate(
            value=self.value,
            low=self.value - reach,
            high=self.value + reach,
            p=p,
            level=1 - alpha,
            method=f"{self.name}, {self.test}",
            assumptions=self.assumptions,
            count=self.count,
        )
