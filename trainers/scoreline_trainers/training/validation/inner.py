"""Folds within the training rows, on which options and features are chosen, and the metric that they are chosen by."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from scoreline_trainers.data.columns import Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.errors import FitError, RecipeError
from scoreline_trainers.evaluation.tasks import TASK_METRICS, evaluate_task
from scoreline_trainers.family import Fitted
from scoreline_trainers.problems import nearest_or_all
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.validation.folds import outputs_of

DEFAULT_METRICS: Mapping[Task, str] = {"binary": "auc", "regression": "rmse", "multiclass": "log_loss"}

_LOWER_IS_BETTER = frozenset(
    {"brier", "ece_10_equal_mass", "ece_20_equal_mass", "log_loss", "mae", "rmse", "median_error"}
)


def is_maximised(metric: str) -> bool:
    """Whether higher is better."""
    return metric not in _LOWER_IS_BETTER


def metric_of(recipe: Recipe, metric: str | None, *, key: str) -> str:
    """The given metric, or the task's own. Raises RecipeError, naming ``key``, for one that the task has not."""
    metric, known = metric or DEFAULT_METRICS[recipe.task], TASK_METRICS[recipe.task]
    if metric not in known:
        raise RecipeError(recipe.name, [f"{key}: {metric!r} is no metric; {nearest_or_all(metric, known)}"])
    return metric


def measured(fitted: Fitted, rows: Dataset, metric: str, *, family: str) -> float:
    """The metric of a model on rows. Raises FitError where they have none, such as with one label only."""
    found = evaluate_task(rows, outputs_of(fitted, rows), [metric]).get(metric, np.nan)
    if not np.isfinite(found):
        raise FitError(family, f"has no {metric!r} on a fold of {len(rows)} rows: give fewer folds or another metric")
    return found


def inner_rows(rows: Partition, validation: Validation, *, folds: int, seed: int) -> Partition:
    """The training rows of ``rows`` alone, split in ``folds`` folds of a kind that suits ``validation``."""
    numbers = rows.plan.training
    if validation.kind == "last_fraction":
        place = pl.Series("place", np.arange(len(numbers)))
        return rows.within(numbers, Validation(kind="walk_forward", folds=folds), seed=seed, time=place)
    if validation.kind in ("time", "walk_forward"):
        inner = Validation(
            kind="walk_forward", folds=folds, gap_days=validation.gap_days, window_days=validation.window_days
        )
        return rows.within(numbers, inner, seed=seed)
    return rows.within(numbers, Validation(kind="folds", folds=folds, stratify=validation.stratify), seed=seed)
