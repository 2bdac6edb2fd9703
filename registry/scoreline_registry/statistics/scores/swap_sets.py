"""Decisions that change where a shadow's score would decide: flips at each cut-off and the swap set.

A swap set is the table by which credit risk compares two scorecards: rows that both approve, that the challenger swaps
in or out, and that both decline (Siddiqi, Intelligent Credit Scoring, 2017, chapter 11).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.contrasts.proportions import wilson
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Values

Table = npt.NDArray[np.int64]


def band_table(primary: Values, shadow: Values, *, cuts: Sequence[float], shadow_cuts: Sequence[float]) -> Table:
    """Rows [P, S] by primary's band and by shadow's, each by its version's ascending cut-offs; tables of blocks add up.

    Band i starts at the (i - 1)th cut-off, inclusive; band 0 is below the first. Rows with a NaN score are left out.
    """
    width = len(shadow_cuts) + 1
    known = ~(np.isnan(primary) | np.isnan(shadow))
    row = np.searchsorted(np.asarray(cuts), primary[known], side="right")
    column = np.searchsorted(np.asarray(shadow_cuts), shadow[known], side="right")
    return np.bincount(row * width + column, minlength=(len(cuts) + 1) * width).reshape(len(cuts) + 1, width)


@dataclass(frozen=True, slots=True)
class SwapSet:
    """Rows by which side of a cut-off each score puts them; "below" is strictly below it.

    Attributes:
        both_below, both_above: on one side by both scores.
        moved_up: below by primary, above by shadow.
        moved_down: above by primary, below by shadow.
    """

    both_below: int
    moved_up: int
    moved_down: int
    both_above: int

    @classmethod
    def of(cls, table: Table, at: int, shadow_at: int | None = None) -> "SwapSet":
        """Of a ``band_table`` at primary's cut-off number ``at``, from 0, and shadow's (the same where not given)."""
        row, column = at + 1, (at if shadow_at is None else shadow_at) + 1
        parts = (table[:row, :column], table[:row, column:], table[row:, :column], table[row:, column:])
        return cls(*(int(part.sum()) for part in parts))

    @property
    def count(self) -> int:
        """All rows."""
        return self.both_below + self.moved_up + self.moved_down + self.both_above

    def flip_rate(self, *, alpha: float = 0.05) -> Figure:
        """The share of rows that change sides, with Wilson's interval."""
        return wilson(self.moved_up + self.moved_down, self.count, alpha=alpha)

    def net_shift(self, *, alpha: float = 0.05) -> Figure:
        """The change in the share above the cut-off, (up - down) / n, with the interval for paired proportions.

        The interval is that of Agresti and Min (Statistics in Medicine 24, 2005): half a row added to each cell, then
        Wald's. p is McNemar's exact one.
        """
        from scipy.stats import binomtest, norm  # noqa: PLC0415 - serving needs no SciPy

        method = "paired difference of shares, Agresti-Min, McNemar's exact p"
        if not self.count:
            return TooFew(0, 1, method)
        total, up, down = self.count + 2, self.moved_up + 0.5, self.moved_down + 0.5
        centre = (up - down) / total
        reach = float(norm.ppf(1 - alpha / 2)) * np.sqrt((up + down) - (up - down) ** 2 / total) / total
        flips = self.moved_up + self.moved_down
        return Estimate(
            value=(self.moved_up - self.moved_down) / self.count,
            low=float(max(-1.0, centre - reach)),
            high=float(min(1.0, centre + reach)),
            p=float(binomtest(self.moved_up, flips).pvalue) if flips else 1.0,
            level=1 - alpha,
            method=method,
            assumptions="Rows are independent of each other; each has both scores.",
            count=self.count,
        )
