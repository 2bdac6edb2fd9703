"""The evaluation of a score as one JSON document: figures with intervals, curves and tables. Values only.

A rate or a metric that cannot be computed (no rows, one label only) is None or left out, never NaN.
"""

from scoreline_trainers.evaluation.document.calibration import Calibration, CalibrationBin
from scoreline_trainers.evaluation.document.cuts import BestCut, Confusion, Cut, Decile
from scoreline_trainers.evaluation.document.evaluation import EVALUATION_SCHEMA, ClassFigures, Evaluation, Task
from scoreline_trainers.evaluation.document.fairness import FairnessGroup, FairnessTable, Gap
from scoreline_trainers.evaluation.document.groups import (
    FoldFigures,
    GroupFigures,
    OverTime,
    PeriodFigures,
    PeriodLength,
    Spread,
)
from scoreline_trainers.evaluation.document.intervals import Curve, Interval
from scoreline_trainers.evaluation.document.lead_time import LeadTime
from scoreline_trainers.evaluation.document.versions import VersionComparison

__all__ = [
    "EVALUATION_SCHEMA",
    "BestCut",
    "Calibration",
    "CalibrationBin",
    "ClassFigures",
    "Confusion",
    "Curve",
    "Cut",
    "Decile",
    "Evaluation",
    "FairnessGroup",
    "FairnessTable",
    "FoldFigures",
    "Gap",
    "GroupFigures",
    "Interval",
    "LeadTime",
    "OverTime",
    "PeriodFigures",
    "PeriodLength",
    "Spread",
    "Task",
    "VersionComparison",
]
