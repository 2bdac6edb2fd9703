"""Fits a recipe: engineered columns, the family's model and a calibrator, as one fitted model."""

from scoreline_trainers.calibration import calibrated
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.data.weights import weighted
from scoreline_trainers.engineering.pipeline import Engineered, FeaturePipeline
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Progress
from scoreline_trainers.training.recipe import Recipe


def fit_model(recipe: Recipe, data: Dataset, *, progress: Progress) -> Fitted:
    """Fits every step of ``recipe`` on training rows; the model's inputs are those of ``data.inputs``.

    Raises:
        DataError: the rows do not fit what is computed from them, or a class has a weight and no rows.
        FamilyError, FitError: the family cannot be used or cannot learn.
    """
    data = weighted(data, recipe)
    if recipe.calibration is None:
        return _engineered(recipe, data, progress)
    training, held_out = hold_out(len(data), fraction=recipe.calibration.fraction, seed=recipe.seed, unit=data.unit)
    model = _engineered(recipe, data.take(training), progress)
    progress.begin("calibrate")
    return calibrated(model, data.take(held_out), recipe.calibration.method)


def _engineered(recipe: Recipe, data: Dataset, progress: Progress) -> Fitted:
    if not recipe.engineered:
        return _fitted(recipe, data, progress)
    progress.begin("engineer columns")
    kept = recipe.kept
    pipeline = FeaturePipeline.fit(
        recipe.engineered, data, keep_features="features" in kept, keep_sequence="sequence" in kept
    )
    return Engineered(pipeline, _fitted(recipe, pipeline.dataset(data), progress))


def _fitted(recipe: Recipe, data: Dataset, progress: Progress) -> Fitted:
    return FAMILIES[recipe.family].fit(data, recipe.family_config(), seed=recipe.seed, progress=progress)
