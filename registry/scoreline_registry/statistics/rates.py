"""Always-valid bounds of a rate, such as of errors: valid at every count, from the first row on, also for rare events.

A quantile under a limit is a rate as well: the p99 latency is at most 20 ms where at most 1 % of the rows take longer.
"""

import math
from dataclasses import dataclass

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.mixtures import BetaBinomialMixture, root
from scoreline_registry.statistics.sequential import Side

METHOD = "rate, beta-binomial confidence sequence"
ASSUMPTIONS = "independent rows with one rate; no least count; any number of looks"


@dataclass(frozen=True, slots=True)
class RateSequence:
    """A confidence sequence of a rate: at each possible rate, the beta-binomial mixture tests it against all others.

    Howard, Ramdas, McAuliffe and Sekhon (2021, arXiv:1810.08240), proposition 7; ``bernoulli_confidence_interval`` of
    the package confseq. Attributes as of ``ConfidenceSequence``; there is no burn-in.
    """

    alpha: float = 0.05
    tuning_rows: float = 5000
    side: Side = "both"

    def log_evidence(self, events: int, count: int, rate: float) -> float:
        """The logarithm of the evidence against a rate: above it with "lower", below it with "upper", else both."""
        if self.side == "upper":
            events, rate = count - events, 1 - rate
        one_sided = self.side != "both"
        variance = rate * (1 - rate)
        mixture = BetaBinomialMixture.tuned(
            variance * self.tuning_rows, rate, 1 - rate, self.alpha, one_sided=one_sided
        )
        return mixture.log_evidence(events - rate * count, variance * count)

    def p_value(self, events: int, count: int, rate: float) -> float:
        """The always-valid p-value of a rate, strictly between 0 and 1; take the smallest over all looks."""
        return math.exp(-max(0.0, self.log_evidence(events, count, rate)))

    def bounds(self, events: int, count: int) -> tuple[float, float]:
        """The interval of the rate; the bound that ``side`` leaves out is 0 or 1."""
        threshold = math.log(1 / self.alpha)

        def excluded(rate: float) -> float:
            return self.log_evidence(events, count, rate) - threshold

        low, high, least = 0.0, 1.0, 1e-12
        if self.side != "upper" and events and excluded(least) > 0:
            low = root(lambda rate: -excluded(rate), least, min(events / count, 1 - least))
        if self.side != "lower" and events < count and excluded(1 - least) > 0:
            high = root(excluded, max(events / count, least), 1 - least)
        return low, high

    def of(self, events: int, count: int, *, null: float | None = None) -> Figure:
        """The rate with its interval, and the p-value of ``null`` where one is given."""
        if not count:
            return TooFew(0, 1, METHOD)
        low, high = self.bounds(events, count)
        p = None if null is None else self.p_value(events, count, null)
        return Estimate(events / count, low, high, p, 1 - self.alpha, METHOD, ASSUMPTIONS, count, always_valid=True)


def difference(
    control: tuple[int, int], treated: tuple[int, int], *, alpha: float = 0.05, tuning_rows: float = 5000
) -> Figure:
    """The difference of two rates, of (events, count) each, where events are too rare for the asymptotic sequence.

    The two confidence sequences at alpha / 2 each hold together, so their difference does; wider than need be.
    """
    count = min(control[1], treated[1])
    method = f"difference of rates, {METHOD.partition(', ')[2]} of each"
    if not count:
        return TooFew(0, 1, method)
    sequence = RateSequence(alpha / 2, tuning_rows / 2)
    (low_a, high_a), (low_b, high_b) = sequence.bounds(*control), sequence.bounds(*treated)
    return Estimate(
        value=treated[0] / treated[1] - control[0] / control[1],
        low=low_b - high_a,
        high=high_b - low_a,
        p=None,
        level=1 - alpha,
        method=method,
        assumptions=ASSUMPTIONS,
        count=control[1] + treated[1],
        always_valid=True,
    )
