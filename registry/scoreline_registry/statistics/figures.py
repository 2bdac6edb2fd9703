"""What a statistic returns: an estimate with its interval, or that there are too few observations for one."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with its interval.

    Attributes:
        value: the estimate, in the unit of what was measured.
        low, high: the interval; equal to ``value`` where the method gives none, infinite where a side is open.
        p: the two-sided p-value of "no difference", None where the method has no test.
        level: the interval's coverage, such as 0.95; 0 where there is no interval.
        method: the name of the test or interval, as the field has it.
        assumptions: what must hold for it, in one sentence.
        count: the number of observations that it was computed from.
        always_valid: whether interval and p hold at every look, not only at one that was fixed before.
    """

    value: float
    low: float
    high: float
    p: float | None
    level: float
    method: str
    assumptions: str
    count: int
    always_valid: bool = False

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval is wholly above or below 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class TooFew:
    """No estimate: a method needs ``needed`` observations in each group, and the smallest group has ``count``."""

    count: int
    needed: int
    method: str


Figure: TypeAlias = Estimate | TooFew
