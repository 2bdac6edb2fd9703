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
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew

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

    def of(self, contrast: Contrast | TooFew, *, null: float = 0.0) -> Figure:
        """The contrast with its interval and p-value at this look; ``TooFew`` before the burn-in or without variance.

        Too few observations for a contrast are too few for its interval.
        """
        if isinstance(contrast, TooFew):
            return contrast
        method = f"{contrast.name}, asymptotic confidence sequence"
        if contrast.smallest < self.burn_in:
            return TooFew(contrast.smallest, self.burn_in, method)
        if contrast.events < self.least_events:
            return TooFew(int(contrast.events), self.least_events, f"{method}: events of an arm")
        if not contrast.variance > 0:
            return TooFew(1, 2, f"{method}: distinct values")
        half = float(self.half_width(contrast.error, contrast.rows))
        return Estimate(
            value=contrast.value,
            low=-math.inf if self.side == "upper" else contrast.value - half,
            high=math.inf if self.side == "lower" else contrast.value + half,
            p=float(self.p_value(contrast.value - null, contrast.error, contrast.rows)),
            level=1 - self.alpha,
            method=method,
            assumptions=ASSUMPTIONS,
            count=contrast.count,
            always_valid=True,
        )
