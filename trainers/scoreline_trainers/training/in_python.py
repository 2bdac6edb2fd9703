"""Training from Python: what ``scoreline_trainers`` offers by its own name."""

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from scoreline_registry.documents.manifest import TrainingFacts
from scoreline_registry.registry import Registry
from scoreline_trainers.data import tables
from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.progress import Progress
from scoreline_trainers.training import run
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.profiles import with_profiles
from scoreline_trainers.training.recipe import Recipe, find_recipe
from scoreline_trainers.training.reports.training_report import TrainingReport
from scoreline_trainers.training.sources import data_source, recipe_table
from scoreline_trainers.training.warm_start import published_start

CHAMPION = "champion"


def read_table(
    file: Path | str, *, separator: str | None = None, decimal: Decimal = ".", encoding: str | None = None
) -> pl.DataFrame:
    """A CSV (plain or gzip) or Parquet file as a frame. Raises DataError."""
    return tables.read_table(Path(file), separator=separator, decimal=decimal, encoding=encoding)[0]


def load_recipe(recipe: Path | str | Mapping[str, Any]) -> Recipe:
    """A recipe by the path of its file, by the name of a packaged one, or of its keys. Raises RecipeError."""
    if isinstance(recipe, Mapping):
        return Recipe.parse(recipe)
    return find_recipe(str(recipe))[0]


def train(
    recipe: Recipe | Path | str | Mapping[str, Any],
    table: object = None,
    *,
    folder: Path | str | None = None,
    registry: Registry | Path | str | None = None,
    progress: Progress | None = None,
) -> Candidate:
    """Trains, evaluates, exports and checks a model; nothing is published.

    Args:
        recipe: a Recipe, or what ``load_recipe`` takes.
        table: anything with the Arrow PyCapsule interface: Polars, pandas, PyArrow; without one, the recipe's data.
        folder: that the recipe's files are relative to; that of its file, or the current one.
        registry: with the version that a recipe with ``warm_start`` continues from, and the profiles that it names.
        progress: receives every stage.

    Raises:
        RecipeError: the recipe cannot be run as written.
        DataError: the table does not fit it.
        FamilyError, FitError, ExportError: the family cannot be used, learn or be exported.
        GateError: the graph differs from the native model.
    """
    written, beside = _located(recipe)
    opened = None if registry is None else _opened(registry)
    beside = beside if folder is None else Path(folder)
    written = with_profiles(written, folder=beside, registry=opened)
    start = None if opened is None else published_start(written, opened)
    if table is not None:
        return run.train(written, table, start=start, progress=progress)
    frame, digest = recipe_table(written, folder=beside)
    return run.train(written, frame, data_sha256=digest, data=data_source(written), start=start, progress=progress)


def publish(
    candidate: Candidate,
    registry: Registry | Path | str,
    *,
    author: str | None = None,
    message: str = "",
    aliases: Sequence[str] | None = None,
) -> TrainingReport:
    """Publishes a trained model and applies its recipe's route, where it has one.

    Args:
        candidate: of ``train``.
        registry: or its folder.
        author: who publishes; the current user by default.
        message: why, for the history.
        aliases: what the version is called; "champion" by default while the model has none.

    Raises:
        RegistryError: the registry does not take it.
    """
    opened, recipe = _opened(registry), _recipe_in(candidate.manifest.training, "of this model")
    models = opened.latest().models
    taken = recipe.name in models and CHAMPION in models[recipe.name].aliases
    named = aliases if aliases is not None else () if taken else (CHAMPION,)
    return publish_candidate(
        candidate, recipe, opened, author=author or getpass.getuser(), message=message, aliases=tuple(named)
    )


def recipe_of(registry: Registry | Path | str, version: str) -> Recipe:
    """The recipe of a published version such as "credit@7" or "credit@champion", every option with its value.

    Raises:
        RegistryError: there is no such version.
        RecipeError: it was not made by a recipe.
    """
    opened = _opened(registry)
    return _recipe_in(opened.manifest(*opened.latest().resolve(version)).training, f"of {version}")


def _located(recipe: Recipe | Path | str | Mapping[str, Any]) -> tuple[Recipe, Path]:
    if isinstance(recipe, Recipe):
        return recipe, Path.cwd()
    return (Recipe.parse(recipe), Path.cwd()) if isinstance(recipe, Mapping) else find_recipe(str(recipe))


def _opened(registry: Registry | Path | str) -> Registry:
    return registry if isinstance(registry, Registry) else Registry.open(registry)


def _recipe_in(facts: TrainingFacts | None, source: str) -> Recipe:
    if facts is None or facts.recipe is None:
        raise RecipeError(
            source, ["there is none: the version was not trained by a recipe; `scoreline train` stores one"]
        )
    return Recipe.parse(facts.recipe, source=source)
