"""The cut with the highest mean profit of a row, by the costs of each decision."""

import numpy as np

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation.binary.curves import thinned
from scoreline_trainers.evaluation.binary.cuts import cut_at
from scoreline_trainers.evaluation.binary.ranked import Ranked
from scoreline_trainers.evaluation.costs import Costs
from scoreline_trainers.evaluation.document import BestCut, Curve, Interval
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import mean_interval

BEST_PROFIT, THEORETICAL = "best profit", "theoretical"


def best_cut(
    label: Label, score: Float64, costs: Costs, *, units: Int64 | None = None, probability: bool = True
) -> BestCut:
    """The best cut among these rows' scores and "select none", beside the theoretical one for a probability."""
    ranked = Ranked.of(label, score)
    profits = mean_profits(ranked, costs)
    cuts = np.append(np.nextafter(ranked.score[0], np.inf), ranked.score)
    chosen = int(np.argmax(profits))
    cut = float(cuts[chosen])
    theoretical = None
    if probability:
        at = costs.threshold
        gained = float(costs.profits(label, score >= at).mean())
        theoretical = cut_at(label, score, at, name=THEORETICAL, units=units, profit=gained)
    kept = thinned(cuts, profits)[::-1]
    return BestCut(
        costs=costs.model_dump(),
        cut=cut_at(label, score, cut, name=BEST_PROFIT, units=units, profit=float(profits[chosen])),
        profit=mean_interval(costs.profits(label, score >= cut), units) or Interval(value=float(profits[chosen])),
        theoretical=theoretical,
        select_all=float(profits[-1]),
        select_none=float(profits[0]),
        curve=Curve(x=tuple(cuts[kept].tolist()), y=tuple(profits[kept].tolist())),
    )


def mean_profits(ranked: Ranked, costs: Costs) -> Float64:
    """float64 [K + 1]: the mean profit of a row where no row is selected, and down to each distinct score."""
    positives, negatives = ranked.totals
    hits, alarms = np.append(0.0, ranked.positives), np.append(0.0, ranked.negatives)
    cost = (
        hits * costs.true_positive
        + (positives - hits) * costs.false_negative
        + alarms * costs.false_positive
        + (negatives - alarms) * costs.true_negative
    )
    return -cost / (positives + negatives)
