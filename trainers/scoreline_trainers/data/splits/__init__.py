"""Splits of a table's rows: the rows that models learn from, those they are judged by, and the test part."""

from scoreline_trainers.data.splits.holdout import hold_out, split_rows, unit_numbers
from scoreline_trainers.data.splits.plan import Fold, SplitPlan, plan_splits
from scoreline_trainers.data.splits.validation import TestPart, Validation

__all__ = ["Fold", "SplitPlan", "TestPart", "Validation", "hold_out", "plan_splits", "split_rows", "unit_numbers"]
