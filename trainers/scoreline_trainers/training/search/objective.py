"""The objective of a search: a metric of a recipe on folds of its training rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoreline_trainers.data.columns import Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.errors import FitError
from scoreline_trainers.evaluation.tasks import evaluate_task
from scoreline_trainers.progress import Silent
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.validation.folds import outputs_of

DEFAULT_METRICS: Mapping[Task, str] = {"binary": "auc", "regression": "rmse", "multiclass": "log_loss"}

_LOWER_IS_BETTER = frozenset(
    {"brier", "ece_10_equal_mass", "ece_20_equal_mass", "log_loss", "mae", "rmse", "median_error"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """Measures recipes on the same folds.

    Attributes:
        metric: of the recipe's task.
        folds: training and validation rows of each.
    """

    metric: str
    folds: tuple[tuple[Dataset, Dataset], ...]

    @classmethod
    def over(cls, rows: Partition, *, validation: Validation, folds: int, metric: str, seed: int) -> "Objective":
        """Takes folds of the training rows of ``rows``, by time where ``validation`` goes by time or place.

        Rows that judge or test the published model are in none of them.
        """
        inner = inner_rows(rows, validation, folds=folds, seed=seed)
        return cls(metric, tuple(inner.fold(fold) for fold in inner.plan.folds))

    @property
    def is_maximised(self) -> bool:
        """Whether higher is better."""
        return self.metric not in _LOWER_IS_BETTER

    def values(self, recipe: Recipe) -> Iterator[float]:
        """The metric of each fold in turn. Raises DataError, FamilyError, FitError."""
        for training, validation in self.folds:
            fitted = fit_model(recipe, training, progress=Silent())
            found = evaluate_task(validation, outputs_of(fitted, validation), [self.metric])
            if self.metric not in found or not np.isfinite(found[self.metric]):
                raise FitError(recipe.family, f"has no {self.metric!r} on a fold of {len(validation)} rows")
            yield found[self.metric]


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
