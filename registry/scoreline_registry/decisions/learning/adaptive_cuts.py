"""Thresholds from journaled cases: at a share of them, or where their costs are least. Pure."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

LEAST_CASES = 100
LEAST_REACHED = 20
"""The least cases on either side of a cut at a share, and of either outcome for a cut by costs."""
RELATIVE_SLACK = 0.05
"""A cut at a share stays while the share that reaches it is off by at most this part of it, or by chance."""
ERRORS = 2.0
"""What differs by fewer standard errors is chance."""


@dataclass(frozen=True, slots=True)
class FoundCut:
    """A threshold that cases ask for.

    Attributes:
        value: cases at or above it are reached.
        reached: the share of the cases that are.
        cases: how many cases it was found from.
        cost: per case, of a cut by costs; None of one at a share.
        is_worth_moving: whether it differs from the threshold in force by more than chance and a little.
    """

    value: float
    reached: float
    cases: int
    cost: float | None
    is_worth_moving: bool


def cut_at_share(values: Float64, share: float, *, current: float) -> FoundCut | None:
    """The threshold that comes nearest to ``share`` of the values [N] at or above it; None for too few values.

    It lies in the middle between two neighbouring values, so equal values are on one side of it; of two thresholds that
    are as near the higher one. It is worth moving to where the share of the values that reach ``current`` differs
    from ``share`` by more than 5 % of it and by more than two standard errors.
    """
    known = values[np.isfinite(values)]
    count = len(known)
    if count < LEAST_CASES or count * min(share, 1 - share) < LEAST_REACHED:
        return None
    thresholds, below = _thresholds(known, np.ones(count))
    reached = (count - below) / count
    distances = np.abs(reached - share)
    # Thresholds ascend: the last of the nearest is the highest.
    place = int(np.flatnonzero(distances <= distances.min() + 1e-12)[-1])
    off = abs(float((known >= current).mean()) - share)
    chance = ERRORS * math.sqrt(share * (1 - share) / count)
    return FoundCut(
        value=float(thresholds[place]),
        reached=float(reached[place]),
        cases=count,
        cost=None,
        is_worth_moving=off > max(RELATIVE_SLACK * share, chance) and off > float(distances[place]),
    )


def cut_by_costs(
    values: Float64, positive: Bool, weights: Float64, *, costs: tuple[float, float], current: float
) -> FoundCut | None:
    """The threshold with the least cost of cases [N]; None for too few of either outcome.

    ``costs`` are those of a false positive, a case at or above the threshold that is not ``positive``, and of a false
    negative. ``weights`` are how many cases each stands for (``untouched_weights``). Of thresholds that cost the same,
    the nearest to ``current`` is taken. It is worth moving to where it saves more than two standard errors of what it
    saves, case by case.
    """
    known = np.isfinite(values) & (weights > 0)
    values, positive, weights = values[known], positive[known], weights[known]
    if len(values) < LEAST_CASES or min(int(positive.sum()), int((~positive).sum())) < LEAST_REACHED:
        return None
    false_positive, false_negative = costs
    thresholds, below = _thresholds(values, weights * positive * false_negative)
    _, spared = _thresholds(values, weights * ~positive * false_positive)
    # Below a threshold positive cases cost; at or above it all others do.
    totals = below + float(spared[-1]) - spared
    cheapest = np.flatnonzero(totals <= totals.min() * (1 + 1e-12))
    place = int(cheapest[np.abs(thresholds[cheapest] - current).argmin()])
    value, size = float(thresholds[place]), float(weights.sum())
    saved = weights * (_costs(values, positive, current, costs) - _costs(values, positive, value, costs))
    return FoundCut(
        value=value,
        reached=float(weights[values >= value].sum()) / size,
        cases=len(values),
        cost=float(totals[place]) / size,
        is_worth_moving=_is_clear(saved),
    )


def untouched_weights(took_action: Bool, is_control: Bool, was_withheld: Bool, control_shares: Float64) -> Float64:
    """How many cases each case [N] without an action stands for, so that outcomes are those that no action changed.

    A case of the control whose action was withheld stands for all that would have got one: 1 over the control's share;
    one that no action was proposed for stands for itself, all others for none. Where there is no control every case
    stands for itself, and outcomes are what actions made of them.
    """
    known = control_shares > 0
    of_control = np.divide(1.0, control_shares, out=np.ones(len(control_shares)), where=known)
    weighed = np.where(was_withheld & is_control, of_control, np.where(took_action | was_withheld, 0.0, 1.0))
    return np.where(known, weighed, 1.0)


def _thresholds(values: Float64, amounts: Float64) -> tuple[Float64, Float64]:
    """Ascending thresholds at which no value lies, and the sum of the ``amounts`` of the values below each.

    The first one is the least value, which all reach; the last one is above all values.
    """
    distinct, places = np.unique(values, return_inverse=True)
    sums = np.bincount(places, amounts)
    middles = distinct[:-1] + np.diff(distinct) / 2
    # The middle of two neighbouring floats may be the lower one.
    middles = np.where(middles > distinct[:-1], middles, distinct[1:])
    above = math.nextafter(float(distinct[-1]), math.inf)
    return np.concatenate([distinct[:1], middles, [above]]), np.concatenate([[0.0], np.cumsum(sums)])


def _costs(values: Float64, positive: Bool, threshold: float, costs: tuple[float, float]) -> Float64:
    """What each case costs at a threshold."""
    reached = values >= threshold
    return np.where(reached & ~positive, costs[0], 0.0) + np.where(~reached & positive, costs[1], 0.0)


def _is_clear(saved: Float64) -> bool:
    """Whether the mean of what is saved is above two of its standard errors."""
    error = float(saved.std(ddof=1)) / math.sqrt(len(saved))
    return float(saved.mean()) > ERRORS * error
