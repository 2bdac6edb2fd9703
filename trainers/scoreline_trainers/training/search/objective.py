"""The objective of a search: a metric of a recipe on folds of its training rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.progress import Silent
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.validation.inner import inner_rows, is_maximised, measured


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
        return is_maximised(self.metric)

    def values(self, recipe: Recipe) -> Iterator[float]:
        """The metric of each fold in turn. Raises DataError, FamilyError, FitError."""
        for training, validation in self.folds:
            fitted = fit_model(recipe, training, progress=Silent())
            yield measured(fitted, validation, self.metric, family=recipe.family)
