"""Always-valid intervals and p-values: they hold at every look, so an experiment may be stopped at any time.

The asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, arXiv:2103.06476) needs a mean
and a standard error only. Its parameter rho must be fixed before the data: it is the closed approximation

    rho^2 = (-2 ln alpha + ln(1 - 2 ln alpha)) / tuning_rows,

which makes the sequence nearly as narrow as it can be at ``tuning_rows`` rows (of both arms together); the exact
minimum, by Lambert's W, is not used. GrowthBook has the same formula and the same default of 5,000 rows.

The two-sided sequence is the mixture sequential probability ratio test (Johari, Pekelis and Walsh 2015,
arXiv:1512.04922) with the variance estimated and a mixture variance of 4 rho^2 sigma^2.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics import effects
from scoreline_registry.statistics.effects import Effect, Stratum
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.mixtures import lowest
from scoreline_registry.statistics.moments import Moments

Number = TypeVar("Number", float, npt.NDArray[np.float64])
Side = Literal["both", "lower", "upper"]

ASSUMPTIONS = (
    "independent rows; more than the burn-in of them in each arm, so that means are nearly normal; any number of looks"
)


def rho(alpha: float, tuning_rows: float) -> float:
    """The mixture parameter of a two-sided confidence sequence that is tightest near ``tuning_rows`` rows."""
    return math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuning_rows)


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """An asymptotic confidence sequence, fixed before the data.

    Attributes:
        alpha: the probability that the interval misses the truth at any look, at most.
        tuning_rows: the number of rows, of both arms together, at which the interval is to be narrowest.
        burn_in: the rows that each arm needs before there is an interval.
        least_events: the events that each arm needs, for rates and amounts. At 1 % of conversions and a tenth of the
            rows in one arm, 24 % of 1,000 simulated experiments without an effect raised an alarm with a burn-in of
            rows alone, and 1 % with 20 conversions.
        side: "both", or a "lower" or an "upper" bound alone, which is tighter: for a guard that asks one question.
    """

    alpha: float = 0.05
    tuning_rows: float = 5000
    burn_in: int = 100
    least_events: int = 20
    side: Side = "both"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha must be above 0 and below 0.5, not {self.alpha}")
        if self.tuning_rows <= 0 or self.burn_in < 2:
            raise ValueError("tuning_rows must be positive, and burn_in at least 2")

    @property
    def rho(self) -> float:
        """The mixture parameter: that of ``alpha``, or for a bound of one side that of 2 ``alpha``."""
        return rho(self.alpha if self.side == "both" else 2 * self.alpha, self.tuning_rows)

    def half_width(self, standard_error: Number, rows: Number) -> Number:
        """The distance from the estimate to its bounds; numbers or arrays.

        Two-sided, equation 9 of the paper: se sqrt(N) sqrt(2 r ln(sqrt(r) / alpha)) / (N rho) with r = N rho^2 + 1;
        one-sided, in its appendix, with ln(1 + sqrt(r) / (2 alpha)) instead of ln(sqrt(r) / alpha).
        """
        ratio = rows * self.rho**2 + 1
        if self.side == "both":
            log_threshold = np.log(np.sqrt(ratio) / self.alpha)
        else:
            log_threshold = np.log1p(np.sqrt(ratio) / (2 * self.alpha))
        width: Number = standard_error * np.sqrt(2 * ratio * log_threshold / rows) / self.rho
        return width

    def p_value(self, distance: Number, standard_error: Number, rows: Number) -> Number:
        """The always-valid p-value of an estimate that is ``distance`` away from the null; numbers or arrays.

        With "lower" it tests that the truth is not above the null, with "upper" that it is not below. It is the
        smallest alpha, at this rho, whose bound excludes the null; for both sides 1 / p is an e-value.
        """
        ratio = rows * self.rho**2 + 1
        exponent = np.square(distance / standard_error) * (rows * self.rho**2 / (2 * ratio))
        p: Number
        if self.side == "both":
            p = np.minimum(1.0, np.sqrt(ratio) * np.exp(-exponent))
        else:
            wrong = distance <= 0 if self.side == "lower" else distance >= 0
            odds = np.exp(-exponent) / -np.expm1(-np.maximum(exponent, 1e-12))
            p = np.minimum(1.0, np.sqrt(ratio) * odds / 2 + wrong)
        return p

    def of(self, effect: Effect, *, null: float = 0.0) -> Figure:
        """The effect with its interval and p-value at this look; ``TooFew`` before the burn-in or without variance."""
        method = f"{effect.name}, asymptotic confidence sequence"
        if effect.smallest < self.burn_in:
            return TooFew(effect.smallest, self.burn_in, method)
        if effect.events < self.least_events:
            return TooFew(int(effect.events), self.least_events, f"{method}: events of an arm")
        if not effect.standard_error > 0:
            return TooFew(1, 2, f"{method}: distinct values")
        half = float(self.half_width(effect.standard_error, effect.rows))
        return Estimate(
            value=effect.value,
            low=-math.inf if self.side == "upper" else effect.value - half,
            high=math.inf if self.side == "lower" else effect.value + half,
            p=float(self.p_value(effect.value - null, effect.standard_error, effect.rows)),
            level=1 - self.alpha,
            method=method,
            assumptions=ASSUMPTIONS,
            count=effect.count,
            always_valid=True,
        )


def difference(
    control: Moments,
    treated: Moments,
    sequence: ConfidenceSequence,
    *,
    relative: bool = False,
    amounts: bool = False,
    null: float = 0.0,
) -> Figure:
    """The always-valid difference of means, treated minus control, where the shares never changed."""
    return sequence.of(effects.difference(control, treated, relative=relative, amounts=amounts), null=null)


def stratified_difference(
    strata: Iterable[Stratum],
    sequence: ConfidenceSequence,
    *,
    relative: bool = False,
    amounts: bool = False,
    null: float = 0.0,
) -> Figure:
    """The always-valid difference of means within strata, such as the periods of a ramp between changes of shares."""
    return sequence.of(effects.stratified_difference(strata, relative=relative, amounts=amounts), null=null)


def mean(sample: Moments, sequence: ConfidenceSequence, *, null: float = 0.0) -> Figure:
    """The always-valid mean of one sample, such as of a shadow's score less the answered score of the same row."""
    return sequence.of(effects.mean(sample), null=null)


