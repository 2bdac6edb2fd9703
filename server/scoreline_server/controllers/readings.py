"""What a guard of a ramp has seen: its figure with an always-valid bound, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from scoreline_registry.routing.ramp import observed_by


class Finding(StrEnum):
    """What a reading says about its limit."""

    TOO_FEW = "too_few"
    """Fewer observations than the guard wants before a step may pass."""
    WITHIN = "within"
    """No evidence that the limit is exceeded."""
    PROVEN = "proven"
    """The bound rules out that the limit is exceeded."""
    BREACHED = "breached"
    """The bound rules out that the limit is kept."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The figure of one guard, or of one of its segments, at one look.

    Attributes:
        guard: the guard's name, such as "score_shift".
        segment: such as "context.channel=web"; empty for all rows.
        value: the estimate, in the unit of the limit; NaN where there is none yet.
        low, high: the always-valid bounds of the value; infinite where a side is open.
        limit: the limit.
        count: observations of the growing arm, or pairs.
        finding: what follows.
        method: the name of the test, and of what is observed.
    """

    guard: str
    segment: str
    value: float
    low: float
    high: float
    limit: float
    count: int
    finding: Finding
    method: str

    def __str__(self) -> str:
        """Such as "score_shift 0.203 (0.171 to 0.235) against 0.05 in context.channel=web, 412 units"."""
        place = f" in {self.segment}" if self.segment else ""
        return (
            f"{self.guard} {self.value:.4g} ({self.low:.4g} to {self.high:.4g}) against {self.limit:.4g}{place}, "
            f"{self.count} {observed_by(self.guard)}"
        )


class Verdict(StrEnum):
    """What to do with a step of a ramp."""

    CONTINUE = "continue"
    PASS = "pass"  # noqa: S105  not a password
    BREACH = "breach"


def verdict_of(readings: Iterable[Reading], *, held: bool, prove: bool = False) -> Verdict:
    """The verdict of all guards; ``held`` says that the step has lasted long enough.

    One breach is a breach, at once. A step passes when nothing is breached and every guard has enough observations,
    with ``prove`` only when every guard's bound rules out that its limit is exceeded.
    """
    findings = {reading.finding for reading in readings}
    if Finding.BREACHED in findings:
        return Verdict.BREACH
    open_findings = {Finding.TOO_FEW, Finding.WITHIN} if prove else {Finding.TOO_FEW}
    return Verdict.PASS if held and not findings & open_findings else Verdict.CONTINUE


def figures_of(readings: Iterable[Reading]) -> dict[str, tuple[float, float]]:
    """By guard the value over all rows and the limit; without guards that have no value yet."""
    return {each.guard: (each.value, each.limit) for each in readings if not each.segment and isfinite(each.value)}


def breaches(readings: Iterable[Reading]) -> list[Reading]:
    """The breached readings, whole before segments."""
    return sorted((each for each in readings if each.finding is Finding.BREACHED), key=lambda each: bool(each.segment))
