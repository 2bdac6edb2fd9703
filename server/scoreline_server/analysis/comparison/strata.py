"""Moments of several columns per share period and arm, and two arms weighed over share periods.

While shares change, as in a ramp or under a bandit, the arms hold units of different times, and pooled means compare
times as well as arms (Simpson's paradox). Within a period of equal shares they do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.joint_moments import JointMoments

CHUNK = 1 << 20
"""Rows that are added at once, so that intermediate arrays stay small."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Weighing:
    """The weights [S] of share periods, which total 1, and the clock ``rows`` of a sequence of the weighted mean.

    The clock is proportional to the variance that the weighted sum has collected, and is all units where the split is
    equal: a confidence sequence is valid in it while shares change.
    """

    weights: Floats
    rows: float
    name: str


def by_information(sizes: Floats) -> Weighing:
    """Weights n_a n_b / (n_a + n_b) for sizes [S, 2] (Cochran 1954).

    They are those of a regression with one intercept per period, and the most precise ones where the effect is the
    same in all periods. The clock is 4 times their sum.
    """
    information = sizes.prod(axis=1) / sizes.sum(axis=1)
    total = float(information.sum())
    return Weighing(information / total if total else information, 4 * total, "Cochran weights")


def by_units(sizes: Floats) -> Weighing:
    """Weights n_a + n_b for sizes [S, 2], for shares that followed outcomes, as under a bandit.

    How many units a period has does not depend on its shares, so the weighted mean of the periods' differences stays
    unbiased; information does. The clock is the sum of (n_a + n_b)^3 / (4 n_a n_b).
    """
    units = sizes.sum(axis=1)
    total = float(units.sum())
    rows = float((units**3 / (4 * sizes.prod(axis=1))).sum())
    return Weighing(units / total if total else units, rows, "weights by units")


Weigh: TypeAlias = Callable[[Floats], Weighing]


@dataclass(frozen=True, slots=True, eq=False)
class TwoArms:
    """Two arms as if both had met the share periods in the same proportions.

    Attributes:
        control, treated: their moments; the covariance is that of the weighted means.
        rows: the clock of a confidence sequence; all units where the split is equal, see ``Weighing``.
        strata: the share periods that count.
        left_out: units of periods in which an arm has fewer than two.
        weights: the name of the periods' weights.
    """

    control: JointMoments
    treated: JointMoments
    rows: float
    strata: int
    left_out: int
    weights: str


@dataclass(frozen=True, slots=True, eq=False)
class MomentTable:
    """Sums over units of K columns, in S share periods and A arms; the columns are taken from ``centre`` [K].

    Attributes:
        counts: float64 [..., S, A].
        totals: float64 [..., S, A, K].
        products: float64 [..., S, A, K, K].
        centre: float64 [K].
    """

    counts: Floats
    totals: Floats
    products: Floats
    centre: Floats

    @classmethod
    def of(cls, columns: Sequence[npt.NDArray[np.floating[Any]]], groups: Sequence[tuple[Ints, int]]) -> "MomentTable":
        """The sums of K columns [N] by some groupings, each as (indices [N], how many); the last two are S and A."""
        shape = tuple(size for _, size in groups)
        cells, width = int(np.prod(shape)), len(columns)
        centre = np.array([column.mean(dtype=np.float64) if len(column) else 0.0 for column in columns])
        counts, totals, products = np.zeros(cells), np.zeros((cells, width)), np.zeros((cells, width, width))
        for start in range(0, len(columns[0]), CHUNK):
            part = slice(start, start + CHUNK)
            cell = np.ravel_multi_index(tuple(indices[part] for indices, _ in groups), shape)
            moved = [column[part] - middle for column, middle in zip(columns, centre, strict=True)]
            counts += np.bincount(cell, minlength=cells)
            for left in range(width):
                totals[:, left] += np.bincount(cell, moved[left], cells)
                for right in range(width):
                    products[:, left, right] += np.bincount(cell, moved[left] * moved[right], cells)
        return cls(counts.reshape(shape), totals.reshape(*shape, width), products.reshape(*shape, width, width), centre)

    def cumulated(self) -> "MomentTable":
        """The sums up to and with each entry of the first axis, such as the looks at an experiment."""
        counts, totals, products = (part.cumsum(axis=0) for part in (self.counts, self.totals, self.products))
        return MomentTable(counts, totals, products, self.centre)

    def at(self, *index: int) -> "MomentTable":
        """The table of some entries of the first axes."""
        return MomentTable(self.counts[index], self.totals[index], self.products[index], self.centre)

    def two_arms(
        self, control: int, treated: int, comparable: npt.NDArray[np.bool_], *, weigh: Weigh = by_information
    ) -> TwoArms:
        """Two arms weighed over the periods that are ``comparable`` [S], in which both have a share."""
        pair = self.counts[:, [control, treated]]
        used = comparable & (pair.min(axis=1) > 1)
        sizes = pair[used]
        weighing = weigh(sizes)
        strata = int(np.count_nonzero(used))
        arms = [self._weighted(arm, used, weighing.weights) for arm in (control, treated)]
        left_out = int(pair.sum() - sizes.sum())
        return TwoArms(arms[0], arms[1], weighing.rows, strata, left_out, weighing.name)

    def one_arm(self, arm: int) -> JointMoments:
        """All units of one arm, whatever the shares were."""
        counts, totals = self.counts[:, arm].sum(), self.totals[:, arm].sum(axis=0)
        joint = JointMoments.of_sums(int(counts), totals, self.products[:, arm].sum(axis=0))
        return JointMoments(joint.count, joint.means + self.centre * bool(counts), joint.products)

    def _weighted(self, arm: int, used: npt.NDArray[np.bool_], weights: Floats) -> JointMoments:
        """Moments whose mean is the weighted mean, and whose covariance of means is that of the weighted mean."""
        counts = self.counts[used, arm][:, None]
        if not len(counts):
            return JointMoments.empty(len(self.centre))
        means = self.totals[used, arm] / counts
        covariances = self.products[used, arm] / counts[:, :, None] - means[:, :, None] * means[:, None, :]
        of_means = covariances / (counts[:, :, None] - 1)
        count = int(counts.sum())
        products = np.einsum("s,sij->ij", weights**2, of_means) * (count * (count - 1))
        return JointMoments(count, weights @ means + self.centre, products)
