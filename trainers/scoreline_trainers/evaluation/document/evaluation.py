"""The evaluation of a score as one JSON document. Values only."""

from typing import Literal

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.calibration import Calibration
from scoreline_trainers.evaluation.document.cuts import BestCut, Cut, Decile
from scoreline_trainers.evaluation.document.fairness import FairnessTable
from scoreline_trainers.evaluation.document.groups import FoldFigures, GroupFigures, OverTime, Spread
from scoreline_trainers.evaluation.document.intervals import Curve, Interval
from scoreline_trainers.evaluation.document.lead_time import LeadTime

EVALUATION_SCHEMA = 1

Task = Literal["binary", "regression", "multiclass"]


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
