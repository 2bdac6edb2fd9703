"""Fits a recipe on the folds of a table and, where the plan says so, on all rows but the test part."""

from collections.abc import Callable
from datetime import datetime

from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Progress
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.trained import Scored, Trained

Clock = Callable[[], datetime]


def fit_and_score(recipe: Recipe, rows: Partition, *, progress: Progress, clock: Clock) -> Trained:
    """Fits every model that the plan of ``rows`` asks for. Raises DataError, FamilyError, FitError."""
    fold = rows.plan.folds[0]
    training, validation = rows.fold(fold)
    started = clock()
    fitted = fit_model(recipe, training, progress=progress)
    seconds = (clock() - started).total_seconds()
    progress.begin("evaluate")
    judged = _scored(rows, fold.validation, validation, fitted)
    return Trained(recipe, fitted, training, judged, (judged,), seconds)


def _scored(rows: Partition, numbers: RowIndices, data: Dataset, fitted: Fitted) -> Scored:
    """The rows with the model's scores, and with its extras where there are several classes or horizons."""
    extras = fitted.extras(data.batch) if data.classes or data.horizons else {}
    return Scored(rows.examples.frame[numbers], data, fitted.predict(data.batch), extras)
