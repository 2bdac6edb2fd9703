"""Reads the published version that a recipe's training continues from."""

from scoreline_registry.documents.manifest import MANIFEST_FILE
from scoreline_registry.registry import Registry
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import Start
from scoreline_trainers.training.recipe import Recipe


def published_start(recipe: Recipe, registry: Registry) -> Start | None:
    """The version that ``warm_start`` names, with its files; None where the recipe names none.

    Raises:
        RecipeError: the version is of another family or task, or the recipe computes columns of its own.
        RegistryError: there is no such version.
    """
    if recipe.warm_start is None:
        return None
    model, number = registry.latest().resolve(recipe.warm_start)
    manifest, name = registry.manifest(model, number), f"{model}@{number}"
    if (manifest.family, manifest.task) != (recipe.family, recipe.task):
        found = f"{name} is of family {manifest.family!r} and task {manifest.task}"
        raise RecipeError(recipe.name, [f"warm_start: {found}, not {recipe.family!r}, {recipe.task}"])
    entry = registry.latest().state.models.require(model).entry(number)
    files = {each: registry.read_file(model, number, each) for each in entry.files if each != MANIFEST_FILE}
    return Start(name, manifest.family, manifest.inputs, files)


def check_warm_start(recipe: Recipe, start: Start | None) -> None:
    """Raises RecipeError where the recipe cannot continue from a version, or names one and none was read."""
    if recipe.warm_start is None:
        return
    problem = ""
    if not hasattr(FAMILIES[recipe.family], "fit_from"):
        problem = f"family {recipe.family!r} cannot continue from a published version: leave it out"
    elif recipe.engineered:
        problem = "the columns that 'engineered' computes are fitted again: leave one of the two out"
    elif recipe.task == "multiclass" or recipe.horizons:
        problem = "models of several classes or horizons cannot continue from a published version: leave it out"
    elif recipe.search is not None:
        problem = "'search' tries trainings from scratch: leave one of the two out"
    elif start is None:
        problem = "no registry was read: pass `start`, see `training.warm_start.published_start`"
    if problem:
        raise RecipeError(recipe.name, [f"warm_start: {problem}"])
