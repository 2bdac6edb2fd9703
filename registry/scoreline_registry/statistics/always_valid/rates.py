"""Always-valid bounds of a rate, such as of errors: valid at every count, from the first row on, also for rare events.

A quantile under a limit is a rate as well: the p99 latency is at most 20 ms where at most 1 % of the rows take longer.
"""

import math
from dataclasses import dataclass

from scoreline_registry.statistics.always_valid.mixtures import BetaBinomialMixture, lowest, root
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew

METHOD = "rate, beta-binomial confidence sequence"
DIFFERENCE = "difference of rates, beta-binomial confidence sequence"
ASSUMPTIONS = "independent rows with one rate in each arm; no least count; any number of looks"
EDGE = 1e-9
"""The least distance of a tested rate from 0 and 1."""


@dataclass(frozen=True, slots=True)
class RateSequence:
    """A confidence sequence of a rate: at each possible rate, the beta-binomial mixture tests it against all others.

    Howard, Ramdas, McAuliffe and Sekhon (2021, arXiv:1810.08240), proposition 7; ``bernoulli_confidence_interval`` of
    the package confseq. Attributes as of ``ConfidenceSequence``; there is no burn-in.
    """

    alpha: float = 0.05
    tuning_rows: float = 5000

    def log_evidence(self, events: int, count: int, rate: float) -> float:
        """The logarithm of the evidence against a rate."""
        variance = rate * (1 - rate)
        mixture = BetaBinomialMixture.tuned(variance * self.tuning_rows, rate, 1 - rate, self.alpha)
        return mixture.log_evidence(events - rate * count, variance * count)

    def p_value(self, events: int, count: int, rate: float) -> float:
        """The always-valid p-value of a rate, strictly between 0 and 1; take the smallest over all looks."""
        return math.exp(-max(0.0, self.log_evidence(events, count, rate)))

    def bounds(self, events: int, count: int) -> tuple[float, float]:
        """The interval of the rate."""
        threshold = math.log(1 / self.alpha)

        def excluded(rate: float) -> float:
            return self.log_evidence(events, count, rate) - threshold

        low, high, least = 0.0, 1.0, EDGE
        if events and excluded(least) > 0:
            low = root(lambda rate: -excluded(rate), least, min(events / count, 1 - least))
        if events < count and excluded(1 - least) > 0:
            high = root(excluded, max(events / count, least), 1 - least)
        return low, high

    def of(self, events: int, count: int, *, null: float | None = None) -> Figure:
        """The rate with its interval, and the p-value of ``null`` where one is given."""
        if not count:
            return TooFew(0, 1, METHOD)
        low, high = self.bounds(events, count)
        p = None if null is None else self.p_value(events, count, null)
        return Estimate(events / count, low, high, p, 1 - self.alpha, METHOD, ASSUMPTIONS, count, always_valid=True)


@dataclass(frozen=True, slots=True)
class RateDifference:
    """A confidence sequence of the difference of two rates, treated minus control: for events that are still rare.

    The product of both arms' evidence against a pair of rates is a martingale at the true pair. A difference is
    excluded once all pairs of that difference are; the p-value is that of the difference 0. Nothing is assumed normal.
    """

    alpha: float = 0.05
    tuning_rows: float = 5000

    def log_evidence(self, control: tuple[int, int], treated: tuple[int, int], difference: float) -> float:
        """The logarithm of the evidence against a difference: the least over all pairs of rates that have it.

        Each arm is (events, count). The evidence is least between the two pairs that suit one arm alone.
        """
        sequence = RateSequence(self.alpha, self.tuning_rows / 2)

        def evidence(rate: float) -> float:
            return sequence.log_evidence(*control, rate) + sequence.log_evidence(*treated, rate + difference)

        least, most = max(0.0, -difference) + EDGE, 1 - max(0.0, difference) - EDGE
        if least >= most:
            return math.inf
        own, other = control[0] / control[1], treated[0] / treated[1] - difference
        low, high = (min(max(rate, least), most) for rate in sorted((own, other)))
        return evidence(lowest(evidence, low, high, steps=30))

    def of(self, control: tuple[int, int], treated: tuple[int, int]) -> Figure:
        """The difference with its interval and the p-value of no difference."""
        smallest = min(control[1], treated[1])
        if not smallest:
            return TooFew(0, 1, DIFFERENCE)
        value = treated[0] / treated[1] - control[0] / control[1]
        threshold = math.log(1 / self.alpha)

        def excluded(difference: float) -> float:
            return self.log_evidence(control, treated, difference) - threshold

        return Estimate(
            value=value,
            low=root(lambda difference: -excluded(difference), -1.0, value),
            high=root(excluded, value, 1.0),
            p=math.exp(-max(0.0, self.log_evidence(control, treated, 0.0))),
            level=1 - self.alpha,
            method=DIFFERENCE,
            assumptions=ASSUMPTIONS,
            count=control[1] + treated[1],
            always_valid=True,
        )
