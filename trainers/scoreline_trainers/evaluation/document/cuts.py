"""Decisions at cuts of a score, and tenths of the rows by score. Values only."""

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.intervals import Curve, Interval


class Decile(FrozenModel):
    """A tenth of the rows by descending score; number 1 has the highest scores.

    Attributes:
        number: 1 to 10.
        rows, positives: of this tenth.
        lowest, highest, mean_score: scores of this tenth.
        rate: share of label 1 in it.
        lift, cumulative_lift: its rate, and that of all tenths down to it, over the rate of all rows.
        gain: share of all positives in the tenths down to it.
        ks: gap between the shares of all positives and of all negatives down to it.
    """

    number: int
    rows: int
    positives: int
    lowest: float
    highest: float
    mean_score: float
    rate: float
    lift: float
    cumulative_lift: float
    gain: float
    ks: float


class Confusion(FrozenModel):
    """Rows by decision and label; a row at or above the cut is selected."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class Cut(FrozenModel):
    """Decisions at one cut: rows with a score of at least ``score`` are selected.

    Attributes:
        name: "band high", "given", "best F1", "best profit" or "theoretical".
        selected: share of rows that are selected.
        precision: share of label 1 among the selected rows.
        recall: share of positives that are selected.
        specificity: share of negatives that are not.
        profit: mean profit of a row by the recipe's costs.
    """

    name: str
    score: float
    confusion: Confusion
    selected: float
    precision: Interval | None = None
    recall: Interval | None = None
    specificity: Interval | None = None
    f1: float | None = None
    profit: float | None = None


class BestCut(FrozenModel):
    """The cut with the highest mean profit of a row, by the recipe's costs.

    Attributes:
        costs: of each outcome, as the recipe has them; profit is minus cost.
        cut: the decisions at the best cut found in these rows.
        profit: its mean profit of a row, with the interval at this fixed cut.
        theoretical: the best cut for calibrated probabilities, None where no cut is best for all of them.
        select_all, select_none: the mean profit of a row without a model.
        curve: mean profit of a row by cut.
    """

    costs: dict[str, float]
    cut: Cut
    profit: Interval
    theoretical: Cut | None = None
    select_all: float
    select_none: float
    curve: Curve
