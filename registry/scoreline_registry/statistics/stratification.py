"""Arms compared over periods in which their shares differ, without Simpson's paradox.

While a ramp moves, early periods hold little of the growing arm. Rows of all periods thrown together would compare the
arm's late units with control's early ones. So arms are compared within each period, and the periods are weighed by
their rows in both arms: post-stratification (Holt and Smith, JRSS A 142, 1979; Miratrix, Sekhon and Yu, JRSS B 75,
2013).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments

Pair = tuple[Moments, Moments]
JointPair = tuple[JointMoments, JointMoments]


@dataclass(frozen=True, slots=True, eq=False)
class Stratified:
    """Two arms as if both had met the periods in the same proportions.

    Attributes:
        control, treated: their moments; the variance is that of the weighted mean given the periods' sizes.
        strata: how many periods count.
        left_out: rows of periods in which an arm has fewer than two.
    """

    control: JointMoments
    treated: JointMoments
    strata: int
    left_out: int


def stratify(pairs: Iterable[Pair]) -> tuple[Moments, Moments, int]:
    """One (control, treated) pair of moments of all periods' pairs, and the rows that were left out.

    Both are weighted alike: by the rows of both arms in the period. Hand them to ``differences.difference``.
    """
    joint = [(JointMoments.of_moments(control), JointMoments.of_moments(treated)) for control, treated in pairs]
    found = stratify_joint(joint, columns=1)
    return found.control.column(0), found.treated.column(0), found.left_out


def stratify_joint(pairs: Sequence[JointPair], *, columns: int) -> Stratified:
    """The same for several columns: for ratios and covariates, which are computed from the result."""
    usable = [(control, treated) for control, treated in pairs if min(control.count, treated.count) > 1]
    sizes = np.array([control.count + treated.count for control, treated in usable], np.float64)
    rows = sum(control.count + treated.count for control, treated in pairs)
    if not usable:
        return Stratified(JointMoments.empty(columns), JointMoments.empty(columns), 0, rows)
    weights = sizes / sizes.sum()
    return Stratified(
        _weighted([control for control, _ in usable], weights),
        _weighted([treated for _, treated in usable], weights),
        len(usable),
        rows - int(sizes.sum()),
    )


def _weighted(strata: Sequence[JointMoments], weights: np.ndarray) -> JointMoments:
    """Moments whose mean is the weighted mean, and whose covariance of means is that of the weighted mean."""
    count = sum(stratum.count for stratum in strata)
    means = sum(weight * stratum.means for weight, stratum in zip(weights, strata, strict=True))
    covariance = sum(weight**2 * stratum.covariance_of_means for weight, stratum in zip(weights, strata, strict=True))
    return JointMoments(count, np.asarray(means), np.asarray(covariance) * (count * (count - 1)))
