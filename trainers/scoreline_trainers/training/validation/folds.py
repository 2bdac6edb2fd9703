"""Fits a recipe on the folds of a table and, where the plan says so, on all rows but the test part."""

from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np

from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.data.batch import Batch, Float64, RowIndices
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.family import Fitted, Start
from scoreline_trainers.progress import Progress, Step
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.trained import Scored, Trained

Clock = Callable[[], datetime]


def fit_and_score(
    recipe: Recipe, rows: Partition, *, progress: Progress, clock: Clock, start: Start | None = None
) -> Trained:
    """Fits every model that the plan of ``rows`` asks for, each from ``start``.

    Raises:
        DataError, FamilyError, FitError: the rows do not fit, or the family cannot learn from them.
    """
    if rows.plan.refits:
        return _refitted(recipe, rows, progress=progress, clock=clock, start=start)
    training, validation = rows.fold(rows.plan.folds[0])
    fitted, seconds = _timed_fit(recipe, training, progress=progress, clock=clock, start=start)
    progress.begin("evaluate")
    judged = _scored(rows, rows.plan.folds[0].validation, validation, fitted, learned_rows=len(training))
    test = _test_scores(rows, fitted, training)
    return Trained(recipe, fitted, training, judged, (judged,), seconds, test)


def fold_scores(recipe: Recipe, rows: Partition, *, progress: Progress, start: Start | None = None) -> Iterator[Scored]:
    """Fits the model of each fold and scores its validation rows. Raises DataError, FamilyError, FitError."""
    for fold in rows.plan.folds:
        training, validation = rows.fold(fold)
        fitted = fit_model(recipe, training, progress=Step(progress), start=start)
        yield _scored(rows, fold.validation, validation, fitted, learned_rows=len(training))


def _refitted(recipe: Recipe, rows: Partition, *, progress: Progress, clock: Clock, start: Start | None) -> Trained:
    plan = rows.plan
    progress.begin("fit folds", total=len(plan.folds))
    folds = []
    for scored in fold_scores(recipe, rows, progress=progress, start=start):
        folds.append(scored)
        progress.advance(f"{len(scored.scores):,} rows scored by a model of {scored.learned_rows:,} others")
    training = rows.training()
    fitted, seconds = _timed_fit(recipe, training, progress=progress, clock=clock, start=start)
    progress.begin("evaluate")
    numbers = np.concatenate([fold.validation for fold in plan.folds[: plan.first_repeat]])
    judged = Scored.together(folds[: plan.first_repeat], rows.encoded(numbers, training.inputs))
    test = _test_scores(rows, fitted, training)
    return Trained(recipe, fitted, training, judged, tuple(folds), seconds, test, refitted=True)


def _timed_fit(
    recipe: Recipe, training: Dataset, *, progress: Progress, clock: Clock, start: Start | None
) -> tuple[Fitted, float]:
    started = clock()
    fitted = fit_model(recipe, training, progress=progress, start=start)
    return fitted, (clock() - started).total_seconds()


def _test_scores(rows: Partition, fitted: Fitted, training: Dataset) -> Scored | None:
    test = rows.test(training.inputs)
    if test is None or rows.plan.test is None:
        return None
    return _scored(rows, rows.plan.test, test, fitted, learned_rows=len(training))


def _scored(rows: Partition, numbers: RowIndices, data: Dataset, fitted: Fitted, *, learned_rows: int) -> Scored:
    outputs = outputs_of(fitted, data)
    scores = outputs.pop(SCORE)
    return Scored(rows.examples.frame[numbers], data, scores, _uncalibrated(fitted, data.batch), learned_rows, outputs)


def outputs_of(fitted: Fitted, data: Dataset) -> dict[str, Float64]:
    """The model's scores of rows, with its extras where there are several classes or horizons."""
    extras = fitted.extras(data.batch) if data.classes or data.horizons else {}
    return {SCORE: fitted.predict(data.batch), **extras}


def _uncalibrated(fitted: Fitted, batch: Batch) -> Float64 | None:
    return fitted.model.predict(batch) if isinstance(fitted, Calibrated) else None
