"""Rows of a ramp's step as a simulation draws them, without a server."""

from dataclasses import dataclass

import numpy as np

from scoreline_server.controllers.step_rows import Pairs, StepRows, texts

CUT = 0.3
SEGMENTS = ("web", "shop", "app")
BY = "context.channel"


@dataclass(frozen=True)
class Traffic:
    """What the growing arm does differently from the others; the defaults are nothing.

    Attributes:
        share: its share of the units.
        shift: what it adds to each score.
        shift_of: what it adds in a segment.
        errors: the rate of its rows that fail, 0.002 for others.
        slower_ms: what it adds to each latency.
    """

    share: float = 0.05
    shift: float = 0.0
    shift_of: tuple[float, float, float] = (0.0, 0.0, 0.0)
    errors: float = 0.002
    slower_ms: float = 0.0

    def rows(self, random: np.random.Generator, count: int, *, start: int = 0) -> StepRows:
        """``count`` rows of units that were never seen before, scored in batches of 4 calls of one row."""
        in_arm = random.random(count) < self.share
        segments = random.integers(len(SEGMENTS), size=count)
        scores = random.beta(2, 5, count) + in_arm * (self.shift + np.array(self.shift_of)[segments])
        batches = (start + np.arange(count)) // 4
        waits = random.lognormal(1.0, 0.5, count // 4 + 2)[(np.arange(count) + start % 4) // 4]
        return StepRows(
            in_arm=in_arm,
            batches=batches,
            calls=random.integers(2**62, size=count),
            strata=np.zeros(count, np.int64),
            is_first=np.ones(count, np.bool_),
            failed=random.random(count) < np.where(in_arm, self.errors, 0.002),
            scores=scores,
            bands=np.where(scores < CUT, "low", "high").astype(object),
            missing=random.random(count) < 0.02,
            latencies_ms=waits + in_arm * self.slower_ms,
            segments={BY: texts([SEGMENTS[segment] for segment in segments])},
        )


def pairs(random: np.random.Generator, count: int, *, shift: float = 0.0, noise: float = 0.02) -> Pairs:
    """Rows that two models scored: the second adds a shift and some noise."""
    answered = random.beta(2, 5, count)
    shadowed = answered + shift + random.normal(0, noise, count)
    before, after = (np.where(scores < CUT, "low", "high").astype(object) for scores in (answered, shadowed))
    segments = {BY: texts([SEGMENTS[at] for at in random.integers(len(SEGMENTS), size=count)])}
    return Pairs(answered, shadowed, before, after, segments)
