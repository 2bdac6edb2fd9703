"""Groups of people side by side, with the gaps between them. Values only."""

from typing import Literal

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.intervals import Interval


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
