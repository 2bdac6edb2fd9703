"""Sample ratio mismatch: whether the arms hold the numbers of units that their shares ask for.

A mismatch means that units of an arm were lost or added, and that no difference between the arms can be trusted.
It is tested on the ASSIGNED arm: the arm that served can differ for reasons that are part of the effect.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scoreline_registry.statistics.special import log_gamma_q


@dataclass(frozen=True, slots=True)
class ArmCount:
    """The units of one arm beside the number that its shares ask for.

    Attributes:
        observed: the units assigned to the arm.
        expected: the sum over all units of the arm's share at the time of assignment.
        excess: observed / expected - 1; infinite for units without a share.
        against_others: the same relative to the other arms: -0.02 where 2 % of this arm's units alone were lost.
        residual: the deviation in standard errors, (observed - expected) / sqrt(sum of share (1 - share)).
    """

    observed: int
    expected: float
    excess: float
    against_others: float
    residual: float


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The running test of counts against shares, valid at every look, with shares that may change over time.

    The sequential test of Lindon and Malek (2020, arXiv:2011.03567): the Bayes factor of a Dirichlet-multinomial
    against the multinomial of the shares is a martingale while the assignment is right, so the chance that it ever
    exceeds 1 / p is at most p. With constant shares it equals theirs. Where shares change, what has been learned about
    each arm (observed over expected) is carried over to the new shares before the next batch: still a martingale.

    Attributes:
        observed: the units of each arm so far.
        expected: the sum of each arm's shares so far.
        variance: the sum of share (1 - share) of each arm so far.
        log_bayes_factor: the natural logarithm of the evidence for a mismatch now.
        highest: the greatest ``log_bayes_factor`` at any look so far, at least 0.
        concentration: the weight of the prior in units: high values find small mismatches of large samples.
        prior: the Dirichlet prior's mean per arm; empty: the shares in force.
    """

    observed: tuple[int, ...]
    expected: tuple[float, ...]
    variance: tuple[float, ...]
    log_bayes_factor: float = 0.0
    highest: float = 0.0
    concentration: float = 10_000
    prior: tuple[float, ...] = ()

    @classmethod
    def of_arms(cls, arms: int, *, concentration: float = 10_000, prior: Sequence[float] = ()) -> "SampleRatio":
        """The test before the first unit; without a ``prior`` its mean is the shares in force."""
        if arms < 2 or (prior and len(prior) != arms):
            raise ValueError(f"a sample ratio needs two or more arms and a prior for each, not {arms} and {len(prior)}")
        return cls((0,) * arms, (0.0,) * arms, (0.0,) * arms, concentration=concentration, prior=tuple(prior))

    @property
    def count(self) -> int:
        """The units of all arms so far."""
        return sum(self.observed)

    @property
    def p_value(self) -> float:
        """The always-valid p-value: one over the greatest Bayes factor so far."""
        return math.exp(-self.highest)

    @property
    def arms(self) -> tuple[ArmCount, ...]:
        """Each arm's count beside what was expected, in the order of the arms."""
        size = self.count
        return tuple(
            ArmCount(
                observed,
                expected,
                _excess(observed, expected),
                _excess(observed * (size - expected), expected * (size - observed)),
                _residual(observed - expected, variance),
            )
            for observed, expected, variance in zip(self.observed, self.expected, self.variance, strict=True)
        )

    def after(self, counts: Sequence[int], shares: Sequence[float]) -> "SampleRatio":
        """The test after one more batch: new units per arm, and the shares that were in force for all of them.

        Shares are fractions or weights of any sum. An arm without a share that holds units is an infinite evidence.
        """
        if not len(counts) == len(shares) == len(self.observed):
            raise ValueError(f"{len(self.observed)} arms need as many counts and shares")
        total, size = math.fsum(shares), sum(counts)
        fractions = [share / total for share in shares]
        log_factor = self.log_bayes_factor + self._log_factor(counts, fractions)
        return replace(
            self,
            observed=tuple(had + count for had, count in zip(self.observed, counts, strict=True)),
            expected=tuple(had + size * share for had, share in zip(self.expected, fractions, strict=True)),
            variance=tuple(
                had + size * share * (1 - share) for had, share in zip(self.variance, fractions, strict=True)
            ),
            log_bayes_factor=log_factor,
            highest=max(self.highest, log_factor),
        )

    def _log_factor(self, counts: Sequence[int], fractions: Sequence[float]) -> float:
        """The log Bayes factor of one batch; the multinomial coefficient is in both likelihoods and left out."""
        if any(count and not share for count, share in zip(counts, fractions, strict=True)):
            return math.inf
        held = [arm for arm, share in enumerate(fractions) if share]
        learned = [self._learned(arm, fractions[arm]) for arm in held]
        mass = (self.concentration + self.count) / math.fsum(learned)
        alternative = _log_dirichlet([mass * weight for weight in learned], [counts[arm] for arm in held])
        return alternative - math.fsum(counts[arm] * math.log(fractions[arm]) for arm in held)

    def _learned(self, arm: int, share: float) -> float:
        """The share times the arm's observed over expected units so far, with the prior counted in."""
        weight = self.concentration * (self.prior[arm] if self.prior else share)
        return share * (weight + self.observed[arm]) / (self.concentration * share + self.expected[arm])


def _excess(observed: float, expected: float) -> float:
    if expected > 0:
        return observed / expected - 1
    return math.inf if observed > 0 else 0.0


def _residual(deviation: float, variance: float) -> float:
    if variance > 0:
        return deviation / math.sqrt(variance)
    return math.inf if deviation > 0 else 0.0


def _log_dirichlet(weights: Sequence[float], counts: Sequence[int]) -> float:
    """The log likelihood of counts, in one order, under a Dirichlet-multinomial."""
    total = math.fsum(weights)
    parts = (
        math.lgamma(weight + count) - math.lgamma(weight)
        for weight, count in zip(weights, counts, strict=True)
        if count
    )
    return math.fsum(parts) + math.lgamma(total) - math.lgamma(total + sum(counts))


def of_batches(
    batches: Iterable[tuple[Sequence[int], Sequence[float]]], arms: int, *, concentration: float = 10_000
) -> SampleRatio:
    """The running test after all (counts, shares), in the order of time."""
    result = SampleRatio.of_arms(arms, concentration=concentration)
    for counts, shares in batches:
        result = result.after(counts, shares)
    return result


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """Pearson's chi-square test for one look: the statistic, its degrees of freedom and p-value."""

    statistic: float
    degrees: int
    p_value: float


def chi_square(observed: Sequence[int], expected: Sequence[float]) -> ChiSquare | None:
    """Pearson's chi-square test of counts against expected counts (or weights of any sum), for one look.

    None where an arm has fewer than five expected units: the chi-square distribution does not hold there.
    Valid for expected counts that are summed over shares that changed only as an approximation: then the variance is
    smaller than assumed, and the test errs to the safe side.
    """
    size, total = sum(observed), math.fsum(expected)
    wanted = [size * weight / total for weight in expected]
    if min(wanted) < 5:
        return None
    statistic = math.fsum((count - want) ** 2 / want for count, want in zip(observed, wanted, strict=True))
    degrees = len(wanted) - 1
    return ChiSquare(statistic, degrees, math.exp(log_gamma_q(degrees / 2, statistic / 2)) if statistic else 1.0)
