"""The evaluation of a score as one JSON document: figures with intervals, curves and tables. Values only.

A rate or a metric that cannot be computed (no rows, one label only) is None or left out, never NaN.
"""

from typing import Literal

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel

EVALUATION_SCHEMA = 1

Task = Literal["binary", "regression", "multiclass"]
PeriodLength = Literal["day", "week", "month", "quarter", "year", "value"]


class Interval(FrozenModel):
    """A figure with its 95 % interval; ``low`` and ``high`` are None where there is no interval.

    ``method`` names the interval: "DeLong", "Wilson", "bootstrap" and so on.
    """

    value: float
    low: float | None = None
    high: float | None = None
    method: str = ""


class Curve(FrozenModel):
    """Points of a curve in drawing order, at most 200; ``cuts`` are their scores, None where a point has no cut.

    ROC: ``x`` is the false positive rate, ``y`` the true positive rate. Precision and recall: ``x`` is recall, ``y``
    precision. Profit: ``x`` is the cut, ``y`` the mean profit of a row.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    cuts: tuple[float | None, ...] = ()


class CalibrationBin(FrozenModel):
    """Rows with neighboring scores: their mean score beside the mean outcome (for labels: their rate of label 1)."""

    rows: int
    score: float
    observed: Interval


class Calibration(FrozenModel):
    """How far scores are from what was observed.

    Attributes:
        bins: of equally many rows by ascending score.
        intercept, slope: of the regression of the outcome on the score (of its log odds for labels); 0 and 1 where
            calibrated.
        error_by_chance: of the calibration error over ``bins`` where the scores were true: its mean and 95 % range. An
            error above it is no chance. None for amounts.
        reliability, resolution, uncertainty, within_bins: the parts of the Brier score over ``bins``:
            Brier = reliability - resolution + uncertainty + within_bins. None for amounts.
    """

    bins: tuple[CalibrationBin, ...] = ()
    intercept: Interval | None = None
    slope: Interval | None = None
    error_by_chance: Interval | None = None
    reliability: float | None = None
    resolution: float | None = None
    uncertainty: float | None = None
    within_bins: float | None = None


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


class GroupFigures(FrozenModel):
    """The rows of one value of a column.

    Attributes:
        name: the value, "(missing)", "(other)", or a range such as "20 to 35".
        rows, positives: how many; ``positives`` is None for amounts.
        rate: mean outcome (share of label 1).
        mean_score: beside it.
        metrics: by name, those that can be computed.
        note: what limits these figures, such as "few rows".
    """

    name: str
    rows: int
    positives: int | None = None
    rate: Interval | None = None
    mean_score: float | None = None
    metrics: dict[str, Interval] = Field(default_factory=dict)
    note: str = ""


class PeriodFigures(GroupFigures):
    """The rows of one period of time, from ``start`` (ISO date) on; ``name`` is such as "2026-03"."""

    start: str


class OverTime(FrozenModel):
    """Periods in order of time; "value" where the time is a number."""

    column: str
    period: PeriodLength
    periods: tuple[PeriodFigures, ...] = ()


class Gap(FrozenModel):
    """One figure of a group against the reference group.

    Attributes:
        measure: "selected", "true_positive_rate", "false_positive_rate", "precision", "auc" or "calibration".
        difference: the group's figure minus the reference's, with its interval.
        limit: the difference that counts as large.
        beyond_chance: whether the interval, corrected for the number of comparisons, excludes 0.
        large: whether the difference exceeds the limit (for "selected", whether the ratio is below four fifths).
    """

    measure: str
    difference: Interval
    limit: float
    beyond_chance: bool
    large: bool

    @property
    def flagged(self) -> bool:
        """Whether the gap is both beyond chance and large."""
        return self.beyond_chance and self.large


class FairnessGroup(FrozenModel):
    """One group at the table's cut.

    Attributes:
        rate: share of label 1.
        selected: share of rows on the favorable side of the cut.
        ratio: ``selected`` over that of the reference group; below 0.8 fails the four-fifths rule.
        calibration: mean score minus rate.
        gaps: against the reference group; empty for the reference and for groups with few rows.
    """

    name: str
    rows: int
    positives: int
    rate: Interval | None = None
    selected: Interval | None = None
    ratio: Interval | None = None
    true_positive_rate: Interval | None = None
    false_positive_rate: Interval | None = None
    precision: Interval | None = None
    calibration: Interval | None = None
    auc: Interval | None = None
    gaps: tuple[Gap, ...] = ()
    note: str = ""


class FairnessTable(FrozenModel):
    """The groups of one column side by side.

    Attributes:
        cut, cut_name: of the decisions; ``favorable`` says which side is the good one for a person.
        reference: the group that others are compared with: the largest.
        selection_ratio: the lowest ratio of selected shares to the highest, among groups with enough rows.
        flags: the gaps that are beyond chance and large, one sentence each.
    """

    column: str
    cut: float
    cut_name: str = ""
    favorable: Literal["above", "below"] = "above"
    reference: str
    groups: tuple[FairnessGroup, ...]
    selection_ratio: float | None = None
    flags: tuple[str, ...] = ()


class FoldFigures(FrozenModel):
    """One fold; ``training_rows`` were learned from, ``rows`` scored."""

    fold: int
    training_rows: int
    rows: int
    positives: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class Spread(FrozenModel):
    """A metric over folds: mean, sample standard deviation, lowest and highest."""

    mean: float
    deviation: float
    low: float
    high: float


class LeadTime(FrozenModel):
    """How long before the event the score first passes a cut and stays above it.

    Attributes:
        unit: of the times: "steps" or "days".
        false_alarm_rate: share of entities without the event that pass the cut at any of their last ``window`` steps.
        cut: the lowest score with at most this rate.
        entities: entities with the event.
        warned: share of them that were above the cut at the end of their history.
        median, mean, lower_quartile, upper_quartile: lead time of the warned ones; None without any.
        alerted: share of them that were above the cut at any of the steps, also where the score went down again: the
            counterpart of the false alarms.
        first_alert: the median time from the first such step to the end of the history.
        shares: by steps: share of all entities with the event that were warned at least so many steps before.
    """

    unit: str
    false_alarm_rate: float
    cut: float
    entities: int
    warned: Interval
    median: Interval | None = None
    mean: float | None = None
    lower_quartile: float | None = None
    upper_quartile: float | None = None
    alerted: Interval | None = None
    first_alert: Interval | None = None
    shares: dict[int, float] = Field(default_factory=dict)


class VersionComparison(FrozenModel):
    """Two versions' scores of the same rows; differences are challenger minus champion.

    Attributes:
        champion, challenger: their metrics by name.
        p: DeLong's two-sided p of "no difference in AUC"; None where units have several rows.
    """

    rows: int
    positives: int
    champion: dict[str, float]
    challenger: dict[str, float]
    auc_difference: Interval | None = None
    p: float | None = None
    average_precision_difference: Interval | None = None
    brier_difference: Interval | None = None
    log_loss_difference: Interval | None = None


class ClassFigures(FrozenModel):
    """One class against the rest."""

    name: str
    rows: int
    metrics: dict[str, Interval]


class Evaluation(FrozenModel):
    """The evaluation of a score on rows that the model was not trained on.

    Attributes:
        evaluated_on: "validation rows", "out-of-fold rows" or "test rows".
        metrics: by name, see docs/reference/evaluation.md.
        confusion_matrix: of classes: rows by true class, columns by the most probable one.
        by_segment, fairness: by column.
        fold_spread: of each metric over ``folds``.
        test: the same on the test part, which nothing else touched.
    """

    schema_number: int = EVALUATION_SCHEMA
    task: Task = "binary"
    evaluated_on: str = "validation rows"
    rows: int
    positives: int | None = None
    metrics: dict[str, Interval] = Field(default_factory=dict)
    roc: Curve | None = None
    precision_recall: Curve | None = None
    calibration: Calibration = Calibration()
    deciles: tuple[Decile, ...] = ()
    cuts: tuple[Cut, ...] = ()
    best_cut: BestCut | None = None
    classes: tuple[ClassFigures, ...] = ()
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
    by_segment: dict[str, tuple[GroupFigures, ...]] = Field(default_factory=dict)
    over_time: OverTime | None = None
    fairness: dict[str, FairnessTable] = Field(default_factory=dict)
    folds: tuple[FoldFigures, ...] = ()
    fold_spread: dict[str, Spread] = Field(default_factory=dict)
    lead_time: tuple[LeadTime, ...] = ()
    test: "Evaluation | None" = None
