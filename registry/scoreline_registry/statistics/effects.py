"""Effects: an estimate, its standard error and its counts, before a test or an interval is chosen.

A fixed-horizon and an always-valid interval of the same effect differ only in their width, so both are made of this.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from scoreline_registry.statistics.differences import Contrast
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Moments


@dataclass(frozen=True, slots=True)
class Effect:
    """An asymptotically normal estimate.

    Attributes:
        value: the estimate, such as treated minus control.
        standard_error: its standard error; NaN where the variance cannot be estimated.
        count: the number of observations that it was computed from.
        smallest: the number of observations of the smallest group.
        rows: the clock of a confidence sequence, proportional to the information collected: all rows of both groups;
            for strata the rows that an equal split would need for the same information.
        name: what is estimated, for the ``method`` of a figure.
        events: the smallest number of events of a group (see ``events``); infinite where values have no events.
    """

    value: float
    standard_error: float
    count: int
    smallest: int
    rows: float
    name: str
    events: float = math.inf

    @classmethod
    def of(cls, contrast: Contrast, *, smallest: int, rows: float | None = None, events: float = math.inf) -> "Effect":
        """A contrast of ``differences``, ``cuped`` or ``ranking`` as an effect; its clock is its count by default.

        For a difference in AUC, ``smallest`` and ``events`` are the rows of the rarer label in the smaller arm.
        """
        clock = contrast.count if rows is None else rows
        return cls(contrast.value, contrast.error, contrast.count, smallest, clock, contrast.method, events)


@dataclass(frozen=True, slots=True)
class Stratum:
    """The moments of two arms within one stratum, such as a period in which the shares did not change."""

    control: Moments
    treated: Moments

    @property
    def information(self) -> float:
        """n_a n_b / (n_a + n_b): the information on a difference of means, in units of 1 / variance of a row."""
        rows = self.control.count + self.treated.count
        return self.control.count * self.treated.count / rows if rows else 0.0


def events(sample: Moments, *, amounts: bool = False) -> float:
    """The number of rows that decide a sample's mean: a normal mean needs some tens of them, not of rows.

    Of zeros and ones, which are recognised by their variance, the fewer of both. Of ``amounts``, values that are not
    negative and 0 in most rows, such as spend: (sum x)^2 / sum x^2, which counts equal amounts fully and the small ones
    beside a large one hardly (Kish's effective sample size). Infinite for other values.
    """
    mean, count = sample.mean, sample.count
    if 0 <= mean <= 1 and math.isclose(sample.squares, count * mean * (1 - mean), rel_tol=1e-6, abs_tol=1e-9):
        return round(count * min(mean, 1 - mean), 6)
    if not amounts:
        return math.inf
    return count * mean**2 / (mean**2 + sample.squares / count)


def difference(control: Moments, treated: Moments, *, relative: bool = False, amounts: bool = False) -> Effect:
    """Treated minus control, or with ``relative`` that difference divided by the control's mean (delta method).

    ``amounts`` says that values are not negative and may be 0 in most rows, such as spend.
    """
    value, variance = _contrast(
        (control.mean, control.variance_of_mean), (treated.mean, treated.variance_of_mean), relative=relative
    )
    count = control.count + treated.count
    return Effect(
        value=value,
        standard_error=math.sqrt(variance),
        count=count,
        smallest=min(control.count, treated.count),
        rows=count,
        name=_name(relative=relative),
        events=min(events(sample, amounts=amounts) for sample in (control, treated)),
    )


def stratified_difference(strata: Iterable[Stratum], *, relative: bool = False, amounts: bool = False) -> Effect:
    """The difference within strata, averaged with the weights n_a n_b / (n_a + n_b) (Cochran 1954).

    While shares change, as in a ramp, the arms hold rows of different times, and pooled means compare times as well as
    arms (Simpson's paradox). Within a stratum they do not. These weights are the most precise ones where the effect is
    the same in all strata; they are those of a regression with one intercept per stratum. Strata in which an arm has
    fewer than two rows are left out: they hold (nearly) no information.

    ``rows`` of the effect is 4 times the sum of n_a n_b / (n_a + n_b), which is n_a + n_b where the split is equal:
    a confidence sequence is valid in this clock while shares change, and would not be in the number of rows.
    """
    used = [stratum for stratum in strata if min(stratum.control.count, stratum.treated.count) > 1]
    information = math.fsum(stratum.information for stratum in used)
    if not information:
        return Effect(0.0, math.nan, 0, 0, 0.0, _name(relative=relative))
    weights = [stratum.information / information for stratum in used]
    control, treated = ([getattr(stratum, arm) for stratum in used] for arm in ("control", "treated"))
    value, variance = _contrast(_weighted(control, weights), _weighted(treated, weights), relative=relative)
    whole = [sum(arm, Moments()) for arm in (control, treated)]
    counts = [sample.count for sample in whole]
    return Effect(
        value=value,
        standard_error=math.sqrt(variance),
        count=sum(counts),
        smallest=min(counts),
        rows=4 * information,
        name=f"{_name(relative=relative)} within {len(used)} strata" if len(used) > 1 else _name(relative=relative),
        events=min(events(sample, amounts=amounts) for sample in whole),
    )


def mean(sample: Moments) -> Effect:
    """The mean of one sample, such as of paired differences: the scores of two models for the same rows."""
    return Effect(sample.mean, math.sqrt(sample.variance_of_mean), sample.count, sample.count, sample.count, "mean")


def normal_interval(effect: Effect, *, alpha: float = 0.05, null: float = 0.0, smallest: int = 30) -> Figure:
    """The effect with its fixed-horizon normal interval and two-sided p-value: for one look, fixed before."""
    method = f"{effect.name}, normal interval"
    if effect.smallest < smallest:
        return TooFew(effect.smallest, smallest, method)
    if not effect.standard_error > 0:
        return TooFew(1, 2, f"{method}: distinct values")
    z = abs(effect.value - null) / effect.standard_error
    half = NormalDist().inv_cdf(1 - alpha / 2) * effect.standard_error
    return Estimate(
        value=effect.value,
        low=effect.value - half,
        high=effect.value + half,
        p=math.erfc(z / math.sqrt(2)),
        level=1 - alpha,
        method=method,
        assumptions="independent rows; enough of them for a normal mean; one look, at a time fixed before",
        count=effect.count,
    )


def _weighted(samples: list[Moments], weights: list[float]) -> tuple[float, float]:
    """The weighted mean of the samples' means, and its variance."""
    value = math.fsum(weight * sample.mean for weight, sample in zip(weights, samples, strict=True))
    variance = math.fsum(weight**2 * sample.variance_of_mean for weight, sample in zip(weights, samples, strict=True))
    return value, variance


def _contrast(control: tuple[float, float], treated: tuple[float, float], *, relative: bool) -> tuple[float, float]:
    """The difference of two (mean, variance of the mean) and its variance.

    Relative: b / a - 1 with variance var_b / a^2 + var_a b^2 / a^4 (delta method; Deng, Knoblich and Lu 2018).
    """
    (a, var_a), (b, var_b) = control, treated
    if not relative:
        return b - a, var_a + var_b
    if a == 0:
        return math.nan, math.nan
    return (b - a) / a, var_b / a**2 + var_a * b**2 / a**4


def _name(*, relative: bool) -> str:
    return "relative difference of means" if relative else "difference of means"
