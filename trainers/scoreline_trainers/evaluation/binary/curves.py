"""ROC and precision-recall curves of at most 200 points."""

import numpy as np

from scoreline_trainers.data.batch import Float64, RowIndices
from scoreline_trainers.evaluation.binary.ranked import Ranked
from scoreline_trainers.evaluation.document import Curve

POINTS = 200


def roc_curve(ranked: Ranked) -> Curve:
    """True positive rate over false positive rate, from (0, 0) to (1, 1); both labels are there."""
    positives, negatives = ranked.totals
    x = np.append(0.0, ranked.negatives / negatives)
    y = np.append(0.0, ranked.positives / positives)
    kept = thinned(x, y)
    cuts = [None, *ranked.score.tolist()]
    return Curve(x=tuple(x[kept].tolist()), y=tuple(y[kept].tolist()), cuts=tuple(cuts[at] for at in kept))


def precision_recall_curve(ranked: Ranked) -> Curve:
    """Precision over recall, by descending score; there is a positive."""
    x = ranked.positives / ranked.totals[0]
    y = ranked.positives / (ranked.positives + ranked.negatives)
    kept = thinned(x, y)
    return Curve(x=tuple(x[kept].tolist()), y=tuple(y[kept].tolist()), cuts=tuple(ranked.score[kept].tolist()))


def thinned(x: Float64, y: Float64, *, points: int = POINTS) -> RowIndices:
    """At most ``points`` places, ascending, about equally far apart along the curve, its ends among them."""
    if len(x) <= points:
        return np.arange(len(x))
    spans = [float(np.ptp(values)) or 1.0 for values in (x, y)]
    steps = np.abs(np.diff(x)) / spans[0] + np.abs(np.diff(y)) / spans[1]
    along = np.append(0.0, np.cumsum(steps))
    wanted = np.linspace(0, along[-1], points)
    places = np.minimum(np.searchsorted(along, wanted), len(x) - 1)
    places[0], places[-1] = 0, len(x) - 1
    return np.unique(places)
