"""Fits a recipe: engineered columns, the family's model and a calibrator, as one fitted model."""

from dataclasses import dataclass

import numpy as np

from scoreline_trainers.calibration import Calibration, calibrated, calibrated_by
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.data.weights import weighted
from scoreline_trainers.engineering.pipeline import Engineered, FeaturePipeline
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.ensembles.out_of_fold import folds_of
from scoreline_trainers.families.tasks.horizons import horizons
from scoreline_trainers.families.tasks.one_vs_rest import one_vs_rest
from scoreline_trainers.family import Fitted, Start
from scoreline_trainers.progress import Part, Progress
from scoreline_trainers.training.recipe import Recipe


def fit_model(recipe: Recipe, data: Dataset, *, progress: Progress, start: Start | None = None) -> Fitted:
    """Fits every step of ``recipe`` on training rows; the model's inputs are those of ``data.inputs``.

    Args:
        recipe: how.
        data: the training rows.
        progress: receives every stage.
        start: the published version to continue from, by whose contract ``data`` is encoded; None trains from scratch.

    Raises:
        DataError: the rows do not fit what is computed from them, or a class has a weight and no rows.
        FamilyError, FitError: the family cannot be used or cannot learn.
    """
    steps = _Steps(recipe, start)
    if data.classes:
        return one_vs_rest(weighted(data, recipe), lambda part, name: steps.fit(part, Part(progress, name)))
    if data.horizons:
        return horizons(
            data, lambda part, name: steps.fit(weighted(part, recipe), Part(progress, name)), scored=str(recipe.label)
        )
    return steps.fit(weighted(data, recipe), progress)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps behind each other of one score."""

    recipe: Recipe
    start: Start | None

    def fit(self, data: Dataset, progress: Progress) -> Fitted:
        """Engineered columns, the model and its calibrator."""
        calibration = self.recipe.calibration
        if calibration is None:
            return self._engineered(data, progress)
        if calibration.fraction is not None:
            training, held_out = hold_out(
                len(data), fraction=calibration.fraction, seed=self.recipe.seed, unit=data.unit
            )
            model = self._engineered(data.take(training), progress)
            progress.begin("calibrate")
            return calibrated(model, data.take(held_out), calibration.method)
        return self._calibrated_across(data, calibration, progress)

    def _calibrated_across(self, data: Dataset, calibration: Calibration, progress: Progress) -> Fitted:
        """The model of all rows; its calibrator is fitted on scores of each fold by a model of the others."""
        folds = calibration.folds
        fold = folds_of(data, folds=folds, seed=self.recipe.seed)
        scores = np.empty(len(data))
        for each in range(folds):
            training, held_out = (data.take(np.flatnonzero(side)) for side in (fold != each, fold == each))
            if training.is_constant:
                raise FitError(self.recipe.family, f"has too few rows of each label for {folds} folds of calibration")
            model = self._engineered(training, Part(progress, f"calibration fold {each + 1}"))
            scores[fold == each] = model.predict(held_out.batch)
        return calibrated_by(self._engineered(data, progress), data, scores, calibration.method)

    def _engineered(self, data: Dataset, progress: Progress) -> Fitted:
        if not self.recipe.engineered:
            return self._fitted(data, progress)
        progress.begin("engineer columns")
        kept = self.recipe.kept
        pipeline = FeaturePipeline.fit(
            self.recipe.engineered, data, keep_features="features" in kept, keep_sequence="sequence" in kept
        )
        return Engineered(pipeline, self._fitted(pipeline.dataset(data), progress))

    def _fitted(self, data: Dataset, progress: Progress) -> Fitted:
        family, config, seed = FAMILIES[self.recipe.family], self.recipe.family_config(), self.recipe.seed
        if self.start is None:
            return family.fit(data, config, seed=seed, progress=progress)
        fitted: Fitted = family.fit_from(self.start, data, config, seed=seed, progress=progress)  # type: ignore[attr-defined]
        return fitted
