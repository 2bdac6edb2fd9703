"""Arms compared within strata, such as the periods of a ramp in which the shares did not change."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scoreline_registry.statistics.contrasts.contrast import INDEPENDENT, Contrast
from scoreline_registry.statistics.contrasts.differences import FEW, MEANS, RELATIVE, difference_of, events
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments


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


def stratified_difference(
    strata: Iterable[Stratum], *, relative: bool = False, amounts: bool = False
) -> Contrast | TooFew:
    """The difference within strata, averaged with the weights n_a n_b / (n_a + n_b) (Cochran 1954).

    While shares change, as in a ramp, the arms hold rows of different times, and pooled means compare times as well as
    arms (Simpson's paradox). Within a stratum they do not. These weights are the most precise ones where the effect is
    the same in all strata; they are those of a regression with one intercept per stratum. Strata in which an arm has
    fewer than two rows are left out: they hold (nearly) no information.

    ``rows`` of the effect is 4 times the sum of n_a n_b / (n_a + n_b), which is n_a + n_b where the split is equal:
    a confidence sequence is valid in this clock while shares change, and would not be in the number of rows.
    """
    used = [stratum for stratum in strata if min(stratum.control.count, stratum.treated.count) >= FEW]
    information = math.fsum(stratum.information for stratum in used)
    name = RELATIVE if relative else MEANS
    if not used:
        return TooFew(0, FEW, name)
    weights = [stratum.information / information for stratum in used]
    control, treated = ([getattr(stratum, arm) for stratum in used] for arm in ("control", "treated"))
    found = difference_of(_weighted(control, weights), _weighted(treated, weights), relative=relative)
    if found is None:
        return TooFew(0, 1, f"{name}: a mean of control that is not 0")
    whole = [sum(arm, Moments()) for arm in (control, treated)]
    counts = [sample.count for sample in whole]
    return Contrast(
        value=found[0],
        variance=found[1],
        count=sum(counts),
        smallest=min(counts),
        rows=4 * information,
        events=min(events(sample, amounts=amounts) for sample in whole),
        name=f"{name} within {len(used)} strata" if len(used) > 1 else name,
        test="normal interval",
        assumptions=f"{INDEPENDENT} Within a stratum the arms' shares did not change.",
    )


def _weighted(samples: list[Moments], weights: list[float]) -> tuple[float, float]:
    """The weighted mean of the samples' means, and its variance."""
    value = math.fsum(weight * sample.mean for weight, sample in zip(weights, samples, strict=True))
    variance = math.fsum(weight**2 * sample.variance_of_mean for weight, sample in zip(weights, samples, strict=True))
    return value, variance