def running(looks: Iterable[Figure]) -> Figure | None:
    """The intersection of the intervals of all looks so far and the smallest p, with the last look's estimate.

    Both are valid, and never widen or rise again, where what is estimated does not change over time. Where it does the
    intersection can become empty: then it is a point (low = high) between the two looks. None before the first look.
    """
    result: Figure | None = None
    for look in looks:
        result = _intersection(result, look) if isinstance(result, Estimate) and isinstance(look, Estimate) else look
    return result


def _intersection(before: Estimate, now: Estimate) -> Estimate:
    low, high = max(before.low, now.low), min(before.high, now.high)
    if low > high:
        low = high = (low + high) / 2
    known = [p for p in (before.p, now.p) if p is not None]
    return replace(now, low=low, high=high, p=min(known, default=None))


@dataclass(frozen=True, slots=True)
class LinearModelSequence:
    """The always-valid t-test of a coefficient of a linear model (Lindon, Ham, Tingley and Bojinov 2022,
    arXiv:2210.08589; R package avlm): valid at every n for normal errors, asymptotically without them.

    Attributes:
        precision: the parameter g, fixed before the data: the interval is narrowest near the n it was chosen for.
        alpha: the probability of missing the truth at any look, at most.
    """

    precision: float
    alpha: float = 0.05

    @classmethod
    def narrowest_at(cls, rows: int, coefficients: int, *, alpha: float = 0.05) -> "LinearModelSequence":
        """The sequence with the g that makes the interval narrowest at ``rows`` rows."""

        def radius(log_precision: float) -> float:
            return cls(math.exp(log_precision), alpha).radius(rows, coefficients)

        return cls(math.exp(lowest(radius, math.log(1e-6 * rows), math.log(1e3 * rows))), alpha)

    def radius(self, rows: int, coefficients: int) -> float:
        """The half width in standard errors: sqrt(nu (1 - c) / (c - r)) with r = g / (g + n), nu = n - k and
        c = (r alpha^2)^(1 / (nu + 1)); infinite while there are too few rows for an interval.
        """
        nu, ratio = rows - coefficients, self.precision / (self.precision + rows)
        if nu < 1:
            return math.inf
        root = (ratio * self.alpha**2) ** (1 / (nu + 1))
        return math.sqrt(nu * (1 - root) / (root - ratio)) if root > ratio else math.inf

    def p_value(self, t: float, rows: int, coefficients: int) -> float:
        """The always-valid p-value of a t statistic: 1 / min(1, Bayes factor)."""
        nu, ratio = rows - coefficients, self.precision / (self.precision + rows)
        log_factor = 0.5 * math.log(ratio) + 0.5 * (nu + 1) * (math.log1p(t * t / nu) - math.log1p(ratio * t * t / nu))
        return math.exp(-max(0.0, log_factor))

    def of(self, value: float, standard_error: float, *, rows: int, coefficients: int) -> Figure:
        """The coefficient with its interval and p-value at this look."""
        method = "linear model, anytime-valid t-test"
        radius = self.radius(rows, coefficients)
        if math.isinf(radius) or not standard_error > 0:
            return TooFew(rows, coefficients + 2, method)
        return Estimate(
            value=value,
            low=value - radius * standard_error,
            high=value + radius * standard_error,
            p=self.p_value(value / standard_error, rows, coefficients),
            level=1 - self.alpha,
            method=method,
            assumptions="a linear model with independent errors of equal variance, normal or many; any number of looks",
            count=rows,
            always_valid=True,
        )
