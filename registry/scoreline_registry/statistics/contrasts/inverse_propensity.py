"""Two arms compared by weighing each outcome with one over the share that its row was assigned by."""

from collections.abc import Sequence
from dataclasses import dataclass

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import FEW
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments

NAME = "difference of means by inverse propensity (Horvitz-Thompson)"


@dataclass(frozen=True, slots=True)
class Period:
    """Outcomes of a time in which shares stood still.

    Attributes:
        count: rows that were assigned, to any arm.
        control, treated: the outcomes of the two arms.
        control_share, treated_share: the probabilities of the assignment, above 0 where the arm has rows.
    """

    count: int
    control: Moments
    treated: Moments
    control_share: float
    treated_share: float


def inverse_propensity(periods: Sequence[Period]) -> Contrast | TooFew:
    """Treated's mean minus control's over all periods' rows, each outcome weighed by 1 / the share in force.

    Shares that follow outcomes make plain means of the arms biased (Nie et al., AISTATS 2018). Each row gives the
    pseudo outcome y 1[treated] / p_t - y 1[control] / p_c, whose mean is unbiased whatever the shares depended on
    before the row (Horvitz and Thompson, JASA 47, 1952), and whose running sum is a martingale: an always-valid
    interval of it holds (Waudby-Smith et al., arXiv:2210.10768). Outcomes are taken from the mean outcome of all rows,
    which changes the estimate little and makes its variance smaller.
    """
    count, few = sum(period.count for period in periods), _fewest(periods)
    if few < FEW:
        return TooFew(few, FEW, NAME)
    centre = _centre(periods)
    pseudo = Moments()
    for period in periods:
        pseudo += _pseudo(period, centre)
    return Contrast(
        value=pseudo.mean,
        variance=pseudo.variance_of_mean,
        count=count,
        smallest=few,
        rows=count,
        degrees=count - 1,
        name=NAME,
        test="one-sample t",
        assumptions="Shares depend only on what was known before a row, and are those that the row was assigned by.",
    )


def _fewest(periods: Sequence[Period]) -> int:
    """Rows of the smaller arm, over all periods."""
    return min(sum(period.control.count for period in periods), sum(period.treated.count for period in periods))


def _centre(periods: Sequence[Period]) -> float:
    total = sum((period.control + period.treated for period in periods), start=Moments())
    return total.mean


def _pseudo(period: Period, centre: float) -> Moments:
    """The moments of the pseudo outcomes of one period's rows; those of other arms are 0."""
    total = squares = 0.0
    for arm, share in ((period.treated, period.treated_share), (period.control, -period.control_share)):
        if arm.count:
            mean = (arm.mean - centre) / share
            total += arm.count * mean
            squares += arm.squares / share**2 + arm.count * mean**2
    return Moments.of_sums(period.count, total, squares)
