"""How well a score ranks: AUC with DeLong's variance, average precision, and the distance of goods and bads.

Labels are bool [N] (True: the event), scores float [N]; all work on ten million rows in seconds.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import WELCH
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Values
from scoreline_registry.statistics.scores.distances import ks_distance

Label = npt.NDArray[np.bool_] | npt.NDArray[np.integer]
Float64 = npt.NDArray[np.float64]

FEW = 2
"""Events and non-events that a variance needs."""

DELONG = "DeLong"
PAIRED, UNPAIRED = f"difference in AUC, paired {DELONG}", f"difference in AUC, unpaired {DELONG}"
INDEPENDENT = (
    "Rows are independent; labels are those of the whole population that was scored, not of approved rows only."
)


@dataclass(frozen=True, slots=True, eq=False)
class Placements:
    """The placement values of the rows: what the AUC is the mean of.

    Attributes:
        events: float64 [P], for each event the share of non-events that score below it; ties count half.
        others: float64 [Q], for each non-event the share of events that score above it.
        event_weights, other_weights: float64 [P] and [Q], None where all rows weigh alike.
    """

    events: Float64
    others: Float64
    event_weights: Float64 | None = None
    other_weights: Float64 | None = None

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.events) + len(self.others)

    @property
    def fewest(self) -> int:
        """The number of rows of the rarer label."""
        return min(len(self.events), len(self.others))

    @property
    def auc(self) -> float:
        """The area under the ROC curve; NaN without both labels."""
        return float(np.average(self.events, weights=self.event_weights)) if self.fewest else math.nan

    @property
    def variance(self) -> float:
        """DeLong's variance of the area; 0 where all events score above, or all below, all others."""
        return _variance(self.events, self.event_weights) + _variance(self.others, self.other_weights)

    def minus(self, other: "Placements") -> "Placements":
        """Differences, row by row, from another score of the same rows."""
        return Placements(
            self.events - other.events, self.others - other.others, self.event_weights, self.other_weights
        )


def placements(label: Label, score: Values, *, weights: Values | None = None, in_order: bool = False) -> Placements:
    """The placement values of each row from sorted scores in O(n log n); in the rows' order where that is needed.

    Equal to the midranks of Sun and Xu (IEEE Signal Processing Letters 21, 2014). Weighted rows count as so many rows
    in the shares, and are in order; the variance is then the linearised one, with squared weights.
    """
    event = np.asarray(label, bool)
    sides = score[event], score[~event]
    if weights is None and not in_order:
        events, others = (np.sort(side) for side in sides)
        return Placements(_shares(others, events), _complement(_shares(events, others)))
    places = [np.argsort(side) for side in sides]
    events, others = (side[order] for side, order in zip(sides, places, strict=True))
    loads = (None, None) if weights is None else (weights[event], weights[~event])
    totals = [None if load is None else load[order] for load, order in zip(loads, places, strict=True)]
    below = _in_rows(_shares(others, events, totals[1]), places[0])
    return Placements(below, _in_rows(_complement(_shares(events, others, totals[0])), places[1]), *loads)


def auc(label: Label, score: Values, *, weights: Values | None = None, alpha: float = 0.05) -> Figure:
    """The area under the ROC curve: the chance that an event scores above another row, ties counting half.

    The interval is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), cut to [0, 1]. For an area of 0 or
    1 their variance is 0: then it is Wilson's, for as many rows as the rarer label has.
    """
    placed = placements(label, score, weights=weights)
    if placed.fewest < FEW:
        return TooFew(placed.fewest, FEW, DELONG)
    low, high = _area_interval(placed, alpha)
    return Estimate(placed.auc, low, high, None, 1 - alpha, f"AUC, {DELONG}", INDEPENDENT, placed.count)


def paired_auc_contrast(
    label: Label, control: Values, treated: Values, *, weights: Values | None = None
) -> Contrast | TooFew:
    """The difference in AUC of two scores of the same rows; their covariance is taken into account (DeLong 1988)."""
    control_placed, treated_placed = (
        placements(label, score, weights=weights, in_order=True) for score in (control, treated)
    )
    fewest = control_placed.fewest
    if fewest < FEW:
        return TooFew(fewest, FEW, PAIRED)
    apart = treated_placed.minus(control_placed)
    return Contrast(
        value=treated_placed.auc - control_placed.auc,
        variance=apart.variance,
        count=apart.count,
        smallest=fewest,
        rows=apart.count,
        events=fewest,
        name=PAIRED,
        test="normal interval",
        assumptions=INDEPENDENT,
    )


def auc_contrast(control: Placements, treated: Placements) -> Contrast | TooFew:
    """The difference in AUC of two arms with rows of their own; degrees of freedom as Welch's, as in pROC."""
    few = min(control.fewest, treated.fewest)
    if few < FEW:
        return TooFew(few, FEW, UNPAIRED)
    parts = ((control.variance, control.count), (treated.variance, treated.count))
    below = sum(variance**2 / (count - 1) for variance, count in parts)
    variance, count = control.variance + treated.variance, control.count + treated.count
    return Contrast(
        value=treated.auc - control.auc,
        variance=variance,
        count=count,
        smallest=few,
        rows=count,
        events=few,
        degrees=variance**2 / below if below else math.inf,
        name=UNPAIRED,
        test=WELCH,
        assumptions=INDEPENDENT,
    )


def paired_auc_difference(
    label: Label, control: Values, treated: Values, *, weights: Values | None = None, alpha: float = 0.05
) -> Figure:
    """Treated's AUC minus control's on the same rows."""
    found = paired_auc_contrast(label, control, treated, weights=weights)
    return found if isinstance(found, TooFew) else found.fixed(alpha)


def auc_difference(control: Placements, treated: Placements, *, alpha: float = 0.05) -> Figure:
    """Treated's AUC minus control's, on rows of their own."""
    found = auc_contrast(control, treated)
    return found if isinstance(found, TooFew) else found.fixed(alpha)


def average_precision(label: Label, score: Values, *, weights: Values | None = None, alpha: float = 0.05) -> Figure:
    """The mean precision over the events, sum of (R_n - R_(n-1)) P_n over distinct scores, without interpolation.

    The interval is the logit interval of Boyd, Eng and Page (ECML PKDD 2013): logit(AP) plus or minus z over
    sqrt(P AP (1 - AP)) with P events; with weights, P is Kish's effective number. Precision depends on the share of
    events: compare arms only where that is the same.
    """
    from scipy.special import expit, logit  # noqa: PLC0415 - serving needs no SciPy
    from scipy.stats import norm  # noqa: PLC0415

    event = np.asarray(label, bool)
    events = int(event.sum())
    method = "average precision, logit interval"
    if events < FEW or events == len(event):
        return TooFew(min(events, len(event) - events), FEW, method)
    value = mean_precision(event, score, weights=weights)
    low = high = value
    if 0 < value < 1:
        size = events if weights is None else weights[event].sum() ** 2 / np.square(weights[event]).sum()
        reach = float(norm.ppf(1 - alpha / 2)) / math.sqrt(size * value * (1 - value))
        low, high = float(expit(logit(value) - reach)), float(expit(logit(value) + reach))
    return Estimate(value, low, high, None, 1 - alpha, method, INDEPENDENT, len(event))


def mean_precision(label: Label, score: Values, *, weights: Values | None = None) -> float:
    """The average precision alone; there is at least one event."""
    event, order = np.asarray(label, bool), np.argsort(score)[::-1]
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    loads = None if weights is None else weights[order].astype(np.float64)
    caught = np.cumsum(event[order] if loads is None else event[order] * loads)[ends]
    seen = ends + 1 if loads is None else np.cumsum(loads)[ends]
    kept = np.flatnonzero(np.diff(caught, prepend=0))
    steps, precision = np.diff(caught[kept], prepend=0), caught[kept] / seen[kept]
    return float(steps @ precision / caught[-1])


def ks(label: Label, score: Values) -> Figure:
    """Kolmogorov-Smirnov of the scores of events and of others: the largest gap between their distributions."""
    event = np.asarray(label, bool)
    return ks_distance(score[event], score[~event])


def _shares(pool: Values, points: Values, weights: Values | None = None) -> Float64:
    """For each of ascending ``points`` the share of the ascending ``pool`` below it; equal ones count half."""
    if not len(pool):
        return np.full(len(points), np.nan)
    left, right = (np.searchsorted(pool, points, side=side) for side in ("left", "right"))
    if weights is None:
        left += right
        del right
        return np.divide(left, 2 * len(pool))
    total = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    shares: Float64 = (total[left] + total[right]) / (2 * total[-1])
    return shares


def _complement(shares: Float64) -> Float64:
    """1 - shares, in place."""
    return np.subtract(1, shares, out=shares)


def _in_rows(ascending: Float64, places: npt.NDArray[np.intp]) -> Float64:
    found = np.empty(len(ascending))
    found[places] = ascending
    return found


def _variance(values: Float64, weights: Float64 | None) -> float:
    """Of the (weighted) mean of ``values``; NaN below two."""
    count = len(values)
    if count < 2:
        return math.nan
    if weights is None:
        return float(values.var(ddof=1)) / count
    # Rounding would leave equal values a variance, and a perfect area no interval.
    if np.ptp(values) == 0:
        return 0.0
    shares = np.asarray(weights, np.float64) / np.sum(weights, dtype=np.float64)
    return float(np.square(shares * (values - shares @ values)).sum()) * count / (count - 1)


def _area_interval(placed: Placements, alpha: float) -> tuple[float, float]:
    from scipy.stats import norm  # noqa: PLC0415 - serving needs no SciPy

    z, area = float(norm.ppf(1 - alpha / 2)), placed.auc
    if placed.variance == 0 and area in {0.0, 1.0}:
        reach = z * z / (placed.fewest + z * z)
        return (1 - reach, 1.0) if area else (0.0, reach)
    reach = z * math.sqrt(placed.variance)
    return max(0.0, area - reach), min(1.0, area + reach)
